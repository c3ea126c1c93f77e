"""What has been sent to the other end and its transport has not taken yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

__all__ = ["Backlog"]

CHUNK = 64 * 1024


class Backlog:
    """A queue of bytes, there only while something waits, with the clock that ends a stall.

    Attributes:
        size: How many bytes wait, those included that the transport was given last.
        drained: Who waits for the queue to be empty.
        reading: Whether the other end is still read although so much waits.
    """

    __slots__ = (
        "_chunks",
        "_clock",
        "_given",
        "_lastTaken",
        "_onStall",
        "_stallTimeout",
        "_timer",
        "drained",
        "reading",
        "size",
    )

    def __init__(
        self, clock: IReactorTime, stallTimeout: float, onStall: Callable[[], object]
    ) -> None:
        self._chunks: deque[bytes | memoryview] = deque()
        self._clock = clock
        self._given = 0
        self._onStall = onStall
        self._stallTimeout = stallTimeout
        self._lastTaken = clock.seconds()
        self._timer = clock.callLater(stallTimeout, self._check)
        self.drained: list[Deferred[None]] = []
        self.reading = True
        self.size = 0

    def add(self, data: bytes | memoryview) -> None:
        """Queue bytes behind those that wait already."""
        self._chunks.append(data)
        self.size += len(data)

    def taken(self) -> None:
        """The transport has sent what it was given last."""
        self._lastTaken = self._clock.seconds()
        self.size -= self._given
        self._given = 0

    def next(self) -> bytes:
        """What to give the transport now; empty if nothing waits."""
        chunks = self._chunks
        parts = []
        room = CHUNK
        while chunks and room > 0:
            part = chunks.popleft()
            if len(part) > room:
                view = memoryview(part)
                chunks.appendleft(view[room:])
                part = view[:room]
            parts.append(part)
            room -= len(part)
        self._given = CHUNK - room
        return b"".join(parts)

    def stop(self) -> None:
        """Stop the clock: nothing waits any more, or nobody is there to take it."""
        if self._timer.active():
            self._timer.cancel()

    def _check(self) -> None:
        left = self._lastTaken + self._stallTimeout - self._clock.seconds()
        if left > 0:
            self._timer = self._clock.callLater(left, self._check)
        else:
            self._onStall()
