"""A server that is several processes."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterable
from functools import cached_property
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from ratchet_py.server.descriptors import raiseDescriptorLimit
from ratchet_py.workers.loads import Loads
from ratchet_py.workers.pipes import COMMANDS, LOADS, LOG, PUBLISH, PUSH, REPORTS, SOCKETS
from ratchet_py.workers.plan import COMMAND, Plan
from ratchet_py.workers.process import WorkerProcess
from ratchet_py.workers.sharing import SharedSockets
from ratchet_py.workers.supervisor import Supervisor

__all__ = ["SharedPush", "Workers"]

log = Logger()

# What it takes to end a process, beyond the time that its clients have.
_GRACE = 3.0


class Workers:
    """Processes that serve one application on the same sockets.

    To :class:`~ratchet_py.service.RatchetService` it is a server like an ``App``: it can be told to
    listen, to close and to abort.

    Args:
        plan: What there is to serve.
        count: How many processes.
        options: What each of them builds its server from.
        isWatched: Whether they are to count what happens.

    Attributes:
        count: How many processes.
        publishPort: Where a worker takes the pushes that come to the parent, on 127.0.0.1; or None.
        publishToken: What it takes for that.
        pushSize: How large a push may be.
        countsFolder: Where they write what they count, while there are any; None if they do not.
        isClosing: Whether they have been told to end.
        onGone: Called with each worker that has ended.
    """

    def __init__(self, plan: Plan, count: int, options: dict[str, Any], isWatched: bool) -> None:
        self.count = count
        self.isClosing = False
        self.onGone: Callable[[WorkerProcess], object] = lambda worker: None
        self._supervisor: Supervisor | None = None
        self._drainSeconds = plan.drainSeconds
        self._others = plan.others
        self.publishPort: int | None = None
        self.publishToken = secrets.token_urlsafe(18)
        self.pushSize = plan.pushSize
        self.countsFolder: str | None = None
        self._options = options
        # twistd may go to another one, when the files that are named have been found.
        self._folder = os.getcwd()
        self._isWatched = isWatched
        self._shared = Loads.create(count)
        self._loads = Loads(self._shared, count)

    @property
    def loop(self) -> Any:
        """The reactor."""
        from twisted.internet import reactor

        return reactor

    @property
    def processes(self) -> list[WorkerProcess]:
        """The worker of each place; one that has ended until there is another."""
        return [] if self._supervisor is None else self._supervisor.workers

    @property
    def restarts(self) -> int:
        """How many have been started in place of others."""
        return 0 if self._supervisor is None else self._supervisor.restarts

    def prepare(self) -> None:
        """Raise the descriptor limit, which workers inherit; start them when the reactor runs."""
        raiseDescriptorLimit()
        # In a turn of its own: not before is it known on what loop asyncio's reactor runs.
        self.loop.callWhenRunning(self.loop.callLater, 0, self._start)

    def listen(self, *endpoints: Any) -> Deferred[list[IListeningPort]]:
        """Open sockets for clients, and first for what else the plan names.

        Args:
            endpoints: Where, as Twisted's endpoint strings.

        Returns:
            A Deferred of the ports. It fails if one cannot be opened.
        """
        return maybeDeferred(self._open, endpoints)

    def share(self, purpose: str, endpoint: Any) -> Deferred[list[IListeningPort]]:
        """Open a socket for something else than clients.

        Args:
            purpose: What it is for; a worker finds it under this name.
            endpoint: Where, as Twisted's endpoint string.

        Returns:
            A Deferred of the port. It fails if it cannot be opened.
        """
        return maybeDeferred(lambda: [self._sockets.open(purpose, endpoint)])

    def close(self) -> Deferred[Any]:
        """Stop listening, and have all workers tell their clients goodbye at the same time.

        Returns:
            A Deferred that fires when the last worker has ended.
        """
        self.isClosing = True
        # In this order, because a client that is told goodbye may knock again at once.
        return self._sockets.close().addCallback(self._stop)

    def abort(self) -> None:
        """Drop every client now."""
        if self._supervisor is not None:
            self._supervisor.abort()

    @cached_property
    def _sockets(self) -> SharedSockets:
        # Not before it is needed: to ask for the reactor is to install it.
        return SharedSockets(self.loop)

    def _open(self, endpoints: Iterable[str]) -> list[IListeningPort]:
        others, self._others = self._others, {}
        for purpose, wanted in others.items():
            for endpoint in wanted:
                port: Any = self._sockets.open(purpose, endpoint)
                if purpose == PUBLISH:
                    self.publishPort = port.getHost().port
        return [self._sockets.open("clients", endpoint) for endpoint in endpoints]

    def _start(self) -> None:
        if self.isClosing:
            return
        if self._isWatched:
            # Not before: now it is known which user this is, and so the workers.
            try:
                folder = TemporaryDirectory(prefix="ratchet-")
            except OSError as exc:
                self._noneCan(str(exc))
                return
            self.countsFolder = folder.name
            self.loop.addSystemEventTrigger("after", "shutdown", folder.cleanup)
        self._supervisor = Supervisor(
            self.loop, self.count, self._spawn, self._allUp, self._noneCan, self._gone
        )
        self._supervisor.start()

    def _stop(self, _: object) -> Deferred[None] | None:
        if self._supervisor is None:
            return None
        return self._supervisor.stop(self._drainSeconds + _GRACE)

    def _spawn(self, worker: WorkerProcess) -> None:
        config = {
            "path": sys.path,
            "folder": self._folder,
            "options": self._options,
            "reactor": type(self.loop).__module__,
            "loop": _runningLoop(),
            "index": worker.number - 1,
            "count": self.count,
            "countsFolder": self.countsFolder,
            "publishToken": self.publishToken,
            "sockets": self._sockets.describe(),
        }
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            transport = self.loop.spawnProcess(
                worker,
                COMMAND[0],
                [*COMMAND, str(worker.number)],
                os.environ,
                childFDs={
                    0: nothing,
                    1: "r",
                    2: "r",
                    COMMANDS: "w",
                    REPORTS: "r",
                    LOG: "r",
                    LOADS: self._shared,
                    **dict(enumerate(self._sockets.descriptors, SOCKETS)),
                },
            )
        finally:
            os.close(nothing)
        transport.writeToChild(COMMANDS, json.dumps(config).encode() + b"\n")

    def _gone(self, worker: WorkerProcess) -> None:
        # It may have had no time to do so itself.
        self._loads.leave(worker.number - 1)
        self.onGone(worker)

    def _allUp(self) -> None:
        log.info("{count} workers serve", count=self.count)

    def _noneCan(self, reason: str) -> None:
        log.critical("no worker can serve: {reason}", reason=reason)
        # The one way to give a status that twistd and twist leave.
        atexit.register(os._exit, 1)
        self.loop.stop()


class SharedPush:
    """Where pushes are taken by one of the workers; to ``RatchetService`` a ``PushServer``.

    Args:
        workers: The workers.
        token: The random token that they let in, or None.

    Attributes:
        token: The token.
    """

    def __init__(self, workers: Workers, token: str | None) -> None:
        self._workers = workers
        self.token = token

    def listen(self, endpoint: Any) -> Deferred[list[IListeningPort]]:
        """Open the socket."""
        return self._workers.share(PUSH, endpoint)

    def close(self) -> Deferred[None]:
        """Nothing to do: the workers close."""
        return succeed(None)


def _runningLoop() -> tuple[str, str] | None:
    """The kind of asyncio's loop that the reactor runs on, if it does."""
    try:
        kind = type(asyncio.get_running_loop())
    except RuntimeError:
        return None
    return kind.__module__, kind.__qualname__
