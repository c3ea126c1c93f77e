"""A WebSocket client as an application sees it, and the state that its server keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone

from ratchet_py.connection import AbstractConnectionDecorator
from ratchet_py.errors import LocalError
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.rfc6455.close_code import CloseCode
from ratchet_py.rfc6455.frame import OP_CLOSE, OP_PING, OP_PONG, Frame, encode, encodeClose
from ratchet_py.rfc6455.message import Message, PreparedBytes, PreparedMessage
from ratchet_py.rfc6455.message_buffer import MessageBuffer

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from ratchet_py.rfc6455.permessage_deflate import PerMessageDeflate
    from ratchet_py.websocket.ws_server import WsServer

__all__ = ["WebSocket", "WsConnection"]

_WITHOUT_A_WORD = ("nobody", int(CloseCode.ABNORMAL))


class WebSocket:
    """The WebSocket side of a connection, on every wrapper as ``conn.WebSocket``.

    Attributes:
        closing: Whether a close frame has gone out or come in.
        subProtocol: The subprotocol that was chosen, or None.
        extension: The permessage-deflate that was agreed, or None.
        server: The server that opened it.
        below: The connection that it writes to.
        buffer: What has been read and makes no whole message yet.
        conn: The connection that the application gets.
        gate: The way up to the application.
        ending: Who has closed (``client``, ``server``, ``nobody``) and with which code, to be
            counted.
        heard: Whether anything has arrived since the last ping.
    """

    __slots__ = (
        "_closeTimer",
        "below",
        "buffer",
        "closing",
        "conn",
        "ending",
        "extension",
        "gate",
        "heard",
        "server",
        "subProtocol",
    )

    _closeTimer: IDelayedCall | None

    def __init__(
        self,
        server: WsServer,
        below: ConnectionInterface,
        subProtocol: str | None,
        extension: PerMessageDeflate | None,
    ) -> None:
        self.server = server
        self.below = below
        self.subProtocol = subProtocol
        self.extension = extension
        self.buffer = MessageBuffer(server.limits, extension=extension)
        self._closeTimer = None
        self.closing = False
        self.ending = _WITHOUT_A_WORD
        self.heard = True
        below.WebSocket = self
        self.conn = server.connectionClass(below)
        self.gate = server.gateClass(server.delegate, self.conn)

    def pong(self, payload: bytes) -> None:
        """Answer a ping."""
        if not self.closing:
            self.below.send(encode(payload, OP_PONG))

    def startClosing(self, frame: bytes) -> None:
        """Send our close frame and give the client ``closeTimeout`` for its own."""
        self._sendLast(frame)
        self._closeTimer = self.below.reactor.callLater(
            self.server.limits.closeTimeout, self._timedOut
        )

    def answerClose(self, frame: Frame) -> None:
        """A close frame has come in: answer it, unless it is the answer, and end the stream."""
        if not self.closing:
            self._sendLast(encode(frame.payload[:2], OP_CLOSE), "client")
        self.below.close()

    def fail(self, closeCode: int, reason: str) -> None:
        """The client broke a rule: say so and end the stream; nothing more is read from it."""
        if not self.closing:
            self._sendLast(encodeClose(closeCode, reason))
        self.below.close()

    def drop(self) -> None:
        """End it without a word; what has been read and not delivered is forgotten."""
        self.closing = True
        self.gate.discard()
        self.below.abort()

    def ended(self) -> None:
        """The transport is gone."""
        self.closing = True
        if self._closeTimer is not None and self._closeTimer.active():
            self._closeTimer.cancel()
        self.below.serverTally.close(*self.ending)
        self.gate.close()

    def _timedOut(self) -> None:
        self.below.serverTally.exceeded["closeTimeout"] += 1
        self.below.abort()

    def _sendLast(self, frame: bytes, by: str = "server") -> None:
        # A control frame of ours has a head of two bytes, and a close frame its code behind them.
        self.ending = (by, int.from_bytes(frame[2:4]) if len(frame) > 2 else CloseCode.NO_STATUS)
        self.closing = True
        self.gate.discard()
        self.below.send(frame)


class WsConnection(AbstractConnectionDecorator):
    r"""A WebSocket client (``Ratchet\WebSocket\WsConnection``).

    Attributes:
        WebSocket: The state of the connection.
    """

    __slots__ = ("WebSocket",)

    WebSocket: WebSocket

    def __init__(self, conn: ConnectionInterface) -> None:
        super().__init__(conn)
        self.WebSocket = conn.WebSocket

    def send(self, msg: str | bytes | Message | Frame) -> WsConnection:
        """Send a message: ``str`` goes out as text, ``bytes`` as binary.

        What finds more than ``Limits.sendBuffer`` waiting already is not sent: the client is too
        slow, and :class:`WsServer` does what its policy says.

        Args:
            msg: The message; a :class:`~ratchet_py.rfc6455.Frame` goes out as it is.

        Raises:
            TypeError: It is none of these.
        """
        websocket = self.WebSocket
        if websocket.closing:
            return self
        server = websocket.server
        framer = server.framer
        if websocket.extension is not None and msg.__class__ is not Frame:
            frame = websocket.extension.frame(framer.prepare(msg))
        elif msg is framer.last:
            frame = framer.frame
        elif msg.__class__ is PreparedMessage or msg.__class__ is PreparedBytes:
            frame = msg.frame
        elif msg.__class__ is Frame:
            frame = msg.getContents()
        else:
            frame = framer.encode(msg)
        below = self.wrappedConn
        if below.bufferedAmount > server.limits.sendBuffer:
            server.onSlowConsumer(self)
        else:
            below.send(frame)
        return self

    def ping(self, payload: bytes = b"") -> WsConnection:
        """Send a ping; the client answers with a pong of the same payload.

        Args:
            payload: At most 125 bytes.

        Raises:
            LocalError: The payload is longer.
        """
        if len(payload) > 125:
            raise LocalError("a ping carries at most 125 bytes")
        if not self.WebSocket.closing:
            self.wrappedConn.send(encode(payload, OP_PING))
        return self

    def close(self, code: int | Frame | None = CloseCode.NORMAL, reason: str = "") -> None:
        """Send a close frame and wait for the client's, ``Limits.closeTimeout`` at most.

        From now on nothing is sent and no message is delivered; ``onClose`` follows.

        Args:
            code: The close code, or a whole close frame; None for a close frame without a code.
            reason: Words for the client; what exceeds 123 bytes of UTF-8 is cut off.

        Raises:
            LocalError: The code is none that may be sent (RFC 6455 section 7.4).
        """
        frame = code.getContents() if isinstance(code, Frame) else encodeClose(code, reason)
        if not self.WebSocket.closing:
            self.WebSocket.startClosing(frame)

    def whenDrained(self) -> Deferred[None]:
        """Fire when nothing waits to be sent.

        Returns:
            A Deferred that fails if the client goes away first, or if nothing waits and nothing is
            sent any more, because a close frame is in or out.
        """
        if self.WebSocket.closing and not self.bufferedAmount:
            return fail(ConnectionDone())
        return self.wrappedConn.whenDrained()

    def abort(self) -> None:
        """Drop the connection now; nothing more is sent or delivered."""
        self.WebSocket.drop()
