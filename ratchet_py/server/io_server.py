"""The bottom of every stack: sockets become connections, what they read becomes messages."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import count
from typing import Any, NoReturn, TypeVar

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocolNegotiationFactory,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ratchet_py.errors import LocalError
from ratchet_py.interfaces import MessageComponentInterface
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.meter import Tally
from ratchet_py.server.console_log import showWarnings
from ratchet_py.server.descriptors import (
    SPARE,
    descriptorLimit,
    isSelect,
    raiseDescriptorLimit,
    roomFor,
)
from ratchet_py.server.drain import Drain
from ratchet_py.server.io_connection import DirectIoConnection, IoConnection, attach
from ratchet_py.server.marking import marks, postpones
from ratchet_py.server.measured import MeasuredDirectIoConnection, MeasuredIoConnection
from ratchet_py.server.proxy_protocol import ProxyFactory
from ratchet_py.server.refuser import Refuser, refusalOf
from ratchet_py.server.shutdown import closeOnShutdown
from ratchet_py.server.systemd import SYSTEMD, leaveOpen, unnamedSocket

__all__ = ["IoServer", "explain", "withBacklog"]

log = Logger()

# Clients that have not been accepted yet; what the kernel allows may be less.
BACKLOG = 1024

# The endpoints of Twisted's that have a number for that. Theirs is 50, and who finds no room among
# them tries again a second later.
_QUEUES = re.compile(r"(tcp6?|ssl|unix):")

_PROXIED = "haproxy:"

# Less than the ten seconds that Docker gives before it kills.
DRAIN_SECONDS = 9.0

# One count for the process: an application may serve several ports.
_resourceIds = count(1)

_Server = TypeVar("_Server", bound="IoServer")


@implementer(IProtocolNegotiationFactory)
class IoServer(Factory):
    r"""Turns what a transport does into ``onOpen``, ``onMessage`` and ``onClose``.

    It is a Twisted factory, so any endpoint can listen with it (``Ratchet\Server\IoServer``).

    Example:
        ::

            endpoint = serverFromString(reactor, "tcp:8080:interface=127.0.0.1")
            endpoint.listen(IoServer(EchoServer()))

    Args:
        component: What is above; it gets ``bytes``, as they arrive.
        reactor: The clock of all time limits; Twisted's own reactor if none is given.
        limits: ``connections``, ``sendBuffer``, ``stallTimeout`` and ``closeTimeout`` are used
            here.

    Attributes:
        app: The component above.
        limits: The limits.
        connections: The clients of the moment.
        ports: What is listening.
        tally: What is counted.
        drainSeconds: How long :meth:`close` waits for the clients.
        connectionClass: What connections are; those of plain sockets are of ``directClass``.
    """

    connectionClass: type[IoConnection] = IoConnection
    directClass: type[DirectIoConnection] = DirectIoConnection

    noisy = False

    def __init__(
        self,
        component: MessageComponentInterface,
        reactor: Any = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.app = component
        self._loop = reactor
        self.limits = limits
        self.connections: set[IoConnection] = set()
        self.ports: list[IListeningPort] = []
        self._most: int | None = None
        self._refusing: IoServer | None = None
        self._whenEmpty: list[Deferred[None]] = []
        self.tally = Tally()
        self.drainSeconds = DRAIN_SECONDS
        self._drain: Drain | None = None

    @property
    def loop(self) -> Any:
        """The reactor."""
        if self._loop is None:
            # Not before it is needed: importing it installs it.
            from twisted.internet import reactor

            self._loop = reactor
        return self._loop

    @loop.setter
    def loop(self, reactor: Any) -> None:
        self._loop = reactor

    @classmethod
    def factory(
        cls: type[_Server],
        component: MessageComponentInterface,
        port: int = 80,
        address: str = "0.0.0.0",
        reactor: Any = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> _Server:
        """A server that listens already; :meth:`run` serves.

        In a module that ``twistd ratchet --app`` imports it listens there unless it is the one that
        is run.

        Raises:
            CannotListenError: The port is taken, or is not ours to open.
        """
        server = cls(component, reactor, limits)

        def open() -> None:
            listening = server.loop.listenTCP(port, server, interface=address, backlog=BACKLOG)
            server.ports.append(listening)

        if not postpones(server, open):
            open()
        return server

    def listen(self, *endpoints: str | IStreamServerEndpoint) -> Deferred[list[IListeningPort]]:
        """Start to listen.

        Args:
            endpoints: Where, as Twisted's endpoints or their strings: ``"tcp:8080"``,
                ``"ssl:..."``, ``"unix:..."``.

        Returns:
            A Deferred of the ports that have been opened. It fails, and none of them stays open,
            if one cannot be: with ``CannotListenError``, or with
            :class:`~ratchet_py.errors.LocalError` for an endpoint that there is not.
        """
        attempts = [
            maybeDeferred(self._open, endpoint).addErrback(explain, endpoint)
            for endpoint in endpoints
        ]
        return DeferredList(attempts, consumeErrors=True).addCallback(self._opened)

    def measure(self) -> None:
        """Count the bytes of the connections that come from now on, too."""
        self.connectionClass = MeasuredIoConnection
        self.directClass = MeasuredDirectIoConnection

    def run(self, *endpoints: str | IStreamServerEndpoint) -> None:
        """Serve until a signal; then close every client and return.

        In a module that ``twistd ratchet --app`` imports it only says that this server is the one
        to serve; where, ``--listen`` says.

        Args:
            endpoints: Where to listen, as :meth:`listen` takes it; none for who listens already.

        Raises:
            SystemExit: A port cannot be opened; the message says why.
        """
        if marks(self):
            return
        failed: list[Failure] = []
        self.listen(*endpoints).addErrback(failed.append)
        if failed:
            raise SystemExit(f"ratchet: {failed[0].getErrorMessage()}")
        showWarnings()
        self.prepare()
        closeOnShutdown(self.loop, self.close, self.abort)
        self.loop.run()

    def close(self) -> Deferred[None]:
        """Stop listening and close every client with 1001 (going away), many of them bit by bit.

        Each gets first what waits for it. Who is still there after ``drainSeconds`` is dropped.

        Returns:
            A Deferred that fires when the last one is gone.
        """
        # In this order, because a client that is told goodbye may knock again at once.
        return self._stopListening().addCallback(lambda _: self._closeAll())

    @property
    def draining(self) -> bool:
        """Whether the clients are being told goodbye."""
        return self._drain is not None

    def abort(self) -> None:
        """Drop every client now."""
        for conn in tuple(self.connections):
            conn.abort()
        if self._refusing is not None:
            self._refusing.abort()

    @property
    def most(self) -> int:
        """How many clients it takes: ``Limits.connections``, and what the process has room for."""
        if self._most is None:
            room, most = roomFor(self.loop), self.limits.connections
            self._most = room if most is None else min(most, room)
        return self._most

    def prepare(self) -> None:
        """Make room for as many clients as this process may have, and log how many that are.

        :meth:`run` calls it, and so do ``App.run`` and ``twistd ratchet``; it changes a limit of
        the whole process.
        """
        raiseDescriptorLimit()
        self._most = None
        log.info(
            "{reactor}, {limit} descriptors: room for {most} connections",
            reactor=type(self.loop).__name__,
            limit=descriptorLimit(self.loop),
            most=self.most,
        )
        if isSelect(self.loop):
            log.warn(
                "the reactor of select() serves {most} connections and no more; another one, "
                "such as twistd --reactor=asyncio, serves as many as there are descriptors",
                most=self.most,
            )

    def acceptableProtocols(self) -> list[bytes]:
        """What may be agreed on within TLS, which browsers ask for (IProtocolNegotiationFactory).

        Without this Twisted would break off the handshake of every client that asks.
        """
        return [b"http/1.1"]

    def buildProtocol(self, addr: IAddress | None) -> IoConnection | None:
        """A client has been accepted (IProtocolFactory); None if it cannot even be refused."""
        if len(self.connections) >= (self._most or self.most):
            return self._refuse(addr)
        return self.connectionClass(self, next(_resourceIds), getattr(addr, "host", ""))

    def adopt(self, transport: Any, data: bytes) -> None:
        """Take over a connection that another protocol has begun, such as one of ``twisted.web``.

        It is served, limited and closed like one that was accepted here, with one difference:
        ``conn.isBorrowed`` is true, because a further HTTP request on it would be for another.

        Args:
            transport: The transport, of which nobody is the producer any more; see
                :func:`~ratchet_py.server.io_connection.isAdoptable`.
            data: What it has brought that is for us.
        """
        conn = self.buildProtocol(transport.getPeer())
        if conn is None:
            transport.abortConnection()
            return
        conn.isBorrowed = True
        attach(transport, conn)
        conn.makeConnection(transport)
        # Who had it may have had enough of it.
        transport.resumeProducing()
        conn.dataReceived(data)

    def _refuse(self, addr: IAddress | None) -> IoConnection | None:
        self.tally.exceeded["connections"] += 1
        refusing = self._refusing
        if refusing is None:
            # Who is refused must not take the last descriptors either, so that there is an end to
            # it if very many come at once.
            spare = min(SPARE, descriptorLimit(self.loop) - self.most)
            most = max(spare - SPARE // 4, 1)
            limits = replace(self.limits, connections=most)
            refuser = Refuser(refusalOf(self.app), most // 3)
            refusing = IoServer(refuser, self.loop, limits)
            self._refusing = refusing
        if len(refusing.connections) >= refusing.most:
            return None
        self.tally.refused[503] += 1
        return refusing.buildProtocol(addr)

    def forget(self, conn: IoConnection) -> None:
        """A client is gone; called by its connection."""
        self.connections.discard(conn)
        if not self.connections:
            if self._drain is not None:
                self._drain.stop()
                self._drain = None
            waiting, self._whenEmpty = self._whenEmpty, []
            for deferred in waiting:
                deferred.callback(None)

    def _closeAll(self) -> Deferred[None] | None:
        if self._refusing is not None:
            self._refusing.abort()
        if not self.connections:
            return None
        empty: Deferred[None] = Deferred()
        self._whenEmpty.append(empty)
        if self._drain is not None:
            # Asked again: who has come since the first time is told goodbye, too.
            self._drain.stop()
        self._drain = Drain(self.connections, self.loop, self.drainSeconds)
        return empty

    def _open(self, endpoint: str | IStreamServerEndpoint) -> Deferred[IListeningPort]:
        where: Any = endpoint
        factory: Any = self
        if isinstance(endpoint, str):
            inner = endpoint.removeprefix(_PROXIED)
            if inner is not endpoint:
                factory = ProxyFactory(self)  # type: ignore[no-untyped-call]
            where = unnamedSocket(self.loop, inner)
            if where is None:
                where = serverFromString(self.loop, withBacklog(inner))
            if inner.startswith(SYSTEMD):
                return where.listen(factory).addCallback(leaveOpen)  # type: ignore[no-any-return]
        listening: Deferred[IListeningPort] = where.listen(factory)
        return listening

    def _opened(self, results: list[tuple[bool, Any]]) -> Any:
        opened = [port for success, port in results if success]
        for success, failure in results:
            if not success:
                # Nobody waits until they are closed: who starts a server is to be told at once.
                for port in opened:
                    port.stopListening()
                return failure
        self.ports += opened
        return opened

    def _stopListening(self) -> Deferred[Any]:
        ports, self.ports = self.ports, []
        return DeferredList([maybeDeferred(port.stopListening) for port in ports])


def withBacklog(endpoint: str) -> str:
    """An endpoint of Twisted's that says how many may wait to be accepted, or it as it is."""
    if _QUEUES.match(endpoint) and ":backlog=" not in endpoint:
        return f"{endpoint}:backlog={BACKLOG}"
    return endpoint


def explain(failure: Failure, endpoint: object) -> NoReturn:
    """Say which endpoint it was: Twisted's words for one that is wrong are those of its parser.

    Args:
        failure: Why it cannot be opened.
        endpoint: Which one.

    Raises:
        CannotListenError: As it was; it names the endpoint.
        LocalError: All else.
    """
    failure.trap(Exception)
    exc = failure.value
    if isinstance(exc, CannotListenError):
        raise exc
    reason: object = exc
    if isinstance(exc, LookupError):
        reason = "systemd has handed over no such socket; its .socket unit starts this service"
    raise LocalError(f"cannot listen on {endpoint!r}: {reason}") from exc
