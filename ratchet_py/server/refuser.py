"""What happens to a client that there is no room for."""

from __future__ import annotations

from typing import Any

from ratchet_py.interfaces import ConnectionInterface, MessageComponentInterface

__all__ = ["Refuser", "refusalOf"]


def refusalOf(component: Any) -> bytes:
    """What a stack has to say to a client that cannot be served: the answer 503 of ``HttpServer``.

    Args:
        component: The lowest component; the first one above that has a ``refusal`` says it.

    Returns:
        Bytes to send; empty if the stack has no such word.
    """
    while component is not None:
        refusal = getattr(component, "refusal", None)
        if isinstance(refusal, bytes):
            return refusal
        component = getattr(component, "component", None)
    return b""


class Refuser(MessageComponentInterface):
    """Says one thing to every client, and closes.

    Who has been told may stay until it has heard it, but not when others wait to be told.

    Args:
        refusal: What it says.
        most: How many may stay.
    """

    def __init__(self, refusal: bytes, most: int) -> None:
        self._refusal = refusal
        self._most = most
        # In the order in which they have come.
        self._told: dict[ConnectionInterface, None] = {}

    def onOpen(self, conn: ConnectionInterface) -> None:
        """Refuse."""
        conn.send(self._refusal)
        conn.close()
        self._told[conn] = None
        if len(self._told) > self._most:
            eldest = next(iter(self._told))
            del self._told[eldest]
            eldest.closeWithoutWaiting()

    def onMessage(self, conn: ConnectionInterface, msg: Any) -> None:
        """Nothing is listened to."""

    def onClose(self, conn: ConnectionInterface) -> None:
        """It has gone."""
        self._told.pop(conn, None)

    def onError(self, conn: ConnectionInterface, exc: Exception) -> None:
        """Drop who cannot even be refused."""
        conn.abort()
