r"""The contracts between ``WsServer`` and what it serves, as in ``Ratchet\WebSocket``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from ratchet_py.interfaces import ComponentInterface, ConnectionInterface
from ratchet_py.rfc6455.message import PreparedBytes, PreparedMessage

if TYPE_CHECKING:
    from ratchet_py.rfc6455.message import Message

__all__ = ["MessageComponentInterface", "PreparedBytes", "PreparedMessage", "WsServerInterface"]


class MessageComponentInterface(ComponentInterface):
    r"""A component that takes whole messages (``Ratchet\WebSocket\MessageComponentInterface``).

    It gets a :class:`~ratchet_py.rfc6455.Message` where the plain
    :class:`ratchet_py.interfaces.MessageComponentInterface` gets only the payload.
    """

    @abstractmethod
    def onMessage(self, conn: ConnectionInterface, message: Message) -> object:
        """A message has arrived.

        Args:
            conn: Who sent it.
            message: Its payload, and whether it is binary.
        """


class WsServerInterface(ABC):
    r"""A component that speaks WebSocket subprotocols (``Ratchet\WebSocket\WsServerInterface``).

    A class that has the method is one, whether it names this contract or not.
    """

    @abstractmethod
    def getSubProtocols(self) -> list[str]:
        """The names of the subprotocols, the preferred one first; called once, by ``WsServer``."""

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        if cls is WsServerInterface and callable(getattr(other, "getSubProtocols", None)):
            return True
        return NotImplemented  # type: ignore[no-any-return]
