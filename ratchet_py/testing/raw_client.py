"""A client of bytes."""

from __future__ import annotations

from typing import Any, Self

from twisted.internet.task import Clock

from ratchet_py.server.io_server import IoServer
from ratchet_py.testing.failures import raiseAll, takeFailures
from ratchet_py.testing.memory_transport import MemoryTransport

__all__ = ["RawClient"]


class RawClient:
    """A client that sends and receives bytes.

    Attributes:
        server: The bottom of the stack.
        connection: The connection there, as the server sees it.
        transport: What joins the two.
        clock: The time of the stack.
        data: All bytes that have been received.
    """

    def __init__(self, server: IoServer, address: str = "127.0.0.1") -> None:
        self.server = server
        self.data = b""
        self.clock: Clock = server.loop
        self.transport = MemoryTransport(self, self.clock, address)
        connection = server.buildProtocol(self.transport.getPeer())
        if connection is None:
            raise ConnectionRefusedError("the server is full")
        self.connection = connection
        self.connection.makeConnection(self.transport)
        self.advance(0)

    @property
    def isClosed(self) -> bool:
        """Whether the server has closed the connection, or lost it."""
        return self.transport.disconnected

    def another(self, **options: Any) -> Self:
        """A second client, of the same kind and to the same server."""
        return type(self)(self.server, **options)

    def advance(self, seconds: float) -> None:
        """Let time pass, and raise what callbacks have raised meanwhile.

        ``clock.advance`` lets time pass and leaves the raising to what is done next.
        """
        self.clock.advance(seconds)
        self._raise()

    def sendBytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.transport.feed(data)
        self._raise()

    def halfClose(self) -> None:
        """Send no more, but read on."""
        self.transport.end(half=True)
        self._raise()

    def disconnect(self) -> None:
        """Go without a word."""
        self.transport.end(half=False)
        self._raise()

    def stall(self) -> None:
        """Take nothing of what is sent, until :meth:`unstall`."""
        self.transport.stalled = True

    def unstall(self) -> None:
        """Take what has been sent meanwhile, and what follows."""
        self.transport.unstall()
        self._raise()

    def dataReceived(self, data: bytes) -> None:
        """The server has sent bytes."""
        self.data += data

    def _raise(self) -> None:
        raiseAll(takeFailures(self.server))
