"""Compression of messages: permessage-deflate (RFC 7692).

What a connection keeps between messages: without context takeover nothing, which is the default in
both directions; with it, up to 40 KiB to inflate and, at the default settings, 260 KiB to deflate.
Messages that are compressed without context are the work of one compressor for the whole process.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ratchet_py.errors import LocalError, ProtocolError, RemoteError
from ratchet_py.rfc6455.close_code import CloseCode
from ratchet_py.rfc6455.frame import OP_BINARY, OP_TEXT, encode
from ratchet_py.rfc6455.message import PreparedBytes, PreparedMessage

if TYPE_CHECKING:
    from zlib import _Compress, _Decompress

__all__ = ["NAME", "PerMessageDeflate", "PerMessageDeflateOptions", "compressOnce"]

NAME = "permessage-deflate"

# What a flush ends with; it is not sent (RFC 7692 section 7.2.1).
_TAIL = b"\x00\x00\xff\xff"
# The head of an empty stored block, whose rest is the tail.
_EMPTY = b"\x00"
# A sender may end a message with a final block, and must then add an empty one to cut the tail from
# (RFC 7692 section 7.2.3.4). By whether the tail is on: what may follow a final block.
_AFTER_FINAL = ((b"", _EMPTY), (_TAIL, _EMPTY + _TAIL))

_LARGEST_WINDOW = 15
# zlib takes a window of 8 bits for 9, or refuses it (raw deflate), so it cannot be promised.
_SMALLEST_WINDOW = 9

_WINDOW_BITS = re.compile(r"[89]|1[0-5]")


@dataclass(frozen=True, slots=True)
class PerMessageDeflateOptions:
    """What a server agrees to or a client offers, and how it compresses.

    The defaults keep no memory between messages, and let a broadcast be compressed once for all
    its receivers. Context takeover compresses better where messages resemble each other.

    Example:
        >>> options = PerMessageDeflateOptions(serverMaxWindowBits=12)
        >>> options.accept([("client_max_window_bits", None)])[0]
        'permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
server_max_window_bits=12'

    Attributes:
        serverNoContextTakeover: The server compresses each message for itself, or is asked to.
        clientNoContextTakeover: The same for the client.
        serverMaxWindowBits: How far back the server's compressor may refer, as a power of two: 9 to
            15.
        clientMaxWindowBits: The same for the client; a server asks it only of one that lets itself
            be asked.
        threshold: Messages of fewer bytes are sent uncompressed.
        level: zlib's level, 0 (stored) to 9 (smallest).
        memLevel: zlib's memory level, 1 to 9.

    Raises:
        LocalError: A value is out of its range.
    """

    serverNoContextTakeover: bool = True
    clientNoContextTakeover: bool = True
    serverMaxWindowBits: int = _LARGEST_WINDOW
    clientMaxWindowBits: int = _LARGEST_WINDOW
    threshold: int = 256
    level: int = 6
    memLevel: int = 8

    def __post_init__(self) -> None:
        for name, low, high in (
            ("serverMaxWindowBits", _SMALLEST_WINDOW, _LARGEST_WINDOW),
            ("clientMaxWindowBits", _SMALLEST_WINDOW, _LARGEST_WINDOW),
            ("level", 0, 9),
            ("memLevel", 1, 9),
        ):
            if not low <= getattr(self, name) <= high:
                raise LocalError(f"{name} must be from {low} to {high}")

    def accept(
        self, offer: Sequence[tuple[str, str | None]]
    ) -> tuple[str, PerMessageDeflate] | None:
        """Answer one offer of a client (RFC 7692 section 7.1).

        Args:
            offer: Its parameters in their order; the value is None where none was given.

        Returns:
            The answer for ``Sec-WebSocket-Extensions`` and the connection's compression; None if
            the offer is declined, so that the client's next one has its turn.
        """
        asked: dict[str, str | None] = {}
        for name, value in offer:
            if name in asked or not _isValid(name, value):
                return None
            asked[name] = value
        serverBits = min(
            self.serverMaxWindowBits, int(asked.get("server_max_window_bits") or _LARGEST_WINDOW)
        )
        if serverBits < _SMALLEST_WINDOW:
            return None
        # A client that does not mention its window cannot be asked to make it smaller.
        clientBits = _LARGEST_WINDOW
        if "client_max_window_bits" in asked:
            clientBits = min(
                self.clientMaxWindowBits,
                int(asked["client_max_window_bits"] or _LARGEST_WINDOW),
            )
        serverAlone = self.serverNoContextTakeover or "server_no_context_takeover" in asked
        clientAlone = self.clientNoContextTakeover or "client_no_context_takeover" in asked
        answer = [NAME]
        if serverAlone:
            answer.append("server_no_context_takeover")
        if clientAlone:
            answer.append("client_no_context_takeover")
        if serverBits < _LARGEST_WINDOW or "server_max_window_bits" in asked:
            answer.append(f"server_max_window_bits={serverBits}")
        if clientBits < _LARGEST_WINDOW:
            answer.append(f"client_max_window_bits={clientBits}")
        return "; ".join(answer), PerMessageDeflate(
            self,
            sharedWindow=serverBits if serverAlone else None,
            windowBits=serverBits,
            peerNoContextTakeover=clientAlone,
            peerWindowBits=clientBits,
        )

    def offer(self) -> str:
        """A client's offer, for ``Sec-WebSocket-Extensions``.

        Example:
            >>> PerMessageDeflateOptions(clientNoContextTakeover=False).offer()
            'permessage-deflate; server_no_context_takeover; client_max_window_bits'
        """
        offer = [NAME]
        if self.serverNoContextTakeover:
            offer.append("server_no_context_takeover")
        if self.clientNoContextTakeover:
            offer.append("client_no_context_takeover")
        if self.serverMaxWindowBits < _LARGEST_WINDOW:
            offer.append(f"server_max_window_bits={self.serverMaxWindowBits}")
        bits = self.clientMaxWindowBits
        offer.append("client_max_window_bits" + (f"={bits}" if bits < _LARGEST_WINDOW else ""))
        return "; ".join(offer)

    def agree(self, answer: Sequence[tuple[str, str | None]]) -> PerMessageDeflate:
        """Take a server's answer to the offer (RFC 7692 section 7.1).

        Args:
            answer: Its parameters in their order; the value is None where none was given.

        Returns:
            The connection's compression.

        Raises:
            RemoteError: The answer does not go with the offer, or asks for what zlib cannot do.
        """
        said = dict(answer)
        if len(said) < len(answer) or not all(_isValid(name, value) for name, value in answer):
            raise RemoteError("the parameters of permessage-deflate are malformed")
        serverAlone = "server_no_context_takeover" in said
        serverBits = int(said.get("server_max_window_bits") or _LARGEST_WINDOW)
        # None, where the server has named it without a number, is not for an answer.
        clientBits = int(said.get("client_max_window_bits", str(_LARGEST_WINDOW)) or 0)
        if self.serverNoContextTakeover > serverAlone or serverBits > self.serverMaxWindowBits:
            raise RemoteError("the server's permessage-deflate is not the one offered")
        if clientBits < _SMALLEST_WINDOW:
            raise RemoteError(f"the server asks for a window of {clientBits} bits")
        clientBits = min(clientBits, self.clientMaxWindowBits)
        clientAlone = self.clientNoContextTakeover or "client_no_context_takeover" in said
        return PerMessageDeflate(
            self,
            sharedWindow=clientBits if clientAlone else None,
            windowBits=clientBits,
            peerNoContextTakeover=serverAlone,
            peerWindowBits=serverBits,
        )


def _isValid(name: str, value: str | None) -> bool:
    if name in ("server_no_context_takeover", "client_no_context_takeover"):
        return value is None
    if name == "client_max_window_bits" and value is None:
        return True
    if name in ("server_max_window_bits", "client_max_window_bits"):
        return value is not None and _WINDOW_BITS.fullmatch(value) is not None
    return False


class PerMessageDeflate:
    """The compression of one connection.

    Attributes:
        sharedWindow: The window bits of our compressor if each message is compressed for itself:
            the compressed frame is the same for all connections with this number. None if a
            message depends on those before it.
        threshold: Messages of fewer bytes are to be sent uncompressed.
    """

    __slots__ = (
        "_deflater",
        "_inflater",
        "_options",
        "_peerNoContextTakeover",
        "_peerWindowBits",
        "_windowBits",
        "sharedWindow",
        "threshold",
    )

    _deflater: _Compress | None
    _inflater: _Decompress | None

    def __init__(
        self,
        options: PerMessageDeflateOptions,
        *,
        sharedWindow: int | None,
        windowBits: int = _LARGEST_WINDOW,
        peerNoContextTakeover: bool = False,
        peerWindowBits: int = _LARGEST_WINDOW,
    ) -> None:
        self._options = options
        self.sharedWindow = sharedWindow
        self.threshold = options.threshold
        self._windowBits = windowBits
        self._peerNoContextTakeover = peerNoContextTakeover
        # A larger window than the peer's reads all that the peer writes.
        self._peerWindowBits = max(peerWindowBits, _SMALLEST_WINDOW)
        self._deflater = None
        self._inflater = None

    def frame(self, message: PreparedMessage | PreparedBytes) -> bytes:
        """The frame of a message for this connection, compressed where that pays.

        Connections with the same ``sharedWindow`` get the same bytes, made once.

        Args:
            message: The message, prepared.

        Returns:
            The bytes of the wire.
        """
        window = self.sharedWindow
        if window is None:
            payload = message.encode() if isinstance(message, str) else message
            if len(payload) < self.threshold:
                return message.frame
            return self._encode(message, self.compress(payload))
        frame = message.compressed.get(window)
        if frame is None:
            frame = message.frame
            payload = message.encode() if isinstance(message, str) else message
            if len(payload) >= self.threshold:
                compressed = self.compress(payload)
                # No later message depends on this one, so it may go out as it was.
                if len(compressed) < len(payload):
                    frame = self._encode(message, compressed)
            message.compressed[window] = frame
        return frame

    @staticmethod
    def _encode(message: PreparedMessage | PreparedBytes, compressed: bytes) -> bytes:
        opcode = OP_TEXT if isinstance(message, str) else OP_BINARY
        return encode(compressed, opcode, rsv1=True)

    def compress(self, payload: bytes) -> bytes:
        """Compress one message, whatever its size.

        Args:
            payload: The message; text as UTF-8.

        Returns:
            The payload of a frame with ``rsv1``.
        """
        options = self._options
        if self.sharedWindow is not None:
            return compressOnce(payload, self.sharedWindow, options.level, options.memLevel)
        if self._deflater is None:
            self._deflater = zlib.compressobj(
                options.level, zlib.DEFLATED, -self._windowBits, options.memLevel
            )
        deflater = self._deflater
        return (deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH))[: -len(_TAIL)]

    def decompress(self, data: bytes, maxLength: int, last: bool = False) -> bytes:
        """Inflate a piece of a message.

        Args:
            data: The next piece of the compressed message.
            maxLength: Inflate no further than so many bytes, at least 1. If the result has as many,
                the message must be given up: the rest is not kept.
            last: Whether it is the last piece.

        Returns:
            What it inflates to.

        Raises:
            ProtocolError: The data is corrupt. RFC 7692 names no code for that; it is 1007, as
                data that does not fit its type, which is also what ``ws`` and ``wsproto`` say.
        """
        inflater = self._inflater
        if inflater is None:
            inflater = self._inflater = zlib.decompressobj(-self._peerWindowBits)
        if last:
            data += _TAIL
        try:
            inflated = inflater.decompress(data, maxLength)
        except zlib.error as error:
            raise _corrupt() from error
        if inflater.eof and inflater.unused_data not in _AFTER_FINAL[last]:
            raise _corrupt()
        if last and (self._peerNoContextTakeover or inflater.eof):
            self._inflater = None
        return inflated


def _corrupt() -> ProtocolError:
    return ProtocolError(CloseCode.BAD_PAYLOAD, "corrupt compressed data")


# Idle compressors by window bits, level and memory level. Taken out while in use.
_idle: dict[tuple[int, int, int], _Compress] = {}


def compressOnce(payload: bytes, windowBits: int, level: int = 6, memLevel: int = 8) -> bytes:
    """Compress one message for itself: for any connection with a window of that size.

    Args:
        payload: The message; text as UTF-8.
        windowBits: The agreed ``server_max_window_bits``, 9 to 15.
        level: zlib's level.
        memLevel: zlib's memory level.

    Returns:
        The payload of a frame with ``rsv1``.
    """
    key = (windowBits, level, memLevel)
    deflater = _idle.pop(key, None)
    if deflater is None:
        deflater = zlib.compressobj(level, zlib.DEFLATED, -windowBits, memLevel)
    # A full flush forgets all that came before, so the next message begins as with a new
    # compressor, without the cost of one.
    data = deflater.compress(payload) + deflater.flush(zlib.Z_FULL_FLUSH)
    _idle[key] = deflater
    return data[: -len(_TAIL)]
