"""The smallest application, for trying a stack out."""

from __future__ import annotations

from typing import Any

from ratchet_py.interfaces import ConnectionInterface, MessageComponentInterface

__all__ = ["EchoServer"]


class EchoServer(MessageComponentInterface):
    r"""Sends every message back to who sent it (``Ratchet\Server\EchoServer``)."""

    def onOpen(self, conn: ConnectionInterface) -> None:
        """Nothing to do."""

    def onMessage(self, conn: ConnectionInterface, msg: Any) -> None:
        """Send the message back."""
        conn.send(msg)

    def onClose(self, conn: ConnectionInterface) -> None:
        """Nothing to do."""

    def onError(self, conn: ConnectionInterface, exc: Exception) -> None:
        """Close the connection."""
        conn.close()
