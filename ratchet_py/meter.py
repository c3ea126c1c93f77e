"""What the layers count and time, as plain numbers; :mod:`ratchet_py.metrics` shows them.

What is rare is always counted, in the :class:`Tally` of each server: who was refused, how it ended,
which limit was hit. What is frequent is counted only where a :class:`Meter` has been handed in: a
layer that is measured makes its connections of other classes, and one that is not asks nothing.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from typing import ClassVar, NamedTuple

from twisted.logger import Logger

__all__ = ["BLOCKED", "Meter", "SlowCallback", "Slowest", "Tally", "Timing"]

log = Logger()

BLOCKED = 0.1
"""Seconds from which on a callback counts as one that has blocked the reactor."""


class Tally:
    """What one server counts, mostly once in the life of a connection.

    Attributes:
        connections: How many there have been.
        refused: Requests that were refused, by HTTP status.
        closed: WebSockets that are gone, by who closed (``client``, ``server``, or ``nobody`` where
            there was no close frame: lost, or dropped) and the close code.
        exceeded: How often each of the :class:`~ratchet_py.limits.Limits` was hit, by its name.
        failures: How many callbacks have failed: those of ``onError``, and those it was told of.
        pushed: Pushes over HTTP, by the status of the answer.
        bytesIn: What was read; counted only if the server is measured.
        bytesOut: What was written, or is queued to be, likewise.
    """

    __slots__ = (
        "bytesIn",
        "bytesOut",
        "closed",
        "connections",
        "exceeded",
        "failures",
        "pushed",
        "refused",
    )

    def __init__(self) -> None:
        self.connections = 0
        self.refused: Counter[int] = Counter()
        self.closed: Counter[tuple[str, str]] = Counter()
        self.exceeded: Counter[str] = Counter()
        self.failures = 0
        self.pushed: Counter[int] = Counter()
        self.bytesIn = 0
        self.bytesOut = 0

    def fail(self, exc: BaseException) -> None:
        """A callback has failed.

        Args:
            exc: What it has raised.
        """
        self.failures += 1

    def close(self, by: str, code: int) -> None:
        """A WebSocket is gone.

        Of the two thousand codes that a client may make up, each range counts as one: a stranger
        shall not decide how much there is to remember.

        Example:
            >>> tally = Tally()
            >>> tally.close("client", 4711)
            >>> tally.close("server", 4711)
            >>> sorted(tally.closed)
            [('client', '4xxx'), ('server', '4711')]
        """
        isTheirs = by == "client" and code >= 3000
        self.closed[by, f"{code // 1000}xxx" if isTheirs else str(code)] += 1


class Timing:
    """How often something was done and how long it took.

    Example:
        >>> timing = Timing()
        >>> timing.observe(0.002)
        >>> timing.observe(7.0)
        >>> timing.count, timing.sum
        (2, 7.002)

    Attributes:
        counts: How often it took longer than the bound before and no longer than this one; the last
            is for what exceeds them all.
        sum: Seconds in all.
    """

    __slots__ = ("counts", "sum")

    BOUNDS: ClassVar[tuple[float, ...]] = (
        *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005),
        *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
    )

    def __init__(self) -> None:
        self.counts = [0] * (len(self.BOUNDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """It was done once more."""
        self.counts[bisect_left(self.BOUNDS, seconds)] += 1
        self.sum += seconds

    @property
    def count(self) -> int:
        """How often it was done."""
        return sum(self.counts)


class SlowCallback(NamedTuple):
    """A callback that has taken long.

    Attributes:
        what: Which one, and for WAMP with which topic or procedure.
        seconds: The longest it took.
        times: How often it was among the slow ones.
        at: When it was last, as ``time.time()`` has it.
    """

    what: str
    seconds: float
    times: int
    at: float


class Slowest:
    """The slowest callbacks since the start, and no more of them than fit on a page.

    Example:
        >>> slowest = Slowest(size=1)
        >>> slowest.note("Chat.onMessage", 0.02), slowest.note("Chat.onOpen", 0.5)
        (False, False)
        >>> [slow.what for slow in slowest.list()]
        ['Chat.onOpen']

    Attributes:
        floor: What takes no longer is of no interest.
    """

    __slots__ = ("_found", "_now", "_size", "floor")

    def __init__(self, size: int = 20, now: Callable[[], float] = time.time) -> None:
        self.floor = 0.001
        self._found: dict[str, SlowCallback] = {}
        self._now = now
        self._size = size

    def note(self, what: str, seconds: float) -> bool:
        """Remember it, if it is among the slowest.

        Returns:
            Whether it was among them already.
        """
        before = self._found.get(what)
        worst, times = (0.0, 0) if before is None else before[1:3]
        self._found[what] = SlowCallback(what, max(worst, seconds), times + 1, self._now())
        if len(self._found) > self._size:
            fastest = min(self._found.values(), key=lambda slow: slow.seconds)
            del self._found[fastest.what]
            self.floor = min(slow.seconds for slow in self._found.values())
        return before is not None

    def list(self) -> list[SlowCallback]:
        """All of them, the slowest first."""
        return sorted(self._found.values(), key=lambda slow: -slow.seconds)


class Meter:
    """What is counted and timed of one application, if it is measured.

    Attributes:
        clock: Gives seconds.
        slowest: Where the slow callbacks are noted, perhaps together with other applications'.
        messagesIn: Messages that the application was handed.
        messagesOut: Messages that the application sent to clients, those included that were dropped
            because a client was too slow.
        callbacks: How long the application's callbacks took, until they returned.
        blocked: How many of them took longer than :data:`BLOCKED`.
        calls: WAMP calls.
        callErrors: Those that were answered with an error.
        answers: How long it took until calls were answered.
        broadcasts: How long it took to send an event to the subscribers here.
    """

    __slots__ = (
        "answers",
        "blocked",
        "broadcasts",
        "callErrors",
        "callbacks",
        "calls",
        "clock",
        "messagesIn",
        "messagesOut",
        "slowest",
    )

    def __init__(
        self, slowest: Slowest | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.clock = clock
        self.slowest = Slowest() if slowest is None else slowest
        self.messagesIn = 0
        self.messagesOut = 0
        self.callbacks = Timing()
        self.blocked = 0
        self.calls = 0
        self.callErrors = 0
        self.answers = Timing()
        self.broadcasts = Timing()

    def called(self, seconds: float, describe: Callable[[], str]) -> None:
        """A callback has returned.

        Args:
            seconds: How long that took.
            describe: Which callback it was; asked only if it was slow.
        """
        self.callbacks.observe(seconds)
        if seconds > self.slowest.floor:
            self._slow(seconds, describe()[:200])

    def _slow(self, seconds: float, what: str) -> None:
        isKnown = self.slowest.note(what, seconds)
        if seconds < BLOCKED:
            return
        self.blocked += 1
        if not isKnown:
            log.warn(
                "{what!r} has blocked the reactor for {seconds:.2f} s; "
                "nobody else was served meanwhile",
                what=what,
                seconds=seconds,
            )
