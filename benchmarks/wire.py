"""The client's side of the wire, as bytes made in advance: nothing is computed while we measure."""

from __future__ import annotations

import base64
import hashlib
import os
import random

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

TEXT = 1
BINARY = 2
CLOSE = 8

# What closes a connection, and what the server is to answer it with.
CLOSE_NORMAL = b"\x03\xe8"


def masked(opcode: int, payload: bytes) -> bytes:
    """A frame as a client sends it."""
    key = os.urandom(4)
    repeated = (key * (len(payload) // 4 + 1))[: len(payload)]
    xor = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return _head(opcode, len(payload), 0x80) + key + xor.to_bytes(len(payload), "big")


def plain(opcode: int, payload: bytes) -> bytes:
    """A frame as a server sends it."""
    return _head(opcode, len(payload), 0) + payload


def unframe(data: bytes) -> tuple[int, bytes, bytes] | None:
    """The first of a server's frames in ``data``: opcode, payload, the rest; None if incomplete."""
    if len(data) < 2:
        return None
    size, at = data[1], 2
    if size > 125:
        at = 4 if size == 126 else 10
        size = int.from_bytes(data[2:at], "big")
    if len(data) < at + size:
        return None
    return data[0] & 0x0F, data[at : at + size], data[at + size :]


def _head(opcode: int, size: int, mask: int) -> bytes:
    first = 0x80 | opcode
    if size < 126:
        return bytes((first, mask | size))
    if size < 65536:
        return bytes((first, mask | 126)) + size.to_bytes(2, "big")
    return bytes((first, mask | 127)) + size.to_bytes(8, "big")


def upgrade(key: bytes, protocol: str | None) -> bytes:
    """The request of a handshake, with the headers that a browser sends."""
    lines = [
        b"GET / HTTP/1.1",
        b"Host: 127.0.0.1",
        b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
        b"Origin: http://127.0.0.1",
        b"Accept-Language: en-GB,en;q=0.9",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: " + key,
    ]
    if protocol is not None:
        lines.append(b"Sec-WebSocket-Protocol: " + protocol.encode())
    return b"\r\n".join(lines) + b"\r\n\r\n"


def newKey() -> tuple[bytes, bytes]:
    """A key of a handshake, and what the server is to make of it."""
    key = base64.b64encode(os.urandom(16))
    return key, base64.b64encode(hashlib.sha1(key + GUID).digest())


def text(size: int, seed: object) -> str:
    """Readable text of so many characters, the same for the same seed."""
    letters = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789"
    return "".join(random.Random(repr(seed)).choices(letters, k=size))


def binary(size: int, seed: object) -> bytes:
    """Any bytes, the same for the same seed."""
    return random.Random(repr(seed)).randbytes(size)
