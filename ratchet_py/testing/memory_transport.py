"""The server's end of a connection that is in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IConsumer, IPushProducer, ITransport
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

if TYPE_CHECKING:
    from ratchet_py.testing.raw_client import RawClient

__all__ = ["MemoryTransport"]

# One read of a TCP transport, and what it buffers before it pauses a producer.
_READ_SIZE = 64 * 1024


@implementer(ITransport, IConsumer, IPushProducer)
class MemoryTransport:
    """The server's end of a connection whose other end is a client of this package.

    Attributes:
        stalled: Whether the client takes nothing of what it is sent.
        disconnected: Whether the connection is gone.
    """

    def __init__(self, client: RawClient, clock: Clock, address: str) -> None:
        self.stalled = False
        self.disconnected = False
        self._client = client
        self._clock = clock
        self._address = address
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self._producer: Any = None
        self._producerPaused = False
        self._reading = True
        self._closing = False
        self._aborted = False
        self._ended = False

    # -- the server's side ------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send to the client (ITransport)."""
        if self.disconnected or self._aborted:
            return
        self._outgoing += data
        self._flush()
        if len(self._outgoing) > _READ_SIZE and self._producer and not self._producerPaused:
            self._producerPaused = True
            self._producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send to the client (ITransport)."""
        self.write(b"".join(data))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Say who is to be paused when the client does not keep up (IConsumer)."""
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Nobody is to be paused any more (IConsumer)."""
        self._producer = None

    def pauseProducing(self) -> None:
        """Take no more from the client (IPushProducer)."""
        self._reading = False

    def resumeProducing(self) -> None:
        """Take from the client again, in a later turn (IPushProducer)."""
        self._reading = True
        self._clock.callLater(0, self._deliver)

    def stopProducing(self) -> None:
        """Close (IProducer)."""
        self.loseConnection()

    def loseConnection(self) -> None:
        """Close when everything is sent (ITransport)."""
        self._closing = True
        if not self._outgoing:
            self._clock.callLater(0, self._lose, ConnectionDone())

    def abortConnection(self) -> None:
        """Close now, and forget what was not sent yet (ITCPTransport)."""
        self._aborted = True
        self._outgoing.clear()
        self._clock.callLater(0, self._lose, ConnectionAborted())

    def getPeer(self) -> IPv4Address:
        """The client's address (ITransport)."""
        return IPv4Address("TCP", self._address, 40000)

    def getHost(self) -> IPv4Address:
        """The server's address (ITransport)."""
        return IPv4Address("TCP", "127.0.0.1", 80)

    # -- the client's side ------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """The client sends."""
        self._incoming += data
        self._deliver()
        self._clock.advance(0)

    def end(self, half: bool) -> None:
        """The client has gone, or will only read any more."""
        if not half:
            self._lose(ConnectionLost())
        elif not self.disconnected:
            self._ended = True
            self._deliver()
        self._clock.advance(0)

    def unstall(self) -> None:
        """The client reads again."""
        self.stalled = False
        self._flush()
        self._clock.advance(0)

    def _deliver(self) -> None:
        while self._incoming and self._reading and not self.disconnected:
            data = bytes(self._incoming[:_READ_SIZE])
            del self._incoming[:_READ_SIZE]
            self._client.connection.dataReceived(data)
        if self._ended and not self._incoming and self._reading and not self.disconnected:
            self._ended = False
            self._client.connection.readConnectionLost()

    def _flush(self) -> None:
        while self._outgoing and not self.stalled:
            data = bytes(self._outgoing)
            self._outgoing.clear()
            self._client.dataReceived(data)
            if self._producerPaused and self._producer:
                self._producerPaused = False
                self._producer.resumeProducing()
        if self._closing and not self._outgoing:
            self._clock.callLater(0, self._lose, ConnectionDone())

    def _lose(self, reason: Exception) -> None:
        if not self.disconnected:
            self.disconnected = True
            self._client.connection.connectionLost(Failure(reason))
