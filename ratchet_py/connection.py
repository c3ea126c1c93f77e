"""What the wrappers of one client share, and the wrapper to subclass.

Each layer that adds methods wraps the connection it was handed. All wrappers of one client share
one :class:`ConnectionRecord`, the connection at the bottom of the stack: what one layer or the
application writes, every layer reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.meter import Tally

__all__ = ["AbstractConnectionDecorator", "ConnectionRecord"]

# Who writes which attribute, for the error that a missing layer deserves.
_WRITTEN_BY = {
    "httpRequest": "HttpServer",
    "WebSocket": "WsServer",
    "WAMP": "WampServer",
    "Session": "SessionProvider",
}


_NOBODYS = Tally()


class ConnectionRecord(ConnectionInterface):
    """The connection at the bottom of a stack, and the attributes of its client.

    What the layers write has a slot, so that an idle connection needs no dictionary; whatever else
    is set gets one.

    Attributes:
        resourceId: A number that no other connection of this process has or had.
        remoteAddress: The client's IP address.
        reactor: The clock of every time limit of this connection.
        outermost: The wrapper of the highest layer that has wrapped this client yet, the one that
            knows how to say goodbye in the client's own protocol; None if none has.
        serverTally: Where its server counts what happens to its clients.
        isBorrowed: Whether it was another server's before, for an earlier request, so that a later
            one is not for us.
    """

    isBorrowed: bool = False

    __slots__ = (
        "Session",
        "WAMP",
        "WebSocket",
        "__dict__",
        "__weakref__",
        "httpRequest",
        "outermost",
        "reactor",
        "remoteAddress",
        "resourceId",
    )

    outermost: ConnectionInterface | None

    @property
    def serverTally(self) -> Tally:
        """Where its server counts; without a server nobody reads it."""
        return _NOBODYS

    def __init__(self, resourceId: int, remoteAddress: str, reactor: IReactorTime) -> None:
        self.resourceId = resourceId
        self.remoteAddress = remoteAddress
        self.reactor = reactor
        self.outermost = None

    @property
    def record(self) -> ConnectionRecord:
        """The connection itself; on a wrapper, the connection at the bottom."""
        return self

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            layer = _WRITTEN_BY.get(name)
            if layer is None:
                raise AttributeError(f"{name}: nothing has set this attribute of the connection")
            raise AttributeError(f"{name}: no {layer} below this component")


class AbstractConnectionDecorator(ConnectionInterface):
    r"""Wraps a connection to add or change methods (``Ratchet\AbstractConnectionDecorator``).

    An attribute that the wrapper's class does not have itself is read from, and written to, the
    record that all wrappers of this client share. A subclass that wants attributes of its own names
    them in ``__slots__``.

    Example:
        A layer that shouts::

            class Shout(AbstractConnectionDecorator):
                __slots__ = ()

                def send(self, data):
                    self.wrappedConn.send(data.upper())
                    return self

    Attributes:
        wrappedConn: The connection of the layer below.
        record: The connection at the bottom of the stack.
    """

    __slots__ = ("__weakref__", "record", "wrappedConn")

    wrappedConn: ConnectionInterface
    record: ConnectionRecord

    def __init__(self, conn: ConnectionInterface) -> None:
        object.__setattr__(self, "wrappedConn", conn)
        record = conn.record
        object.__setattr__(self, "record", record)
        record.outermost = self

    def getConnection(self) -> ConnectionInterface:
        """The connection of the layer below."""
        return self.wrappedConn

    def send(self, data: Any) -> ConnectionInterface:
        """Send through the layer below."""
        self.wrappedConn.send(data)
        return self

    def close(self, code: Any = None, reason: str = "") -> None:
        """Close through the layer below."""
        self.wrappedConn.close(code, reason)

    def abort(self) -> None:
        """Drop the connection now."""
        self.wrappedConn.abort()

    def pauseReading(self) -> None:
        """Take no more bytes from the client until :meth:`resumeReading`."""
        self.wrappedConn.pauseReading()

    def resumeReading(self) -> None:
        """Undo one :meth:`pauseReading`."""
        self.wrappedConn.resumeReading()

    def whenDrained(self) -> Deferred[None]:
        """Fire when nothing waits to be sent."""
        return self.wrappedConn.whenDrained()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            return getattr(self.record, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            object.__setattr__(self, name, value)
        else:
            setattr(self.record, name, value)

    def __delattr__(self, name: str) -> None:
        if hasattr(type(self), name):
            object.__delattr__(self, name)
        else:
            delattr(self.record, name)
