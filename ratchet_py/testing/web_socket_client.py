"""A client of WebSocket."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Self

from ratchet_py.errors import ProtocolError
from ratchet_py.rfc6455.frame import OP_BINARY, OP_CLOSE, OP_PING, OP_PONG, OP_TEXT, Frame, encode
from ratchet_py.rfc6455.message_buffer import MessageBuffer
from ratchet_py.server.io_server import IoServer
from ratchet_py.testing.raw_client import RawClient

__all__ = ["WebSocketClient"]

_MASK = b"\x01\x02\x03\x04"
_KEY = b64encode(bytes(16)).decode()


class WebSocketClient(RawClient):
    """A client that speaks WebSocket.

    Attributes:
        path: The path of its request.
        status: The status of the answer to the handshake: 101, or why not; 0 if there was none.
        headers: Its header fields, names in lower case.
        received: The messages, ``str`` and ``bytes``.
        pings: The payloads of the pings, each of which has been answered.
        pongs: The payloads of the pongs.
        closeCode: The code of the server's close frame; None before it comes, 1005 if it is empty.
        closeReason: Its reason.
    """

    def __init__(
        self,
        server: IoServer,
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        subProtocols: Iterable[str] = (),
        address: str = "127.0.0.1",
    ) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.received: list[Any] = []
        self.pings: list[bytes] = []
        self.pongs: list[bytes] = []
        self.path = path
        self._again: dict[str, Any] = {"path": path, "subProtocols": list(subProtocols)}
        self.closeCode: int | None = None
        self.closeReason = ""
        self._buffer: MessageBuffer | None = None
        super().__init__(server, address)
        fields = {
            "Host": "localhost",
            "Origin": "http://localhost",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": _KEY,
            "Sec-WebSocket-Version": "13",
        }
        if self._again["subProtocols"]:
            fields["Sec-WebSocket-Protocol"] = ", ".join(self._again["subProtocols"])
        fields.update(headers or {})
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        self.sendBytes("\r\n".join([*lines, "", ""]).encode())

    @property
    def closed(self) -> tuple[int, str] | None:
        """How the connection has ended, or None while it is open.

        The code and the reason of the server's close frame; 1006, as in browsers, without one.
        """
        if not self.isClosed:
            return None
        return 1006 if self.closeCode is None else self.closeCode, self.closeReason

    def another(self, **options: Any) -> Self:
        """A second client, of the same kind, to the same server and path, of the same protocol."""
        return type(self)(self.server, **{**self._again, **options})

    def send(self, msg: str | bytes) -> None:
        """Send a message."""
        if isinstance(msg, str):
            self.sendFrame(msg.encode(), OP_TEXT)
        else:
            self.sendFrame(msg, OP_BINARY)

    def sendFrame(self, payload: bytes, opcode: int, final: bool = True) -> None:
        """Send one frame."""
        self.sendBytes(encode(payload, opcode, final, mask=_MASK))

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping."""
        self.sendFrame(payload, OP_PING)

    def close(self, code: int = 1000) -> None:
        """Send a close frame."""
        self.sendFrame(code.to_bytes(2, "big"), OP_CLOSE)

    def dataReceived(self, data: bytes) -> None:
        """The server has sent bytes."""
        super().dataReceived(data)
        if self._buffer is None:
            head, separator, data = self.data.partition(b"\r\n\r\n")
            if not separator:
                return
            line, *fields = head.decode("latin-1").split("\r\n")
            self.status = int(line.split(" ")[1])
            self.headers = {
                name.lower(): value for name, value in (field.split(": ", 1) for field in fields)
            }
            self._buffer = MessageBuffer(masked=False)
        if self.status == 101:
            for record in self._buffer.receive(data):
                self._take(record)

    def messageReceived(self, msg: str | bytes) -> None:
        """The server has sent a message."""
        self.received.append(msg)

    def _take(self, record: str | bytes | Frame | ProtocolError) -> None:
        if isinstance(record, ProtocolError):
            raise AssertionError("the server broke the WebSocket protocol") from record
        if not isinstance(record, Frame):
            self.messageReceived(record)
        elif record.opcode == OP_PING:
            self.pings.append(record.payload)
            self.sendLater(encode(record.payload, OP_PONG, mask=_MASK))
        elif record.opcode == OP_PONG:
            self.pongs.append(record.payload)
        else:
            self.closeCode = 1005 if record.closeCode is None else record.closeCode
            self.closeReason = record.reason
            self.sendLater(encode(record.payload[:2], OP_CLOSE, mask=_MASK))

    def sendLater(self, data: bytes) -> None:
        """Send bytes in a turn of their own, as an answer of the client's would come."""
        self.clock.callLater(0, self.transport.feed, data)
