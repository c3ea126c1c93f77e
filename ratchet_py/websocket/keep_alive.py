"""Finds out which clients are still there."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ratchet_py.rfc6455.frame import OP_PING, encode
from ratchet_py.websocket.ws_connection import WebSocket

__all__ = ["KeepAlive"]

log = Logger()

_PING = encode(b"", OP_PING)


class KeepAlive:
    """Pings every client at an interval and drops who has sent nothing at all since the last ping.

    Any byte is a sign of life: a client that is busy sending may be late with its pong. A client
    that we do not read at the moment cannot show one; ``stallTimeout`` judges it instead.

    Args:
        websockets: The clients of the moment.
        interval: Seconds between two pings.
    """

    def __init__(self, websockets: Iterable[WebSocket], interval: float) -> None:
        self._websockets = websockets
        self._interval = interval
        self._loop: LoopingCall | None = None

    def start(self, clock: IReactorTime) -> None:
        """There is a client; nothing happens if the pings have started already."""
        if self._loop is None:
            self._loop = LoopingCall(self._sweep)
            self._loop.clock = clock
            self._loop.start(self._interval, now=False)

    def stop(self) -> None:
        """There is no client any more."""
        if self._loop is not None:
            self._loop.stop()
            self._loop = None

    def _sweep(self) -> None:
        for websocket in tuple(self._websockets):
            if not websocket.closing:
                try:
                    self._check(websocket)
                except Exception:
                    # One client's layers shall not end the pings of all the others.
                    log.failure("a client could not be pinged")
                    websocket.drop()

    def _check(self, websocket: WebSocket) -> None:
        conn = websocket.below
        if conn.readingPaused:
            # It has the next interval to be heard again.
            websocket.heard = True
        elif websocket.heard:
            websocket.heard = False
            conn.send(_PING)
        else:
            conn.serverTally.exceeded["keepAlive"] += 1
            websocket.drop()
