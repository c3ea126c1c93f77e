"""What a client has received and nobody has taken yet, and whether more is read."""

from __future__ import annotations

from collections import deque
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

__all__ = ["Incoming"]

_UNREAD = 16
"""So many messages may wait unread before no more are taken from the server."""


class Incoming:
    """The way in of one connection.

    Args:
        transport: The transport, which is paused when too much waits.
        size: So many bytes of messages may wait unread.

    Attributes:
        isPaused: Whether nothing is read from the server at the moment.
    """

    def __init__(self, transport: Any, size: int) -> None:
        self.isPaused = False
        self._transport = transport
        self._size = size
        self._unread: deque[str | bytes] = deque()
        self._unreadSize = 0
        self._waiting: deque[Deferred[str | bytes]] = deque()
        self._pauses = 0
        self._isEnding = False
        self._ended: Exception | None = None

    def put(self, msg: str | bytes) -> None:
        """A message has come; :meth:`balance` is to follow."""
        if self._waiting:
            self._waiting.popleft().callback(msg)
        else:
            self._unread.append(msg)
            self._unreadSize += len(msg)

    def get(self) -> Deferred[str | bytes]:
        """The next message; fails when there will be none."""
        if self._unread:
            msg = self._unread.popleft()
            self._unreadSize -= len(msg)
            self.balance()
            return succeed(msg)
        if self._ended is not None:
            return fail(self._ended)
        waiting: Deferred[str | bytes] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def takeAll(self) -> list[str | bytes]:
        """All messages that wait."""
        unread = list(self._unread)
        self._unread.clear()
        self._unreadSize = 0
        self.balance()
        return unread

    def pause(self) -> None:
        """Read no more until :meth:`resume`; calls nest."""
        self._pauses += 1
        self.balance()

    def resume(self) -> None:
        """Undo one :meth:`pause`."""
        self._pauses -= 1
        self.balance()

    def expectEnd(self) -> None:
        """Read whatever waits: the end is to be seen."""
        self._isEnding = True
        self.balance()

    def end(self, reason: Exception) -> None:
        """There will be nothing more."""
        self._ended = reason
        while self._waiting:
            self._waiting.popleft().errback(reason)

    def balance(self) -> None:
        """Read, or do not, as things are."""
        isFull = len(self._unread) >= _UNREAD or self._unreadSize > self._size
        shallPause = (self._pauses > 0 or isFull) and not self._isEnding
        if shallPause is self.isPaused or self._ended is not None:
            return
        self.isPaused = shallPause
        if shallPause:
            self._transport.pauseProducing()
        else:
            self._transport.resumeProducing()
