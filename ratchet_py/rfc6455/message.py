"""Messages, and messages that remember how they look on the wire."""

from __future__ import annotations

from typing import Self

from ratchet_py.rfc6455.frame import OP_BINARY, OP_TEXT, encode

__all__ = ["Message", "PreparedBytes", "PreparedMessage"]


class Message:
    r"""A whole message (``Ratchet\RFC6455\Messaging\Message``).

    Example:
        >>> message = Message("grüße")
        >>> str(message), len(message), message.isBinary
        ('grüße', 7, False)

    Attributes:
        payload: ``str`` of a text message, ``bytes`` of a binary one.
        isBinary: Which of them it is.
    """

    __slots__ = ("isBinary", "payload")

    def __init__(self, payload: str | bytes) -> None:
        self.payload = payload
        self.isBinary = not isinstance(payload, str)

    def getPayload(self) -> str | bytes:
        """The payload."""
        return self.payload

    def __len__(self) -> int:
        """The size of the payload in bytes; of text, as UTF-8."""
        payload = self.payload
        return len(payload.encode()) if isinstance(payload, str) else len(payload)

    def __bool__(self) -> bool:
        """True: an empty message is a message."""
        return True

    def __str__(self) -> str:
        """The text; of a binary message, its bytes as UTF-8 as far as they are."""
        payload = self.payload
        return payload if isinstance(payload, str) else payload.decode("utf-8", "replace")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return self.payload == other.payload

    def __hash__(self) -> int:
        return hash(self.payload)

    def __repr__(self) -> str:
        payload = self.payload
        shown = repr(payload) if len(payload) <= 60 else f"{payload[:30]!r}...{payload[-20:]!r}"
        return f"Message({shown})"


class PreparedMessage(str):
    r"""Text that carries its frame, so that a message to many is encoded once.

    It is a ``str`` and passes for one through any layer; whoever changes it gets a plain ``str``,
    which is encoded anew.

    Example:
        >>> PreparedMessage("hello").frame
        b'\x81\x05hello'

    Attributes:
        frame: The uncompressed frame of a server.
    """

    __slots__ = ("_compressed", "frame")

    frame: bytes
    _compressed: dict[int, bytes] | None

    def __new__(cls, text: str, encoded: bytes | None = None) -> Self:
        """Prepare a text.

        Args:
            text: The text.
            encoded: The same as UTF-8, if the caller has it already.
        """
        self = super().__new__(cls, text)
        self.frame = encode(text.encode() if encoded is None else encoded, OP_TEXT)
        self._compressed = None
        return self

    @property
    def compressed(self) -> dict[int, bytes]:
        """Frames for connections that compress, by window bits; whoever makes one puts it here."""
        if self._compressed is None:
            self._compressed = {}
        return self._compressed


class PreparedBytes(bytes):
    r"""A binary message that carries its frame: :class:`PreparedMessage` for ``bytes``.

    Example:
        >>> PreparedBytes(b"\x00\x01").frame
        b'\x82\x02\x00\x01'

    Attributes:
        frame: The uncompressed frame of a server.
    """

    frame: bytes
    _compressed: dict[int, bytes] | None

    def __new__(cls, payload: bytes) -> Self:
        """Prepare a payload."""
        self = super().__new__(cls, payload)
        self.frame = encode(payload, OP_BINARY)
        self._compressed = None
        return self

    @property
    def compressed(self) -> dict[int, bytes]:
        """Frames for connections that compress, by window bits; whoever makes one puts it here."""
        if self._compressed is None:
            self._compressed = {}
        return self._compressed
