"""A component that passes everything on, for people who write their own layer."""

from __future__ import annotations

from typing import Any

from ratchet_py.dispatch import callClose
from ratchet_py.interfaces import ConnectionInterface, MessageComponentInterface
from ratchet_py.meter import Meter

__all__ = ["Component"]


class Component(MessageComponentInterface):
    """Passes every event to the component above it; override what your layer changes.

    It fits between any two layers of a message stack, also between two HTTP layers. To change what
    the component above sends, override :meth:`wrap`.

    Example:
        A layer that counts messages::

            class Counter(Component):
                messages = 0

                def onMessage(self, conn, msg):
                    self.messages += 1
                    return super().onMessage(conn, msg)

    Attributes:
        component: The component above.
    """

    def __init__(self, component: Any) -> None:
        self.component = component
        self._wrapped: dict[ConnectionInterface, ConnectionInterface] = {}

    @property
    def serial(self) -> bool:  # type: ignore[override]
        """What the component above says."""
        return bool(getattr(self.component, "serial", False))

    def wrap(self, conn: ConnectionInterface) -> ConnectionInterface:
        """The connection that the component above gets; called once, before ``onOpen``.

        Args:
            conn: The connection of the layer below.

        Returns:
            ``conn``, or a :class:`~ratchet_py.connection.AbstractConnectionDecorator` around it.
        """
        return conn

    def getSubProtocols(self) -> list[str]:
        """The WebSocket subprotocols of the component above."""
        inner = getattr(self.component, "getSubProtocols", None)
        return [] if inner is None else list(inner())

    def measure(self, meter: Meter) -> None:
        """Have the component above count and time what it does, if it can."""
        measure = getattr(self.component, "measure", None)
        if measure is not None:
            measure(meter)

    def onOpen(self, conn: ConnectionInterface, *args: Any) -> object:
        """A client has connected."""
        wrapped = self.wrap(conn)
        if wrapped is not conn:
            self._wrapped[conn] = wrapped
        return self.component.onOpen(wrapped, *args)

    def onMessage(self, conn: ConnectionInterface, msg: Any) -> object:
        """A message has arrived."""
        return self.component.onMessage(self._wrapped.get(conn, conn), msg)

    def onClose(self, conn: ConnectionInterface) -> object:
        """The client is gone."""
        # Caught here and not below: onError is to get the connection that onOpen got.
        return callClose(self.component, self._wrapped.pop(conn, conn))

    def onError(self, conn: ConnectionInterface, exc: Exception) -> object:
        """A callback of the component above has failed."""
        return self.component.onError(self._wrapped.get(conn, conn), exc)
