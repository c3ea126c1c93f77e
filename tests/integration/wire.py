"""A client on a raw socket: it sends any bytes, and reads with a parser of its own.

Nothing here uses the code that is tested. Whatever is waited for fails the test after ``PATIENCE``.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import NamedTuple

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol

# Longer than anything here takes, also where others are at work; only what hangs gets there.
PATIENCE = 60

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = b64encode(b"sixteen bytes ok").decode()
MASK = b"\x37\xfa\x21\x3d"

FIELDS = {
    "Host": "localhost",
    "Origin": "http://localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def request(line="GET / HTTP/1.1", **changes):
    """A handshake; ``Sec_WebSocket_Key=None`` leaves a field out, a list repeats it."""
    fields = dict(FIELDS)
    fields.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = [line]
    for name, values in fields.items():
        values = [] if values is None else values if isinstance(values, list) else [values]
        lines += [f"{name}: {value}" for value in values]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Frame(NamedTuple):
    """A frame as it was on the wire."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0


def frame(opcode, payload=b"", *, fin=True, rsv=0, mask=MASK, announce=None, form=None):
    """A frame of a client, or of one that breaks the rules.

    ``mask=None`` does not mask; ``announce`` is another length than the payload's; ``form`` writes
    the length as 7, 16 or 64 bits, whether that is the shortest or not.
    """
    length = len(payload) if announce is None else announce
    if form is None:
        form = 7 if length < 126 else 16 if length < 65536 else 64
    masked = 0 if mask is None else 0x80
    head = bytes([fin << 7 | rsv << 4 | opcode])
    if form == 7:
        head += bytes([masked | length])
    else:
        head += bytes([masked | (126 if form == 16 else 127)]) + length.to_bytes(form // 8, "big")
    if mask is None:
        return head + payload
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    hidden = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return head + mask + hidden.to_bytes(len(payload), "big")


def text(message, **options):
    """A text frame."""
    return frame(TEXT, message.encode(), **options)


def close(code=None, reason=b""):
    """A close frame."""
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason)


class Response(NamedTuple):
    """The head of an answer, and its body if it says how long that is."""

    line: str
    status: int
    headers: dict[str, str]
    body: bytes


async def patient(deferred, what):
    """Wait for a Deferred, but not for ever."""
    from twisted.internet import reactor

    deferred.addTimeout(PATIENCE, reactor)
    try:
        return await deferred
    except TimeoutError:
        raise AssertionError(f"waited for {what}") from None


class Client(Protocol):
    """A raw connection to a server.

    Attributes:
        lost: Why the connection ended; None while it has not.
    """

    def __init__(self):
        self.lost = None
        self._data = bytearray()
        self._waiting = None

    def dataReceived(self, data):
        self._data += data
        self._wake()

    def connectionLost(self, reason):
        self.lost = reason
        self._wake()

    def send(self, *data):
        self.transport.writeSequence(data)

    def say(self, *message):
        """Send a WAMP message."""
        self.send(text(json.dumps(message)))

    def reset(self):
        """Go with an RST."""
        self.transport.abortConnection()

    async def response(self):
        """Read the head of an answer and the body that its Content-Length announces."""
        while b"\r\n\r\n" not in self._data:
            await self._more("an answer")
        head, _, rest = bytes(self._data).partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {}
        for field in fields:
            name, _, value = field.partition(": ")
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value
        length = int(headers.get("content-length", 0))
        while len(rest) < length:
            await self._more("a body")
            rest = bytes(self._data).partition(b"\r\n\r\n")[2]
        del self._data[: len(head) + 4 + length]
        version, status, _ = line.split(" ", 2)
        assert version in ("HTTP/1.0", "HTTP/1.1")
        return Response(line, int(status), headers, rest[:length])

    async def frame(self):
        """Read one frame."""
        while (parsed := self._parse()) is None:
            await self._more("a frame")
        return parsed

    async def next(self):
        """Read one message: ``str`` or ``bytes``, in one frame, not compressed."""
        received = await self.frame()
        assert received.fin, received
        assert received.rsv == 0, received
        assert received.opcode in (TEXT, BINARY), received
        return received.payload.decode() if received.opcode == TEXT else received.payload

    async def heard(self):
        """Read one WAMP message."""
        message = await self.next()
        assert isinstance(message, str)
        return json.loads(message)

    async def closing(self, code):
        """Read the server's close frame; answer it and see the connection end cleanly.

        Returns:
            The reason.
        """
        received = await self.frame()
        assert received[:1] == (CLOSE,), received
        got = int.from_bytes(received.payload[:2], "big") if received.payload else None
        assert got == code, received
        self.send(frame(CLOSE, received.payload[:2]))
        await self.end()
        return received.payload[2:].decode()

    async def end(self, clean=True):
        """Wait for the end of the connection; there must be nothing before it."""
        await self.gone()
        assert not self._data, f"unexpected: {bytes(self._data[:200])!r}"
        assert self.lost.check(ConnectionDone) or not clean, self.lost

    async def gone(self):
        """Wait for the end of the connection, whatever comes before it."""
        while self.lost is None:
            await self._more("the end")

    def _parse(self):
        data = self._data
        if len(data) < 2:
            return None
        assert data[1] < 0x80, "the server masks"
        length, start = data[1], 2
        if length > 125:
            start = 4 if length == 126 else 10
            if len(data) < start:
                return None
            length = int.from_bytes(data[2:start], "big")
        if len(data) < start + length:
            return None
        first, payload = data[0], bytes(data[start : start + length])
        del data[: start + length]
        return Frame(first & 15, payload, first >= 0x80, first >> 4 & 7)

    async def _more(self, what):
        assert self.lost is None, f"waited for {what}: {self.lost}, {bytes(self._data[:200])!r}"
        assert self._waiting is None
        self._waiting = Deferred()
        try:
            await patient(self._waiting, f"{what}; there is {bytes(self._data[:200])!r}")
        finally:
            self._waiting = None

    def _wake(self):
        if self._waiting is not None:
            self._waiting.callback(None)
