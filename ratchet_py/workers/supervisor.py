"""Keeps the workers running."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from ratchet_py.workers.process import WorkerProcess

__all__ = ["Supervisor"]

log = Logger()


class Supervisor:
    """Starts workers, and another one where one has ended, after a pause that grows.

    Args:
        reactor: The reactor.
        count: How many workers there are.
        spawn: Starts the process of one.
        onUp: Called once, when all of them serve.
        onFailed: Called with the reason if none of them can: as long as none has served, none is
            started again.
        onGone: Called with each worker that has ended.

    Attributes:
        workers: The worker of each place; one that has ended until there is another.
        restarts: How many have been started in place of others.
    """

    FIRST_PAUSE = 0.1
    LONGEST_PAUSE = 30.0
    HEALTHY = 30.0
    """Seconds after which a worker that ends had been well, and the next pause is short again."""

    CUT = 1.0
    """Seconds that workers have to end when they have been told to drop their clients."""

    def __init__(
        self,
        reactor: Any,
        count: int,
        spawn: Callable[[WorkerProcess], object],
        onUp: Callable[[], object],
        onFailed: Callable[[str], object],
        onGone: Callable[[WorkerProcess], object],
    ) -> None:
        self._reactor = reactor
        self._spawn = spawn
        self._onUp = onUp
        self._onFailed = onFailed
        self._onGone = onGone
        self.workers = [WorkerProcess(reactor, n, self) for n in range(1, count + 1)]
        self.restarts = 0
        self._pauses = [self.FIRST_PAUSE] * count
        self._timers: dict[int, IDelayedCall] = {}
        self._leader: WorkerProcess | None = None
        self._hasServed = False
        self._hasFailed = False
        self._isReady = False
        self._stopped: Deferred[None] | None = None

    def start(self) -> None:
        """Start them all."""
        for worker in self.workers:
            self._start(worker)

    def stop(self, seconds: float) -> Deferred[None]:
        """Have them all tell their clients goodbye, and end.

        Args:
            seconds: After so many, who is still there is killed.

        Returns:
            A Deferred that fires when the last one is gone.
        """
        self._stopped = Deferred()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for worker in self.workers:
            worker.stop()
        self._deadline = self._reactor.callLater(seconds, self._kill)
        self._endIfAllAreGone(self._stopped)
        return self._stopped

    def abort(self) -> None:
        """Have them drop their clients, and kill who does not end."""
        for worker in self.workers:
            worker.tell("abort")
        if self._stopped is not None and self._deadline.active():
            self._deadline.reset(self.CUT)

    def workerUp(self, worker: WorkerProcess) -> None:
        """It serves."""
        if not self._hasServed:
            self._hasServed = True
            for other in self.workers:
                if other.isGone and self._stopped is None:
                    self._replace(other)
        self._elect()
        if not self._isReady and all(each.isUp for each in self.workers):
            self._isReady = True
            self._onUp()

    def workerEnded(self, worker: WorkerProcess) -> None:
        """It is gone."""
        self._onGone(worker)
        self._elect()
        if self._stopped is not None:
            self._endIfAllAreGone(self._stopped)
        elif self._hasServed:
            self._replace(worker)
        elif not self._hasFailed and all(each.isGone for each in self.workers):
            self._hasFailed = True
            self._onFailed(self.workers[0].why or f"a worker has ended {self.workers[0].ending}")

    def _elect(self) -> None:
        """Have one of them do what only one may do, for as long as it serves."""
        if self._leader is None or not self._leader.isUp:
            self._leader = next((each for each in self.workers if each.isUp), None)
            if self._leader is not None:
                self._leader.tell("lead")

    def _start(self, worker: WorkerProcess) -> None:
        self.workers[worker.number - 1] = worker
        try:
            self._spawn(worker)
        except OSError as exc:
            worker.notMade(exc)

    def _replace(self, worker: WorkerProcess) -> None:
        place = worker.number - 1
        if self._reactor.seconds() - worker.began > self.HEALTHY:
            self._pauses[place] = self.FIRST_PAUSE
        # Each at its own time, lest they all come at once when what has ended them is over.
        pause = self._pauses[place] * random.uniform(0.5, 1)
        self._pauses[place] = min(2 * self._pauses[place], self.LONGEST_PAUSE)
        log.warn(
            "worker {number} has ended {ending}; another one starts in {pause:.1f} s",
            number=worker.number,
            ending=worker.ending if worker.why is None else f"{worker.ending}: {worker.why}",
            pause=pause,
        )
        self._timers[place] = self._reactor.callLater(pause, self._restart, worker.number)

    def _restart(self, number: int) -> None:
        del self._timers[number - 1]
        self.restarts += 1
        self._start(WorkerProcess(self._reactor, number, self))

    def _kill(self) -> None:
        for worker in self.workers:
            if worker.ending is None:
                log.warn("worker {number} does not end: it is killed", number=worker.number)
                worker.kill()

    def _endIfAllAreGone(self, stopped: Deferred[None]) -> None:
        if not stopped.called and all(each.isGone for each in self.workers):
            if self._deadline.active():
                self._deadline.cancel()
            stopped.callback(None)
