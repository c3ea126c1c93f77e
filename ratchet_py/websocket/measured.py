"""What a server's connections and their gates are while it is measured."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from ratchet_py.dispatch import Gate
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.meter import Meter
from ratchet_py.websocket.ws_connection import WsConnection

__all__ = ["MeasuredGate", "MeasuredWsConnection"]


class MeasuredWsConnection(WsConnection):
    """Counts the messages that it is given to send."""

    __slots__ = ()

    def send(self, msg: Any) -> WsConnection:
        """Send a message."""
        websocket = self.WebSocket
        if not websocket.closing:
            websocket.server.meter.messagesOut += 1  # type: ignore[union-attr]
        return super().send(msg)


class MeasuredGate(Gate):
    """Counts the messages that pass, and times the callbacks until they return."""

    __slots__ = ("_meter",)

    _meter: Meter

    def __init__(self, component: Any, conn: ConnectionInterface) -> None:
        super().__init__(component, conn)
        self._meter = conn.WebSocket.server.meter

    def message(self, msg: Any) -> None:
        """Call ``onMessage``, now or when its turn comes."""
        if self._held is not None:
            super().message(msg)
            return
        meter = self._meter
        meter.messagesIn += 1
        before = meter.clock()
        super().message(msg)
        meter.called(meter.clock() - before, partial(self._describe, msg))

    def _call(self, callback: Callable[..., object], *args: Any) -> Deferred[None] | None:
        before = self._meter.clock()
        pending = super()._call(callback, *args)
        self._meter.called(self._meter.clock() - before, partial(self._name, "onOpen"))
        return pending

    def _callClose(self) -> None:
        before = self._meter.clock()
        super()._callClose()
        self._meter.called(self._meter.clock() - before, partial(self._name, "onClose"))

    def _describe(self, msg: Any) -> str:
        describe = getattr(self._component, "describe", None)
        described: str | None = None if describe is None else describe(self._conn, msg)
        return described or self._name("onMessage")

    def _name(self, callback: str) -> str:
        component: Any = self._component
        name: str | None = getattr(component, "applicationName", None)
        return f"{name or type(component).__name__}.{callback}"
