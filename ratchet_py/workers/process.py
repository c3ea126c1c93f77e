"""One worker, as its parent sees it."""

from __future__ import annotations

import json
import signal
from contextlib import suppress
from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.process import reapAllProcesses
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger, LogLevel

from ratchet_py.workers.pipes import COMMANDS, LOG, REPORTS, Lines

__all__ = ["WorkerObserver", "WorkerProcess"]

# Of what the application prints.
_LONGEST = 64 * 1024

# How long to read what a process has left in its pipes: those that it has started may keep them.
_REST = 1.0

# How long a process that is about to end may take between two looks.
_REAP = 0.1

_SIGNALS = {each.value: each.name for each in signal.Signals}

# How long a worker may take to answer.
_ANSWER = 1.0


class WorkerObserver(Protocol):
    """Who is told what becomes of a worker."""

    def workerUp(self, worker: WorkerProcess) -> None:
        """It serves."""

    def workerEnded(self, worker: WorkerProcess) -> None:
        """It is gone."""


class WorkerProcess(ProcessProtocol):
    """One worker: hears its reports, logs what it logs, and tells it what to do.

    Args:
        reactor: The reactor.
        number: Its number, from 1.
        observer: Is told.

    Attributes:
        number: Its number.
        isUp: Whether it serves.
        ending: How it has ended, in words; None while it has not.
        isGone: Whether it has ended, and all it has said is here.
        why: Why it cannot serve, if it said so.
        heard: When it was last heard of, by the reactor's clock.
        began: When it began to serve.
        row: Its figures of the last second, as :meth:`~ratchet_py.admin.figures.Figures.row` says.
        health: Whether it is well, and why or why not.
        snapshot: Its last one, of what the page shows.
    """

    transport: Any

    def __init__(self, reactor: Any, number: int, observer: WorkerObserver) -> None:
        self.number = number
        self.isUp = False
        self.ending: str | None = None
        self.isGone = False
        self.why: str | None = None
        self.heard = self.began = reactor.seconds()
        self.row: list[float] = []
        self.health: tuple[bool, str] = (False, "starting")
        self.snapshot: dict[str, Any] | None = None
        self._reactor = reactor
        self._observer = observer
        self._lines = {1: Lines(_LONGEST), 2: Lines(_LONGEST), REPORTS: Lines(), LOG: Lines()}
        self._asked: dict[int, tuple[Deferred[None], IDelayedCall]] = {}
        self._asks = 0
        self._isDeaf = False
        self._isQuiet = False
        self._reaping: IDelayedCall | None = None
        self._rest: IDelayedCall | None = None

    def tell(self, do: str, **more: Any) -> None:
        """Give a command; nothing happens if the worker is about to end, or has."""
        if self.ending is None and not self._isDeaf:
            self.transport.writeToChild(COMMANDS, json.dumps({"do": do, **more}).encode() + b"\n")

    def ask(self, what: str) -> Deferred[None]:
        """Ask for a ``"snapshot"``, or to ``"write"`` what has been counted.

        Returns:
            A Deferred that fires when it has done so; or when that takes too long.
        """
        if not self.isUp or self._isDeaf:
            return succeed(None)
        self._asks += 1
        answer: Deferred[None] = Deferred()
        timer = self._reactor.callLater(_ANSWER, self._answered, self._asks)
        self._asked[self._asks] = (answer, timer)
        self.tell(what, id=self._asks)
        return answer

    def notMade(self, reason: Exception) -> None:
        """There could not even be a process."""
        self.ending = f"before it began: {reason}"
        self._reactor.callLater(0, self._gone)

    def stop(self) -> None:
        """Have it tell its clients goodbye, and end; at once, if it does not serve yet."""
        self.tell("stop")
        if not self.isUp:
            # It may be interrupted at the same time, by who has interrupted us, and complain.
            self._isQuiet = True
            self._signal("TERM")

    def kill(self) -> None:
        """End it without a word."""
        self._signal("KILL")

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """It says something (IProcessProtocol)."""
        for line in self._lines[childFD].add(data):
            if childFD == REPORTS:
                self._report(json.loads(line))
            elif childFD == LOG:
                self._log(*json.loads(line))
            else:
                self._printed(childFD, line)

    def childConnectionLost(self, childFD: int) -> None:
        """A pipe is closed (IProcessProtocol)."""
        if childFD in (COMMANDS, REPORTS):
            self._isDeaf = True
        if childFD == REPORTS:
            self._reap()

    def processExited(self, reason: Any) -> None:
        """It has ended (IProcessProtocol)."""
        self.isUp = False
        if self._reaping is not None and self._reaping.active():
            self._reaping.cancel()
        number = reason.value.signal
        if number is None:
            self.ending = f"with status {reason.value.exitCode}"
        else:
            self.ending = f"by {_SIGNALS.get(number, f'signal {number}')}"
        self._rest = self._reactor.callLater(_REST, self._closePipes)

    def processEnded(self, reason: Any) -> None:
        """It has ended, and all it has said is here (IProcessProtocol)."""
        if self._rest is not None and self._rest.active():
            self._rest.cancel()
        for fd in (1, 2):
            for line in self._lines[fd].end():
                self._printed(fd, line)
        self._gone()

    def _gone(self) -> None:
        self.isGone = True
        self._observer.workerEnded(self)
        for id in tuple(self._asked):
            self._answered(id)

    def _signal(self, name: str) -> None:
        if self.ending is None:
            with suppress(ProcessExitedAlready):
                self.transport.signalProcess(name)

    def _reap(self) -> None:
        """Look whether it has ended.

        The system's signal says so, but a loop of uvloop keeps that to itself.
        """
        reapAllProcesses()
        if self.ending is None:
            self._reaping = self._reactor.callLater(_REAP, self._reap)

    def _closePipes(self) -> None:
        for fd in (COMMANDS, *self._lines):
            self.transport.closeChildFD(fd)

    def _report(self, report: dict[str, Any]) -> None:
        self.heard = self._reactor.seconds()
        kind = report["is"]
        if kind == "beat":
            self.row = report["row"]
            self.health = tuple(report["health"])
        elif kind == "answer":
            self.snapshot = report["snapshot"] or self.snapshot
            self._answered(report["id"])
        elif kind == "up":
            self.isUp = True
            self.began = self.heard
            self._observer.workerUp(self)
        elif kind == "failed":
            self.why = report["why"]

    def _answered(self, id: int) -> None:
        if id in self._asked:
            answer, timer = self._asked.pop(id)
            if timer.active():
                timer.cancel()
            answer.callback(None)

    def _printed(self, fd: int, line: bytes) -> None:
        if self._isQuiet:
            return
        # Where twistd logs what a process prints, and at which level.
        level, namespace = ("info", "stdout") if fd == 1 else ("error", "stderr")
        self._log(level, namespace, line.decode(errors="replace"))

    def _log(self, level: str, namespace: str, text: str) -> None:
        Logger(namespace).emit(
            LogLevel.lookupByName(level),
            "worker {worker}: {text}",
            worker=self.number,
            text=text,
        )
