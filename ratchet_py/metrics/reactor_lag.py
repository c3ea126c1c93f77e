"""Whether the reactor comes round."""

from __future__ import annotations

from collections import deque
from typing import Any

from twisted.internet.interfaces import IDelayedCall

__all__ = ["ReactorLag"]


class ReactorLag:
    """Asks the reactor to call back again and again, and looks how late it is.

    A reactor that is stuck in a callback answers nobody, the one who asks how it is included; what
    can be told is how long it was stuck just before.

    Example:
        >>> from twisted.internet.task import Clock
        >>> clock, lag = Clock(), ReactorLag()
        >>> lag.start(clock)
        >>> clock.advance(2.25)  # nothing has run for so long
        >>> lag.last, lag.worst(10)
        (2.0, 2.0)
        >>> lag.stop()

    Args:
        interval: Seconds between two calls.
        memory: Seconds that are remembered.

    Attributes:
        last: Seconds that the last call was late.
    """

    def __init__(self, interval: float = 0.25, memory: float = 60.0) -> None:
        self.last = 0.0
        self._interval = interval
        self._seen: deque[tuple[float, float]] = deque(maxlen=int(memory / interval))
        self._reactor: Any = None
        self._call: IDelayedCall | None = None
        self._due = 0.0

    def start(self, reactor: Any) -> None:
        """Begin; nothing happens if it has begun."""
        if self._call is None:
            self._reactor = reactor
            self._schedule()

    def stop(self) -> None:
        """End, and forget what was seen."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._seen.clear()
        self.last = 0.0

    def worst(self, within: float) -> float:
        """The longest that the reactor was late, that it is late right now included.

        Args:
            within: Of the last so many seconds.
        """
        if self._call is None:
            return 0.0
        now: float = self._reactor.seconds()
        late = [late for at, late in self._seen if at >= now - within]
        return max(now - self._due, 0.0, *late)

    def _schedule(self) -> None:
        self._due = self._reactor.seconds() + self._interval
        self._call = self._reactor.callLater(self._interval, self._called)

    def _called(self) -> None:
        now = self._reactor.seconds()
        self.last = max(0.0, now - self._due)
        self._seen.append((now, self.last))
        self._schedule()
