"""How a server takes leave of its clients: a few at a time, and not for ever."""

from __future__ import annotations

from collections.abc import Set
from random import shuffle, uniform
from typing import Any

from twisted.logger import Logger

from ratchet_py.server.io_connection import IoConnection

__all__ = ["BATCH", "Drain"]

log = Logger()

BATCH = 100
"""Clients that are told goodbye at once; if there are no more than these, nobody waits."""

# Clients that are told in a second. They all come back, to the server that follows.
_RATE = 1000

_GOING_AWAY = 1001  # the close code for layers that have one (RFC 6455 section 7.4.1)


class Drain:
    """Closes clients in batches, each when it has taken what waits for it, and drops the rest.

    With many clients the batches come at uneven intervals, half of the time at most, so that they
    do not all knock at the next server's door at once. Who still has something to take is told
    goodbye when it has taken it, or when half of the time is over: until then its application may
    go on.

    Args:
        connections: The clients of the moment; who leaves is taken out meanwhile.
        clock: Gives the time.
        seconds: After so many, who is still there is dropped.
    """

    def __init__(self, connections: Set[IoConnection], clock: Any, seconds: float) -> None:
        self._connections = connections
        self._clock = clock
        self._left = list(connections)
        self._waiting: set[IoConnection] = set()
        spread = min(len(self._left) / _RATE, seconds / 3)
        self._pause = spread * BATCH / max(1, len(self._left))
        if len(self._left) > BATCH:
            shuffle(self._left)
        self._timers = [
            clock.callLater(seconds / 2, self._hurry),
            clock.callLater(seconds, self._cut),
        ]
        self._next()

    def stop(self) -> None:
        """Everybody is gone, or another takes over."""
        self._waiting.clear()
        for timer in self._timers:
            if timer.active():
                timer.cancel()

    def _next(self) -> None:
        batch, self._left = self._left[:BATCH], self._left[BATCH:]
        for conn in batch:
            if conn in self._connections:
                self._takeLeave(conn)
        if self._left:
            pause = self._pause * uniform(0.5, 1.5)
            self._timers.append(self._clock.callLater(pause, self._next))

    def _takeLeave(self, conn: IoConnection) -> None:
        if not conn.bufferedAmount:
            self._close(conn)
            return
        self._waiting.add(conn)
        conn.whenDrained().addBoth(self._drained, conn)

    def _drained(self, _: object, conn: IoConnection) -> None:
        if conn in self._waiting:
            self._waiting.discard(conn)
            self._close(conn)

    def _close(self, conn: IoConnection) -> None:
        try:
            (conn.outermost or conn).close(_GOING_AWAY, "server is shutting down")
        except Exception:
            # A wrapper of the application's, perhaps. The others are closed all the same.
            log.failure("a connection could not be closed; it is dropped")
            conn.abort()

    def _hurry(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for conn in [*waiting, *self._left]:
            if conn in self._connections:
                self._close(conn)
        self._left = []

    def _cut(self) -> None:
        left = tuple(self._connections)
        log.warn("time is up: {count} clients are dropped", count=len(left))
        for conn in left:
            conn.abort()
