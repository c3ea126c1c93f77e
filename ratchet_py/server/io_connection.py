"""One client's transport, as the connection at the bottom of a stack."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet import tcp
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableProtocol,
    IProtocol,
    IPushProducer,
    ISSLTransport,
    ITCPTransport,
    ITransport,
)
from twisted.logger import Logger
from twisted.protocols.haproxy._wrapper import HAProxyProtocolWrapper
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import implementer

from ratchet_py.backlog import CHUNK, Backlog
from ratchet_py.connection import ConnectionRecord
from ratchet_py.dispatch import Gate
from ratchet_py.meter import Tally

if TYPE_CHECKING:
    from ratchet_py.server.io_server import IoServer

__all__ = ["DirectIoConnection", "IoConnection"]

log = Logger()


@implementer(IProtocol, IHalfCloseableProtocol, IPushProducer)
class IoConnection(ConnectionRecord):
    r"""A client of :class:`IoServer`, over any transport (``Ratchet\Server\IoConnection``).

    It is the transport's protocol and the raw connection in one object, because there is one for
    each client. It writes through the transport's buffer; :class:`DirectIoConnection` does better
    where the transport allows it.

    Attributes:
        bufferedAmount: How many bytes wait to be sent here; what the kernel holds does not count.
    """

    __slots__ = (
        "_backlog",
        "_closeTimer",
        "_closing",
        "_corked",
        "_ended",
        "_gate",
        "_pauses",
        "_server",
        "_socket",
        "_transport",
        "_wantsMore",
        "bufferedAmount",
    )

    _backlog: Backlog | None
    _closeTimer: IDelayedCall | None
    _corked: list[bytes] | None

    def __init__(self, server: IoServer, resourceId: int, remoteAddress: str) -> None:
        super().__init__(resourceId, remoteAddress, server.loop)
        self._server = server
        self._gate = Gate(server.app, self)
        self._transport: Any = None
        self._socket: Any = None
        self._backlog = None
        self._closeTimer = None
        self._closing = False
        self._corked = None
        self._ended = False
        self._pauses = 0
        self._wantsMore = True
        self.bufferedAmount = 0

    @property
    def serverTally(self) -> Tally:
        """Where the server counts what happens to its clients."""
        return self._server.tally

    @property
    def isSecure(self) -> bool:
        """Whether the client's bytes come over TLS, as far as this process sees."""
        return bool(ISSLTransport.providedBy(self._transport))

    # -- for components ---------------------------------------------------------------------------

    def send(self, data: bytes | str) -> IoConnection:
        """Send bytes, or a str as UTF-8; after a close nothing is sent.

        What a client is sent while its own bytes are being read goes out in one write at the end.
        """
        if data.__class__ is not bytes:
            data = data.encode() if isinstance(data, str) else bytes(data)
        if self._closing:
            return self
        corked = self._corked
        if corked is None:
            self._write(data)
            return self
        corked.append(data)
        self.bufferedAmount = amount = self.bufferedAmount + len(data)
        if amount > CHUNK:
            self._uncork()
        return self

    def close(self, code: Any = None, reason: str = "") -> None:
        """Close when what waits is sent, or after ``Limits.closeTimeout`` all the same.

        Args:
            code: Ignored: a raw connection has no close codes.
            reason: Ignored.
        """
        if self._closing:
            return
        self._uncork()
        self._closing = True
        self._gate.discard()
        self._closeTimer = self.reactor.callLater(
            self._server.limits.closeTimeout, self._abortAt, "closeTimeout"
        )
        if self._backlog is None:
            self._finish()

    def abort(self) -> None:
        """Drop the connection now; ``onClose`` follows in a later turn of the reactor."""
        self._closing = True
        self._gate.discard()
        self._corked = None
        if self._transport is not None:
            self._transport.abortConnection()

    def closeWithoutWaiting(self) -> None:
        """After :meth:`close`: wait no more for the client's end of the stream.

        What it has been sent still reaches it, unless it sends more than we have read.
        """
        if self._transport is not None and self._backlog is None:
            self._transport.loseConnection()

    def _abortAt(self, limit: str) -> None:
        self._server.tally.exceeded[limit] += 1
        self.abort()

    def pauseReading(self) -> None:
        """Take no more bytes from the client until :meth:`resumeReading`. Calls nest."""
        self._pauses += 1
        if self._pauses == 1 and not self._closing:
            self._transport.pauseProducing()

    def resumeReading(self) -> None:
        """Undo one :meth:`pauseReading`."""
        self._pauses -= 1
        if self._pauses == 0 and not self._closing:
            self._transport.resumeProducing()

    @property
    def readingPaused(self) -> bool:
        """Whether no bytes are taken from the client at the moment."""
        return self._pauses > 0

    def whenDrained(self) -> Deferred[None]:
        """Fire when nothing waits to be sent.

        Returns:
            A Deferred that fails with the reason of the loss if the client goes away first, and
            with ``ConnectionDone`` if nothing waits and nothing will: after a close nothing is
            sent, and who sends, waits and sends again without end has to come to one.
        """
        self._uncork()
        if self._backlog is not None:
            drained: Deferred[None] = Deferred()
            self._backlog.drained.append(drained)
            return drained
        return fail(ConnectionDone()) if self._closing else succeed(None)

    # -- for the transport ------------------------------------------------------------------------

    def makeConnection(self, transport: ITransport) -> None:
        """The transport is connected (IProtocol)."""
        self._transport = transport
        self._server.connections.add(self)
        self._server.tally.connections += 1
        if ITCPTransport.providedBy(transport):
            # Nagle's algorithm would hold back what follows a small message until the client's
            # delayed acknowledgement, 40 ms. A UNIX socket has no such thing, and says so.
            with suppress(OSError):
                transport.setTcpNoDelay(True)
        if writesDirectly(transport):
            # Only now is the transport known; the classes differ in how they write, or begin.
            self._socket = self._transport.getHandle()
            self.__class__ = self._server.directClass
        elif isinstance(transport, HAProxyProtocolWrapper):
            self.__class__ = ProxiedIoConnection
        self._register()
        self._open()

    def dataReceived(self, data: bytes) -> None:
        """Bytes have arrived (IProtocol)."""
        if self._closing:
            return
        self._corked = []
        try:
            self._gate.message(data)
        except Exception:
            log.failure("a component below the application failed; connection is dropped")
            self.abort()
        corked, self._corked = self._corked, None
        if corked:
            self._writeAll(corked)

    def readConnectionLost(self) -> None:
        """The client sends no more: deliver what waits, then close (IHalfCloseableProtocol)."""
        self._ended = True
        if not self._closing:
            self.close()
        elif self._backlog is None:
            self._finish()

    def writeConnectionLost(self) -> None:
        """Our end of the stream is out; the client's follows (IHalfCloseableProtocol)."""

    def connectionLost(self, reason: Failure) -> None:
        """The client is gone (IProtocol)."""
        self._closing = True
        self._transport = self._socket = None
        if self._closeTimer is not None and self._closeTimer.active():
            self._closeTimer.cancel()
        self._corked = None
        self.bufferedAmount = 0
        backlog, self._backlog = self._backlog, None
        if backlog is not None:
            backlog.stop()
            for drained in backlog.drained:
                drained.errback(reason)
        self._gate.close()
        self.outermost = None
        self._server.forget(self)

    def pauseProducing(self) -> None:
        """The transport has enough for now (IPushProducer)."""
        self._wantsMore = False
        if self._backlog is None:
            self._startBacklog()

    def resumeProducing(self) -> None:
        """The transport wants more (IPushProducer)."""
        self._wantsMore = True
        backlog = self._backlog
        while backlog is not None and self._wantsMore:
            backlog = self._writeNext(backlog)

    def stopProducing(self) -> None:
        """The transport is lost; ``connectionLost`` follows (IProducer)."""

    def _open(self) -> None:
        self._gate.open(self._server.app.onOpen)

    # -- writing ----------------------------------------------------------------------------------

    def _register(self) -> None:
        self._transport.registerProducer(self, True)

    def _unregister(self) -> None:
        pass  # not before the end of the stream

    def _uncork(self) -> None:
        corked = self._corked
        if corked:
            self._corked = []
            self._writeAll(corked)

    def _writeAll(self, corked: list[bytes]) -> None:
        data = corked[0] if len(corked) == 1 else b"".join(corked)
        self.bufferedAmount -= len(data)
        self._write(data)

    def _write(self, data: bytes) -> None:
        if self._backlog is not None:
            self._wait(self._backlog, data)
        elif len(data) <= CHUNK:
            self._transport.write(data)
        else:
            # In pieces: a transport says when it has sent all it was given, and nothing before, so
            # that a slow client with one long message would look like a stalled one.
            self._wait(self._startBacklog(), data)
            self.resumeProducing()

    def _wait(self, backlog: Backlog, data: bytes | memoryview) -> None:
        if backlog.size > self._server.limits.sendBuffer and not hasattr(self, "WebSocket"):
            # WsServer has a policy of its own; raw bytes have none.
            self._abortAt("sendBuffer")
            return
        backlog.add(data)
        self.bufferedAmount = backlog.size
        if backlog.reading and backlog.size > CHUNK:
            # A client that does not take our answers shall not make us produce more of them.
            backlog.reading = False
            self.pauseReading()

    def _startBacklog(self) -> Backlog:
        self._backlog = Backlog(
            self.reactor, self._server.limits.stallTimeout, partial(self._abortAt, "stallTimeout")
        )
        return self._backlog

    def _writeNext(self, backlog: Backlog) -> Backlog | None:
        """Give the transport what comes next; None if nothing waits any more."""
        backlog.taken()
        data = backlog.next()
        self.bufferedAmount = backlog.size
        if data:
            self._transport.write(data)
            return backlog
        self._backlog = None
        backlog.stop()
        self._unregister()
        if not backlog.reading:
            self.resumeReading()
        if self._closing:
            self._finish()
        # At last, because who has waited may well send more.
        for drained in backlog.drained:
            drained.callback(None)
        return None

    def _finish(self) -> None:
        """The transport has everything: end the stream.

        TLS waits for the client's farewell, so it is read again even if reading was paused.
        """
        self._transport.unregisterProducer()
        self._transport.loseConnection()
        self._transport.resumeProducing()


class DirectIoConnection(IoConnection):
    """Writes to the socket at once while nothing waits, and is told when the rest is out.

    A buffered write of Twisted's costs two changes of the poll set and a turn of the reactor, and
    its ``writeSomeData`` two calls and a memoryview on the way to the socket's own ``send``. Only
    for a transport that :func:`writesDirectly` says yes to.
    """

    __slots__ = ()

    def send(self, data: bytes | str) -> IoConnection:
        """As every connection does, with a call less: broadcasts are made of this.

        What it shares with the other ways is repeated: a call for it would take up to 4 % longer.
        """
        if data.__class__ is not bytes:
            data = data.encode() if isinstance(data, str) else bytes(data)
        if self._closing:
            return self
        corked = self._corked
        if corked is None:
            if self._backlog is None:
                try:
                    sent = self._socket.send(data)
                except OSError:
                    # The socket is full, or broken: transport.write will report it later.
                    sent = 0
                if sent != len(data):
                    self._keep(memoryview(data)[sent:])
            else:
                self._wait(self._backlog, data)
            return self
        corked.append(data)
        self.bufferedAmount = amount = self.bufferedAmount + len(data)
        if amount > CHUNK:
            self._uncork()
        return self

    def resumeProducing(self) -> None:
        """The transport has sent what it was given (IPullProducer)."""
        if self._backlog is not None:
            self._writeNext(self._backlog)

    def _register(self) -> None:
        pass  # only while something waits

    def _unregister(self) -> None:
        self._transport.unregisterProducer()

    def _write(self, data: bytes) -> None:
        backlog = self._backlog
        if backlog is None:
            try:
                sent = self._socket.send(data)
            except OSError:
                # The socket is full, or broken: transport.write will report it in a later turn.
                sent = 0
            if sent != len(data):
                self._keep(memoryview(data)[sent:])
        else:
            self._wait(backlog, data)

    def _keep(self, rest: memoryview) -> None:
        self._wait(self._startBacklog(), rest)
        self._transport.registerProducer(self, False)

    def _finish(self) -> None:
        """Half-close, so that no reset overtakes our last bytes; the client's end is awaited."""
        if self._ended:
            self._transport.loseConnection()
        else:
            self._transport.loseWriteConnection()
            self._transport.resumeProducing()


class ProxiedIoConnection(IoConnection):
    """Opens with the first bytes that follow the proxy's header (endpoint ``haproxy:``).

    Only then is it known whose connection it is, and ``onOpen`` may ask for the address. The
    transport does not tell before; there is ``Limits.handshakeTimeout`` for it.
    """

    __slots__ = ()

    def _open(self) -> None:
        self._closeTimer = self.reactor.callLater(
            self._server.limits.handshakeTimeout, self._abortAt, "handshakeTimeout"
        )

    def dataReceived(self, data: bytes) -> None:
        """The first bytes have arrived (IProtocol)."""
        if self._closing:
            return
        assert self._closeTimer is not None
        self._closeTimer.cancel()
        self._closeTimer = None
        self.remoteAddress = getattr(self._transport.getPeer(), "host", "")
        self.__class__ = self._server.connectionClass  # type: ignore[assignment]
        self._open()
        self.dataReceived(data)


def writesDirectly(transport: ITransport) -> bool:
    """Whether a transport's socket may be written to past the transport's own buffer.

    By type, never by attribute: TLS and other wrappers hand out the socket below them, and the
    bytes would leave in clear. Nor may anything wait in that buffer, as can be after another
    protocol has used the transport.
    """
    return isinstance(transport, tcp.Connection) and not (
        transport.TLS or transport.dataBuffer or transport._tempDataLen
    )


def isAdoptable(transport: Any) -> bool:
    """Whether :func:`attach` can give a transport another protocol."""
    return isinstance(transport, ProtocolWrapper) or hasattr(transport, "protocol")


def attach(transport: Any, protocol: IProtocol) -> None:
    """Have a transport that is connected bring what it reads to another protocol."""
    if isinstance(transport, ProtocolWrapper):
        transport.wrappedProtocol = protocol
    else:
        transport.protocol = protocol
