r"""A connection to a server, as a program uses it (``Ratchet\Client\WebSocket``)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Self

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from ratchet_py.client.emitter import Emitter
from ratchet_py.client.errors import ConnectionClosed, SendBufferFull
from ratchet_py.client.incoming import Incoming
from ratchet_py.client.outgoing import Outgoing
from ratchet_py.client.response import Response
from ratchet_py.errors import LocalError, ProtocolError
from ratchet_py.http.request import Request
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.rfc6455.close_code import CloseCode
from ratchet_py.rfc6455.frame import (
    OP_BINARY,
    OP_CLOSE,
    OP_PING,
    OP_PONG,
    OP_TEXT,
    Frame,
    encode,
    encodeClose,
)
from ratchet_py.rfc6455.message import Message
from ratchet_py.rfc6455.message_buffer import MessageBuffer
from ratchet_py.rfc6455.permessage_deflate import PerMessageDeflate

__all__ = ["Agreed", "WebSocket"]


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the handshake has led to.

    Attributes:
        request: What was asked.
        response: What was answered.
        subProtocol: The subprotocol that was agreed on, or None.
        extension: The compression that was agreed on, or None.
    """

    request: Request
    response: Response
    subProtocol: str | None = None
    extension: PerMessageDeflate | None = None


class WebSocket(Emitter):
    r"""A WebSocket to a server (``Ratchet\Client\WebSocket``). :func:`connect` makes it.

    Messages are ``str`` for text and ``bytes`` for binary, both ways. There are two ways to get
    them:

    - ``async for message in conn``, or :meth:`receive`. Whoever reads slowly slows the server down:
      when 16 messages wait, or more bytes than one message may have, the connection is not read
      until they have been fetched. Not even a close or a ping is seen meanwhile.
    - ``conn.on("message", f)``: ``f(message)`` is called for each as it comes; what came before the
      first listener did is delivered to it. Listeners that are async may overlap.

    The events, and what a listener is called with:

    ``message``
        The message.
    ``close``
        Code and reason, once, when the connection is gone; as in :class:`ConnectionClosed`.
    ``error``
        The exception: a listener has failed, or the server has broken the protocol.
    ``ping``, ``pong``
        The payload; pings have been answered.

    Attributes:
        request: What was asked in the handshake.
        response: What was answered: ``status``, ``headers``.
        subProtocol: The subprotocol that was agreed on, or None.
        closeCode: Why it was closed, as in :class:`ConnectionClosed`; None while it is not.
        closeReason: Words for it.
    """

    events = ("message", "close", "error", "ping", "pong")

    def __init__(
        self,
        transport: Any,
        clock: Any,
        agreed: Agreed,
        limits: Limits = DEFAULT_LIMITS,
        keepAlive: float | None = None,
    ) -> None:
        super().__init__()
        self.request = agreed.request
        self.response = agreed.response
        self.subProtocol = agreed.subProtocol
        self.closeCode: int | None = None
        self.closeReason = ""
        self._extension = agreed.extension
        self._transport = transport
        self._clock = clock
        self._limits = limits
        self._outgoing = Outgoing(
            transport,
            clock,
            limits.stallTimeout,
            lambda: self._drop("the server takes nothing any more"),
            self._drained,
        )
        self._incoming = Incoming(transport, limits.messageSize)
        self._buffer = MessageBuffer(limits, masked=False, extension=agreed.extension)
        # The latest ping that could not be answered yet (RFC 6455 section 5.5.3).
        self._pong: bytes | None = None
        # A close frame is out or in; what the connection will have been closed with.
        self._isClosing = False
        self._closedByUs = False
        self._ending = (int(CloseCode.ABNORMAL), "")
        self._closeTimer: IDelayedCall | None = None
        self._gone: list[Deferred[None]] = []
        self._heard = True
        self._keepAlive: LoopingCall | None = None
        if keepAlive is not None:
            self._keepAlive = LoopingCall(self._beat)
            self._keepAlive.clock = clock
            self._keepAlive.start(keepAlive, now=False)

    # -- sending ----------------------------------------------------------------------------------

    @property
    def bufferedAmount(self) -> int:
        """How many bytes wait to be sent, in our own memory."""
        return self._outgoing.size

    def send(self, msg: str | bytes | Message | Frame) -> Self:
        """Send a message: ``str`` goes out as text, ``bytes`` as binary.

        It returns at once. Who sends much awaits :meth:`whenDrained` now and then.

        Args:
            msg: The message; of a :class:`~ratchet_py.rfc6455.Frame` the fields are kept.

        Raises:
            ConnectionClosed: The connection is closed, or about to be.
            SendBufferFull: More than ``Limits.sendBuffer`` waits already.
            LocalError: It is a close frame, which :meth:`close` sends.
            TypeError: It is none of these.
        """
        # First of all: what is compressed and not sent would be missed by the messages after it.
        if self._isClosing:
            raise self._closed()
        if self._outgoing.size > self._limits.sendBuffer:
            raise SendBufferFull(f"{self._outgoing.size} bytes wait to be sent")
        if isinstance(msg, Frame):
            if msg.opcode == OP_CLOSE:
                raise LocalError("a close frame is sent by close()")
            frame = encode(msg.payload, msg.opcode, msg.final, msg.rsv1, _mask())
        else:
            payload = msg.payload if isinstance(msg, Message) else msg
            if isinstance(payload, str):
                frame = self._frame(payload.encode(), OP_TEXT)
            elif isinstance(payload, (bytes, bytearray, memoryview)):
                frame = self._frame(bytes(payload), OP_BINARY)
            else:
                raise TypeError(f"a message is str, bytes or Message, not {type(msg).__name__}")
        self._outgoing.write(frame)
        return self

    def ping(self, payload: bytes = b"") -> Self:
        """Send a ping; the server answers with a pong of the same payload.

        Args:
            payload: At most 125 bytes.

        Raises:
            LocalError: The payload is longer.
            ConnectionClosed: The connection is closed, or about to be.
        """
        if len(payload) > 125:
            raise LocalError("a ping carries at most 125 bytes")
        return self.send(Frame(payload, opcode=OP_PING))

    def whenDrained(self) -> Deferred[None]:
        """Fire when nothing waits to be sent.

        Returns:
            A Deferred that fails with :class:`ConnectionClosed` if the connection goes first.
        """
        return fail(self._closed()) if self._isClosing else self._outgoing.whenDrained()

    def _frame(self, payload: bytes, opcode: int) -> bytes:
        extension = self._extension
        if extension is None or len(payload) < extension.threshold:
            return encode(payload, opcode, mask=_mask())
        compressed = extension.compress(payload)
        # Where no later message depends on this one, it may go out as it was.
        if extension.sharedWindow is not None and len(compressed) >= len(payload):
            return encode(payload, opcode, mask=_mask())
        return encode(compressed, opcode, rsv1=True, mask=_mask())

    def _drained(self) -> None:
        payload, self._pong = self._pong, None
        if payload is not None and not self._isClosing:
            self._outgoing.write(encode(payload, OP_PONG, mask=_mask()))

    # -- receiving --------------------------------------------------------------------------------

    def receive(self) -> Deferred[str | bytes]:
        """The next message that no listener has had.

        Returns:
            A Deferred that fails with :class:`ConnectionClosed` when there will be none. It may be
            cancelled, and no message is lost.
        """
        return self._incoming.get()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self.receive()
        except ConnectionClosed as closed:
            # It ends when either side has said goodbye; what else has happened is told.
            if closed.isClean or self._closedByUs:
                raise StopAsyncIteration from None
            raise

    def on(self, event: str, listener: Any) -> Self:
        """Call a function whenever something happens; see the events of the class."""
        super().on(event, listener)
        if event == "message":
            for msg in self._incoming.takeAll():
                self._emit("message", msg)
        return self

    def pauseReading(self) -> None:
        """Take no more from the server until :meth:`resumeReading`. Calls nest."""
        self._incoming.pause()

    def resumeReading(self) -> None:
        """Undo one :meth:`pauseReading`."""
        self._incoming.resume()

    def _deliver(self, msg: str | bytes) -> None:
        if self._isClosing:
            return
        if self._listeners["message"]:
            self._emit("message", msg)
        else:
            self._incoming.put(msg)

    # -- closing ----------------------------------------------------------------------------------

    @property
    def isClosed(self) -> bool:
        """Whether nothing can be sent any more: a close frame is out or in, or it is gone."""
        return self._isClosing

    def close(self, code: int | None = CloseCode.NORMAL, reason: str = "") -> Deferred[None]:
        """Send a close frame, and wait for the server's, ``Limits.closeTimeout`` at most.

        What has been sent before goes out first, however long that takes. From now on nothing else
        is sent, and what has not been read is forgotten.

        Args:
            code: The close code, None for a close frame without one.
            reason: Words for the server; what exceeds 123 bytes of UTF-8 is cut off.

        Returns:
            A Deferred that fires when the connection is gone.

        Raises:
            LocalError: The code is none that may be sent (RFC 6455 section 7.4).
        """
        frame = encodeClose(code, reason, _mask())
        if not self._isClosing:
            self._closedByUs = True
            self._incoming.takeAll()
            self._startClosing(frame)
            # A server that takes nothing of it has another limit.
            self._outgoing.whenDrained().addCallbacks(self._awaitEnd, lambda _: None)
        return self.whenClosed()

    def abort(self) -> None:
        """Drop the connection now."""
        self._drop("dropped by us")

    def whenClosed(self) -> Deferred[None]:
        """Fire when the connection is gone; never fail. ``closeCode`` says why."""
        if self.closeCode is not None:
            return succeed(None)
        gone: Deferred[None] = Deferred()
        self._gone.append(gone)
        return gone

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _startClosing(self, frame: bytes) -> None:
        """Send the last frame; the end of the stream is the server's (RFC 6455 section 7.1.1)."""
        self._isClosing = True
        self._outgoing.write(frame)
        self._incoming.expectEnd()

    def _awaitEnd(self, _: None = None) -> None:
        self._closeTimer = self._clock.callLater(
            self._limits.closeTimeout, self._transport.abortConnection
        )

    def _drop(self, reason: str) -> None:
        if not self._isClosing:
            self._isClosing = True
            self._ending = (int(CloseCode.ABNORMAL), reason)
        if self.closeCode is None:
            self._transport.abortConnection()

    def _closed(self) -> ConnectionClosed:
        return ConnectionClosed(*self._ending)

    def _beat(self) -> None:
        if self._incoming.isPaused:
            # It cannot be heard, and has the next interval to be.
            self._heard = True
        elif self._isClosing:
            return
        elif self._heard:
            self._heard = False
            self._outgoing.write(encode(b"", OP_PING, mask=_mask()))
        else:
            self._drop("no sign of life from the server")

    # -- for the protocol below -------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """Bytes of the server have arrived."""
        self._heard = True
        for record in self._buffer.receive(data):
            if isinstance(record, Frame):
                self._onFrame(record)
            elif isinstance(record, ProtocolError):
                self._fail(record)
            else:
                self._deliver(record)
        self._incoming.balance()

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone."""
        self._isClosing = True
        code, words = self._ending
        if code == CloseCode.ABNORMAL and not words:
            isEnd = reason.check(ConnectionDone)
            self._ending = (code, "no close frame" if isEnd else reason.getErrorMessage())
        self.closeCode, self.closeReason = self._ending
        if self._closeTimer is not None and self._closeTimer.active():
            self._closeTimer.cancel()
        if self._keepAlive is not None:
            self._keepAlive.stop()
        self._outgoing.lost(self._closed())
        self._emit("close", self.closeCode, self.closeReason)
        self._incoming.end(self._closed())
        for gone in self._gone:
            if not gone.called:
                gone.callback(None)

    def _onFrame(self, frame: Frame) -> None:
        if frame.opcode == OP_PING:
            if self._outgoing.size:
                self._pong = frame.payload
            elif not self._isClosing:
                self._outgoing.write(encode(frame.payload, OP_PONG, mask=_mask()))
            self._emit("ping", frame.payload)
        elif frame.opcode == OP_PONG:
            self._emit("pong", frame.payload)
        elif frame.opcode == OP_CLOSE:
            code = frame.closeCode
            self._ending = (int(CloseCode.NO_STATUS if code is None else code), frame.reason)
            if not self._isClosing:
                self._startClosing(encode(frame.payload[:2], OP_CLOSE, mask=_mask()))
                self._awaitEnd()

    def _fail(self, error: ProtocolError) -> None:
        """The server broke a rule: say so, and read nothing more."""
        if self._isClosing:
            self._transport.abortConnection()
            return
        self._ending = (int(error.closeCode), error.reason)
        self._startClosing(encodeClose(error.closeCode, error.reason, _mask()))
        self._awaitEnd()
        # It is why the connection is closed, so nobody need listen to hear of it.
        if self._listeners["error"]:
            self._report(error)


def _mask() -> bytes:
    return secrets.token_bytes(4)
