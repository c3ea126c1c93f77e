"""The root contracts, as in the namespace ``Ratchet`` itself.

A server is a stack of components. Events go up through :class:`ComponentInterface` and
:class:`MessageInterface`; a :class:`ConnectionInterface` goes with them. The contracts of one
layer (HTTP, WebSocket, WAMP, broker) stand in that layer's own ``interfaces`` module.

Every callback may be plain, may return a :class:`~twisted.internet.defer.Deferred`, or may be
``async def``; any other return value is ignored unless the callback's own text says otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed

__all__ = [
    "ComponentInterface",
    "ConnectionInterface",
    "MessageComponentInterface",
    "MessageInterface",
]


class ConnectionInterface(ABC):
    r"""One client, as a component sees it (``Ratchet\ConnectionInterface``).

    Connections compare by identity, so they can be kept in a ``set`` or be the keys of a ``dict``.
    Any attribute that a component sets is shared with every other layer of the same connection.

    Attributes:
        resourceId: A number that no other connection of this process has or had.
        remoteAddress: The client's IP address; for a UNIX socket the empty string.
        bufferedAmount: How many bytes wait to be sent, in our own memory.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        # What each layer and the application add (httpRequest, WebSocket, WAMP, Session, ...).
        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...

    @abstractmethod
    def send(self, data: Any) -> ConnectionInterface:
        """Send data to the client; after a close nothing is sent and nothing is raised.

        It never calls back into the application before it returns.

        Args:
            data: What the layer below takes: ``bytes`` or ``str`` (sent as UTF-8).

        Returns:
            The connection, so that calls can be chained.
        """

    @abstractmethod
    def close(self, code: Any = None, reason: str = "") -> None:
        """Close the connection once what was sent before is out.

        Args:
            code: The close code of a layer that has one; a raw connection ignores it.
            reason: Words that go with the code.
        """

    def abort(self) -> None:
        """Drop the connection now, whatever still waits to be sent."""
        self.close()

    def pauseReading(self) -> None:  # noqa: B027 - optional: a connection without a transport has nothing to pause
        """Take no more bytes from the client until :meth:`resumeReading`. Calls nest."""

    def resumeReading(self) -> None:  # noqa: B027
        """Undo one :meth:`pauseReading`."""

    def whenDrained(self) -> Deferred[None]:
        """Fire when nothing waits to be sent.

        It fails if the client goes first, or if nothing is sent any more: ``ConnectionDone``.
        """
        return succeed(None)


class ComponentInterface(ABC):
    r"""What every component of a stack has (``Ratchet\ComponentInterface``).

    Attributes:
        serial: Whether a message waits until the callback of the one before it has finished.
            Only callbacks that are async, or return a Deferred, can make a difference.
    """

    serial: bool = False

    @abstractmethod
    def onOpen(self, conn: ConnectionInterface) -> object:
        """A client has connected. Messages wait until this has finished."""

    @abstractmethod
    def onClose(self, conn: ConnectionInterface) -> object:
        """The client is gone. Called once, after ``onOpen`` has finished; sending is futile."""

    @abstractmethod
    def onError(self, conn: ConnectionInterface, exc: Exception) -> object:
        """A callback of this component has failed; the connection stays open.

        If ``onError`` itself fails, that is logged and the connection is dropped.
        """


class MessageInterface(ABC):
    r"""A component that takes messages (``Ratchet\MessageInterface``)."""

    @abstractmethod
    def onMessage(self, conn: ConnectionInterface, msg: Any) -> object:
        """A message has arrived.

        Args:
            conn: Who sent it.
            msg: Above ``WsServer`` a ``str`` for a text message and ``bytes`` for a binary one;
                directly on ``IoServer`` the ``bytes`` of one read.
        """


class MessageComponentInterface(ComponentInterface, MessageInterface):
    r"""A component of a message stack (``Ratchet\MessageComponentInterface``)."""
