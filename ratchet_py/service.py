"""What ``twistd ratchet`` runs: a server as a service of Twisted's."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from ratchet_py.app import App
from ratchet_py.push.server import PushServer
from ratchet_py.server.io_server import IoServer
from ratchet_py.server.shutdown import Shutdown
from ratchet_py.workers import SharedPush, Workers

if TYPE_CHECKING:
    from ratchet_py.admin import Admin

__all__ = ["CannotStart", "RatchetService"]

log = Logger()

# For a server that has no address of its own.
_DEFAULT_ENDPOINT = "tcp:8080:interface=127.0.0.1"


class CannotStart(SystemExit, Exception):
    """Ends the process with one line, also where ``twistd`` has taken hold of stderr.

    It is an :class:`Exception` as well, because ``twistd`` looks for one: for another it would
    leave its pid file, and as a daemon its parent would wait for ever.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        if sys.stderr is not sys.__stderr__ and sys.__stderr__ is not None:
            print(message, file=sys.__stderr__, flush=True)


class RatchetService(Service):
    """Listens while it runs; stopping it closes every client and waits for them.

    Args:
        server: What to serve.
        endpoints: Where; if empty, on the App's own port and address.
        admin: Who serves the figures, if anybody does; until the last client is gone.
        adminEndpoint: Where.
        ifPossible: Where to listen, too, if that can be.
        push: Who takes pushes, if anybody does.
        pushEndpoint: Where.
    """

    name = "ratchet"

    def __init__(
        self,
        server: App | IoServer | Workers,
        endpoints: Sequence[str | IStreamServerEndpoint],
        admin: Admin | None = None,
        adminEndpoint: str = "",
        ifPossible: Sequence[str] = (),
        push: PushServer | SharedPush | None = None,
        pushEndpoint: str = "",
    ) -> None:
        self.server = server
        self.push = push
        self.pushEndpoint = pushEndpoint
        self.ifPossible = ifPossible
        if not endpoints and isinstance(server, IoServer):
            endpoints = [_DEFAULT_ENDPOINT]
        self.endpoints = endpoints
        self._isQuiet = False
        self.admin = admin
        self.adminEndpoint = adminEndpoint
        self._listening = False
        self._shutdown: Shutdown | None = None

    def privilegedStartService(self) -> None:
        """Listen while the process may still open any port (IService).

        Raises:
            SystemExit: An endpoint cannot be opened; the message says why.
        """
        if self._listening:
            return
        self._listening = True
        # Here, where a process that began as root may still raise it.
        bottom = self.server.server if isinstance(self.server, App) else self.server
        bottom.prepare()
        failed: list[Failure] = []
        listening = self.server.listen(*self.endpoints).addCallback(self._report)
        listening.addErrback(failed.append if listening.called else self._failedLater)
        if self.admin is not None and not failed:
            admin = self.admin.listen(self.adminEndpoint).addCallback(_reportAdmin, self.admin)
            admin.addErrback(failed.append if admin.called else self._failedLater)
        if self.push is not None and not failed and not self._isQuiet:
            push = self.push.listen(self.pushEndpoint).addCallback(self._reportPush, self.push)
            push.addErrback(failed.append if push.called else self._failedLater)
        if failed:
            raise CannotStart(f"ratchet: {failed[0].getErrorMessage()}")
        for endpoint in self.ifPossible:
            bottom.listen(endpoint).addCallbacks(self._report, lambda _: None)

    def startService(self) -> None:
        """Listen, if ``privilegedStartService`` has not been called (IService)."""
        self.privilegedStartService()
        if self._shutdown is None:
            # Not before: the reactor is chosen by the same command line.
            self._shutdown = Shutdown(self.server.loop, self.server.close, self.server.abort)
            self._shutdown.watch()
        super().startService()  # type: ignore[no-untyped-call]

    def sockets(self) -> tuple[list[str], dict[str, list[str]]]:
        """What it listens on, for who has it inherit sockets.

        Returns:
            The endpoints for clients, and others by what they are for.
        """
        clients = [endpoint for endpoint in self.endpoints if isinstance(endpoint, str)]
        if not isinstance(self.server, App):
            return clients, {}
        flash = self.server.flashEndpoint
        return clients or [self.server.endpoint], {"flash": [] if flash is None else [flash]}

    def inherit(self, sockets: dict[str, list[IStreamServerEndpoint]]) -> None:
        """Listen for clients on sockets that another process has opened, instead of opening any.

        Args:
            sockets: ``clients``, and others by what they are for.
        """
        self._isQuiet = True
        self.endpoints = sockets["clients"]
        self.ifPossible = ()
        if isinstance(self.server, App) and self.server.flashServer is not None:
            self.server.flashServer.listen(*sockets["flash"])

    def _report(self, ports: list[IListeningPort]) -> None:
        for port in () if self._isQuiet else ports:
            log.info("Ratchet serves {where}", where=_nameOf(port))

    def _reportPush(self, ports: list[IListeningPort], push: PushServer | SharedPush) -> None:
        needed = "the token or secret of yours" if push.token is None else f"the token {push.token}"
        for port in () if self._isQuiet else ports:
            log.info(
                "Pushes go to /publish at {where}, with {needed}",
                where=_nameOf(port),
                needed=needed,
            )

    def _failedLater(self, failure: Failure) -> None:
        # An endpoint that takes its time; the process runs already, and to no purpose.
        log.failure("an endpoint could not be opened", failure)
        self.server.loop.stop()

    def stopService(self) -> Deferred[Any]:
        """Close every client with 1001 (IService).

        Returns:
            A Deferred that fires when the last one is gone.
        """
        super().stopService()  # type: ignore[no-untyped-call]
        self._listening = False
        closing = self.server.close() if self._shutdown is None else self._shutdown.begin()
        if self.push is not None:
            closing = gatherResults([closing, self.push.close()])
        # At last: meanwhile the load balancer is to see that clients belong elsewhere.
        return closing if self.admin is None else closing.addCallback(self._closeAdmin, self.admin)

    def _closeAdmin(self, _: object, admin: Admin) -> Deferred[None]:
        return admin.close()


def _nameOf(port: IListeningPort) -> str:
    address = port.getHost()
    if not isinstance(address, (IPv4Address, IPv6Address)):
        return str(address)
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"http://{host}:{address.port}/"


def _reportAdmin(ports: list[IListeningPort], admin: Admin) -> None:
    for port in ports:
        log.info(
            "The figures are at {where}; to change something takes the token {token}",
            where=_nameOf(port),
            token=admin.token,
        )
