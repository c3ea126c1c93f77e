"""Messages become frames, once for all the clients that are sent the same."""

from __future__ import annotations

from typing import Any

from ratchet_py.rfc6455.frame import OP_BINARY, OP_TEXT, encode
from ratchet_py.rfc6455.message import Message, PreparedBytes, PreparedMessage

__all__ = ["Framer"]

# What is remembered is kept until the next message; a larger one is framed each time.
REMEMBERED = 64 * 1024


class Framer:
    """Frames messages and remembers the last one, which may go to many clients in a row.

    Attributes:
        last: The last message, by identity; None if there is none to remember.
        frame: Its uncompressed frame.
    """

    __slots__ = ("_prepared", "frame", "last")

    def __init__(self) -> None:
        self.last: str | bytes | None = None
        self.frame = b""
        self._prepared: PreparedMessage | PreparedBytes | None = None

    def encode(self, msg: Any) -> bytes:
        """The uncompressed frame of a message.

        Raises:
            TypeError: The message is neither text nor bytes nor a Message.
        """
        kind = msg.__class__
        if kind is str:
            frame = encode(msg.encode(), OP_TEXT)
        elif kind is bytes:
            frame = encode(msg, OP_BINARY)
        else:
            return self._encodeOther(msg)
        if len(msg) <= REMEMBERED:
            self.last = msg
            self.frame = frame
            self._prepared = None
        return frame

    def prepare(self, msg: Any) -> PreparedMessage | PreparedBytes:
        """A message that remembers its frames, the compressed ones included.

        Raises:
            TypeError: The message is neither text nor bytes nor a Message.
        """
        if isinstance(msg, (PreparedMessage, PreparedBytes)):
            return msg
        if isinstance(msg, Message):
            return self.prepare(msg.payload)
        if msg is self.last and self._prepared is not None:
            return self._prepared
        prepared: PreparedMessage | PreparedBytes
        if isinstance(msg, str):
            prepared = PreparedMessage(msg)
        elif isinstance(msg, (bytes, bytearray, memoryview)):
            prepared = PreparedBytes(bytes(msg))
        else:
            raise TypeError(f"a message is str, bytes or Message, not {type(msg).__name__}")
        if msg.__class__ in (str, bytes) and len(msg) <= REMEMBERED:
            self.last = msg
            self.frame = prepared.frame
            self._prepared = prepared
        return prepared

    def _encodeOther(self, msg: Any) -> bytes:
        if isinstance(msg, Message):
            return self.encode(msg.payload)
        return self.prepare(msg).frame
