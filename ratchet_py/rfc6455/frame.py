"""Frames: the units of the wire, and how they are written (RFC 6455 section 5)."""

from __future__ import annotations

from struct import Struct
from typing import ClassVar

from ratchet_py.errors import LocalError
from ratchet_py.rfc6455.close_code import isSendable
from ratchet_py.rfc6455.masking import applyMask

__all__ = [
    "OP_BINARY",
    "OP_CLOSE",
    "OP_CONTINUE",
    "OP_PING",
    "OP_PONG",
    "OP_TEXT",
    "Frame",
    "encode",
    "encodeClose",
]

OP_CONTINUE = 0
OP_TEXT = 1
OP_BINARY = 2
OP_CLOSE = 8
OP_PING = 9
OP_PONG = 10

_NAMES = {
    OP_CONTINUE: "CONTINUE",
    OP_TEXT: "TEXT",
    OP_BINARY: "BINARY",
    OP_CLOSE: "CLOSE",
    OP_PING: "PING",
    OP_PONG: "PONG",
}

# Most frames are short, whole and unmasked: their heads are ready, by opcode and length.
_SHORT_HEADS = tuple(
    tuple(bytes((0x80 | opcode, length)) for length in range(126)) for opcode in range(16)
)

_packMedium = Struct("!BBH").pack
_packLong = Struct("!BBQ").pack

# What a control frame may carry, less the two bytes of the close code (RFC 6455 section 5.5).
_REASON_SIZE = 123


class Frame:
    r"""One frame (``Ratchet\RFC6455\Messaging\Frame``).

    The message buffer hands out control frames; data frames it hands out as whole messages.

    Example:
        >>> Frame(b"are you there", opcode=Frame.OP_PING).getContents()
        b'\x89\rare you there'

    Attributes:
        opcode: One of the ``OP_`` values.
        payload: What the frame carries, unmasked.
        final: Whether it ends its message.
        rsv1: The first reserved bit: the message is compressed (RFC 7692).
    """

    OP_CONTINUE: ClassVar[int] = OP_CONTINUE
    OP_TEXT: ClassVar[int] = OP_TEXT
    OP_BINARY: ClassVar[int] = OP_BINARY
    OP_CLOSE: ClassVar[int] = OP_CLOSE
    OP_PING: ClassVar[int] = OP_PING
    OP_PONG: ClassVar[int] = OP_PONG

    __slots__ = ("final", "opcode", "payload", "rsv1")

    def __init__(
        self,
        payload: bytes = b"",
        final: bool = True,
        opcode: int = OP_TEXT,
        rsv1: bool = False,
    ) -> None:
        self.payload = payload
        self.opcode = opcode
        self.final = final
        self.rsv1 = rsv1

    def getOpcode(self) -> int:
        """The opcode."""
        return self.opcode

    def getPayload(self) -> bytes:
        """What the frame carries, unmasked."""
        return self.payload

    def isFinal(self) -> bool:
        """Whether the frame ends its message."""
        return self.final

    def getContents(self) -> bytes:
        """The frame as a server puts it on the wire: unmasked."""
        return encode(self.payload, self.opcode, self.final, self.rsv1)

    @property
    def closeCode(self) -> int | None:
        """The code of a close frame; None if it has none, or is no close frame."""
        if self.opcode != OP_CLOSE or len(self.payload) < 2:
            return None
        return int.from_bytes(self.payload[:2])

    @property
    def reason(self) -> str:
        """The reason of a close frame; empty if it has none, or is no close frame."""
        return self.payload[2:].decode("utf-8", "replace") if self.opcode == OP_CLOSE else ""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frame):
            return NotImplemented
        return (self.opcode, self.payload, self.final, self.rsv1) == (
            other.opcode,
            other.payload,
            other.final,
            other.rsv1,
        )

    def __hash__(self) -> int:
        return hash((self.opcode, self.payload, self.final, self.rsv1))

    def __repr__(self) -> str:
        parts = [_NAMES.get(self.opcode, f"opcode {self.opcode}")]
        if not self.final:
            parts.append("not final")
        if self.rsv1:
            parts.append("rsv1")
        if self.opcode == OP_CLOSE:
            code = self.closeCode
            shown = "" if code is None else f"{code} {_elide(self.reason)!r}"
        elif self.opcode == OP_TEXT:
            # The ends alone are decoded: a payload may be large, and may be cut within a character.
            shown = repr(_elide(_ends(self.payload).decode("utf-8", "replace")))
        else:
            shown = _ends(self.payload).hex(" ") if len(self.payload) <= 32 else _hexEnds(self)
        parts.append(f"{len(self.payload)} bytes")
        return f"<Frame {', '.join(parts)}{': ' + shown if shown else ''}>"


def _ends(payload: bytes) -> bytes:
    return payload if len(payload) <= 512 else payload[:256] + payload[-256:]


def _hexEnds(frame: Frame) -> str:
    return f"{frame.payload[:16].hex(' ')} ... {frame.payload[-16:].hex(' ')}"


def _elide(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:30]} ... {text[-20:]}"


def encode(
    payload: bytes,
    opcode: int,
    final: bool = True,
    rsv1: bool = False,
    mask: bytes | None = None,
) -> bytes:
    r"""Write one frame (RFC 6455 section 5.2).

    Args:
        payload: What it carries: UTF-8 for a text frame.
        opcode: One of the ``OP_`` values.
        final: Whether it ends its message.
        rsv1: Whether it begins a compressed message.
        mask: Four unpredictable bytes from a client, None from a server.

    Returns:
        The bytes of the wire.

    Example:
        >>> encode(b"hello", OP_TEXT)
        b'\x81\x05hello'
    """
    length = len(payload)
    if length < 126 and final and not rsv1 and mask is None:
        return _SHORT_HEADS[opcode][length] + payload
    first = opcode
    if final:
        first |= 0x80
    if rsv1:
        first |= 0x40
    masked = 0 if mask is None else 0x80
    if length < 126:
        head = bytes((first, masked | length))
    elif length < 0x10000:
        head = _packMedium(first, masked | 126, length)
    else:
        head = _packLong(first, masked | 127, length)
    if mask is None:
        return head + payload
    return b"".join((head, mask, applyMask(payload, mask)))


def encodeClose(code: int | None, reason: str = "", mask: bytes | None = None) -> bytes:
    r"""Write a close frame (RFC 6455 section 5.5.1).

    Args:
        code: Why, or None for an empty close frame.
        reason: Words for it; what does not fit into the frame is cut off.
        mask: As for :func:`encode`.

    Returns:
        The bytes of the wire.

    Raises:
        LocalError: The code must not be sent, or there is a reason without a code.

    Example:
        >>> encodeClose(1000, "bye")
        b'\x88\x05\x03\xe8bye'
    """
    if code is None:
        if reason:
            raise LocalError("a close frame without a code cannot have a reason")
        return encode(b"", OP_CLOSE, mask=mask)
    if not isSendable(code):
        raise LocalError(f"close code {code} must not be sent")
    words = reason.encode("utf-8", "replace")
    if len(words) > _REASON_SIZE:
        words = words[:_REASON_SIZE].decode("utf-8", "ignore").encode()
    return encode(code.to_bytes(2) + words, OP_CLOSE, mask=mask)
