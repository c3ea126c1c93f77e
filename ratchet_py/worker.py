"""A worker of ``twistd ratchet --workers``: ``python -m ratchet_py.worker``, as its parent runs it.

Everything is made here, the reactor and the broker included: nothing of the application is ever in
the parent. With ``--plan`` it only looks what there is to serve, says so and ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import AbstractContextManager, chdir, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.stdio import StandardIO
from twisted.logger import globalLogBeginner

from ratchet_py.app import App
from ratchet_py.broker.memory import MemoryBroker
from ratchet_py.push.credentials import PushCredentials
from ratchet_py.push.server import PushServer
from ratchet_py.server.io_server import IoServer
from ratchet_py.service import RatchetService
from ratchet_py.tap import Options, makeService
from ratchet_py.wamp.wamp_server import WampServer
from ratchet_py.workers.acceptor import InheritedEndpoint, Share
from ratchet_py.workers.link import Link, logToParent, readLine
from ratchet_py.workers.loads import Loads
from ratchet_py.workers.pipes import COMMANDS, LOADS, PUBLISH, PUSH, REPORTS, SOCKETS
from ratchet_py.workers.plan import CANNOT, Plan
from ratchet_py.workers.sharing import contextOf
from ratchet_py.workers.workers import Workers

if TYPE_CHECKING:
    from ratchet_py.workers.watch import Watch

__all__ = ["Worker", "main"]


def main(*arguments: str) -> int:
    """Serve until the parent says that it is enough, or is gone.

    Args:
        arguments: Those of the command line.

    Returns:
        The exit status.
    """
    if "--plan" in arguments:
        # What the application prints goes elsewhere.
        answer = os.dup(1)
        os.dup2(2, 1)
        text, status = _plan(json.loads(sys.stdin.read()))
        os.write(answer, text.encode())
        # At once: the application may have begun something that would hold up the end.
        os._exit(status)
    line = readLine(COMMANDS)
    if not line:
        return 0
    config = json.loads(line)
    sys.path[:] = config["path"]
    for fd in range(COMMANDS, SOCKETS + len(config["sockets"])):
        # Not for the processes that the application may start.
        os.set_inheritable(fd, False)
    globalLogBeginner.beginLoggingTo([logToParent], redirectStandardIO=False)
    _installReactor(config)
    return Worker(config).run()


def _plan(config: dict[str, Any]) -> tuple[str, int]:
    """What there is to serve, or why it cannot be, and the exit status that says which."""
    sys.path[:] = config["path"]
    try:
        service, server = _serviceOf(config["options"])
    except SystemExit as exc:
        return str(exc), CANNOT
    clients, others = service.sockets()
    plan = Plan(
        clients=clients,
        ifPossible=list(service.ifPossible),
        others=others,
        drainSeconds=_bottomOf(server).drainSeconds,
        isCarried=_isCarried(server),
        pushSize=server.limits.pushSize if isinstance(server, App) and server.wampPaths else 0,
    )
    return plan.tell(), 0


def _serviceOf(given: dict[str, Any]) -> tuple[RatchetService, App | IoServer]:
    options = Options()
    options.update(given)
    service = makeService(options)
    assert isinstance(service, RatchetService)
    assert not isinstance(service.server, Workers)
    return service, service.server


def _inFolder(path: str) -> AbstractContextManager[object]:
    # If it is this one already, nobody need be allowed to enter it.
    return nullcontext() if path == os.getcwd() else chdir(path)


def _bottomOf(server: App | IoServer) -> IoServer:
    return server.server if isinstance(server, App) else server


def _isCarried(server: App | IoServer) -> bool:
    """Whether topics reach other processes, as far as there are topics."""
    if isinstance(server, App):
        return not isinstance(server.broker, (MemoryBroker, type(None)))
    component: Any = server.app
    while component is not None and not isinstance(component, WampServer):
        component = getattr(component, "component", None) or getattr(component, "delegate", None)
    return component is None or not isinstance(component.topicManager.broker, MemoryBroker)


def _installReactor(config: dict[str, Any]) -> None:
    module = import_module(config["reactor"])
    if config["loop"] is None:
        module.install()
        return
    # That of asyncio, on a loop of the parent's kind: uvloop's, for instance.
    place, name = config["loop"]
    module.install(getattr(import_module(place), name)())


class Worker:
    """One process that serves.

    Args:
        config: What the parent has said.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        from twisted.internet import reactor

        self._config = config
        self._reactor: Any = reactor
        self._link = Link(self._command, self._stop)
        self._pushing: list[tuple[Any, list[IStreamServerEndpoint]]] = []
        self._server: App | IoServer | None = None
        self._watch: Watch | None = None
        self._isStopping = False

    def run(self) -> int:
        """Serve.

        Returns:
            The exit status.
        """
        try:
            with _inFolder(self._config["folder"]):
                service, server = _serviceOf(self._config["options"])
            sockets = self._sockets(_bottomOf(server))
            service.inherit(sockets)
            if isinstance(server, App) and PUBLISH in sockets:
                # For the parent, which has asked for credentials already.
                push = PushServer(server, PushCredentials(self._config["publishToken"]))
                self._pushing.append((push, sockets[PUBLISH]))
            if service.push is not None:
                self._pushing.append((service.push, sockets[PUSH]))
            if self._config["countsFolder"] is not None:
                # Here, because it needs an extra that most do not have.
                from ratchet_py.workers.mirror import Mirror
                from ratchet_py.workers.watch import Watch

                mirror = Mirror(self._config["countsFolder"], self._config["index"] + 1)
                self._watch = Watch(server, self._link, mirror)
            service.startService()
        except (SystemExit, OSError) as exc:
            os.write(REPORTS, json.dumps({"is": "failed", "why": str(exc)}).encode() + b"\n")
            return 1
        self._server = server
        StandardIO(self._link, COMMANDS, REPORTS, self._reactor)  # type: ignore[call-arg]
        self._reactor.addSystemEventTrigger("before", "shutdown", self._end, service)
        self._reactor.callWhenRunning(self._up)
        self._reactor.run()
        return 0

    def _sockets(self, server: IoServer) -> dict[str, list[IStreamServerEndpoint]]:
        loads = Loads(LOADS, self._config["count"])
        share = Share(loads, self._config["index"], lambda: len(server.connections))
        found: dict[str, list[IStreamServerEndpoint]] = {}
        for fd, each in enumerate(self._config["sockets"], SOCKETS):
            context = None if each["pem"] is None else contextOf(each["pem"])
            isShared = each["purpose"] not in (PUSH, PUBLISH)
            endpoint = InheritedEndpoint(self._reactor, fd, share if isShared else None, context)
            found.setdefault(each["purpose"], []).append(endpoint)
        return found

    def _up(self) -> None:
        self._link.report("up")
        if self._watch is not None:
            self._watch.start(self._reactor)

    def _command(self, command: dict[str, Any]) -> None:
        do = command["do"]
        if do == "stop":
            self._stop()
        elif do == "lead":
            for push, endpoints in self._pushing:
                push.listen(*endpoints)
        elif do == "abort" and self._server is not None:
            self._server.abort()
        elif self._watch is not None:
            self._watch.answer(do, command["id"])

    def _stop(self) -> None:
        if not self._isStopping:
            # One wish, whether it comes as a signal, too, or not.
            signal.raise_signal(signal.SIGTERM)

    def _end(self, service: RatchetService) -> Deferred[Any]:
        self._isStopping = True
        others = (push for push, _ in self._pushing if push is not service.push)
        closing = [service.stopService(), *(push.close() for push in others)]
        return DeferredList(closing).addCallback(self._lastWords)

    def _lastWords(self, _: object) -> Deferred[None]:
        if self._watch is not None:
            self._watch.stop()
        return self._link.close()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
