"""Bytes in, records out: the reading half of the WebSocket protocol, without I/O."""

from __future__ import annotations

from codecs import utf_8_decode

from ratchet_py.errors import ProtocolError
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.rfc6455.close_code import CloseCode, isSendable
from ratchet_py.rfc6455.frame import OP_BINARY, OP_CLOSE, OP_CONTINUE, OP_PONG, OP_TEXT, Frame
from ratchet_py.rfc6455.masking import applyMask
from ratchet_py.rfc6455.permessage_deflate import PerMessageDeflate

__all__ = ["MessageBuffer", "Record"]

Record = str | bytes | Frame | ProtocolError
"""A text message, a binary message, a control frame, or what was wrong."""

# The first byte of a whole, uncompressed message in one frame.
_WHOLE_TEXT = 0x81
_WHOLE_BINARY = 0x82
# The longest payload whose length stands in the second byte (RFC 6455 section 5.2).
_SHORT = 125


class _Partial:
    """A message that has begun and not ended."""

    __slots__ = (
        "announced",
        "compressed",
        "final",
        "fragments",
        "inflated",
        "isText",
        "mask",
        "payload",
        "remaining",
        "validated",
    )

    def __init__(self, isText: bool, compressed: bool) -> None:
        self.isText = isText
        self.compressed = compressed
        # What is in, unmasked and inflated. One growing buffer and not a list of pieces: a client
        # chooses how small the pieces are.
        self.payload = bytearray()
        # How much of a text is known to be UTF-8; at most three bytes of it are not.
        self.validated = 0
        # Of the message: its frames, and the sum of their lengths.
        self.fragments = 0
        self.announced = 0
        # Of the frame that is being read: what is still to come, the key turned to fit that,
        # whether it is the last, what its payload has inflated to.
        self.remaining = 0
        self.mask = b""
        self.final = False
        self.inflated = 0


class MessageBuffer:
    r"""Reads frames and gives whole messages (``Ratchet\RFC6455\Messaging\MessageBuffer``).

    One for each connection. Frame rules are those of RFC 6455 section 5, with the limits applied to
    what a frame announces, before its payload is kept. Text is checked as it comes in, so that the
    first bad byte ends it, whatever of its frame or message is still to come.

    Args:
        limits: ``messageSize``, ``frameSize`` and ``fragments`` of it.
        masked: Whether the peer must mask its frames: True in a server. False in a client, whose
            peer must not.
        extension: The compression that was agreed on, if any.

    Example:
        >>> from ratchet_py.rfc6455.frame import encode
        >>> buffer = MessageBuffer()
        >>> buffer.receive(encode(b"hello", 1, mask=b"abcd") + encode(b"", 9, mask=b"abcd"))
        ['hello', <Frame PING, 0 bytes>]
        >>> buffer.receive(encode(b"not masked", 1))
        [ProtocolError('frame is not masked')]
    """

    __slots__ = (
        "_done",
        "_extension",
        "_limits",
        "_masked",
        "_mayBeQuick",
        "_partial",
        "_quick",
        "_rest",
    )

    _partial: _Partial | None

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        *,
        masked: bool = True,
        extension: PerMessageDeflate | None = None,
    ) -> None:
        self._limits = limits
        self._masked = masked
        self._extension = extension
        # A frame that is not all in, up to its payload; a control frame with it.
        self._rest = b""
        self._partial = None
        self._done = False
        # Whether the next byte begins a frame that the short path of `receive` may take.
        self._mayBeQuick = masked and min(limits.messageSize, limits.frameSize) >= 0xFFFF
        self._quick = self._mayBeQuick

    def receive(self, data: bytes) -> list[Record]:
        """Take what was read from the connection.

        Args:
            data: Any number of bytes, cut anywhere.

        Returns:
            What is complete by now, in order: ``str`` for a text message, ``bytes`` for a binary
            one, a :class:`Frame` for each control frame, and at last, once, the
            :class:`ProtocolError` that ends the connection. After that or after a close frame
            nothing is read any more, and the list is empty.
        """
        records: list[Record] = []
        quick = self._quick
        if not quick:
            if self._done:
                return records
            if self._rest:
                data = self._rest + data
                self._rest = b""
        offset = 0
        end = len(data)
        try:
            while offset < end:
                if quick and offset + 8 <= end:
                    # The short path: a whole, uncompressed message in one frame, all of it in.
                    first = data[offset]
                    if first == _WHOLE_TEXT or first == _WHOLE_BINARY:  # noqa: SIM109 - faster
                        second = data[offset + 1]
                        if 128 <= second < 254:
                            start = offset + 6
                            stop = start + second - 128
                        elif second == 254:
                            start = offset + 8
                            length = data[offset + 2] << 8 | data[offset + 3]
                            # What is too short for its form is an error, of the general path.
                            stop = start + length if length > _SHORT else end + 1
                        else:
                            start, stop = offset, end + 1
                        if stop <= end:
                            payload = applyMask(data[start:stop], data[start - 4 : start])
                            records.append(payload.decode() if first == _WHOLE_TEXT else payload)
                            offset = stop
                            continue
                offset = self._step(data, offset, records)
                quick = self._quick
        except UnicodeDecodeError:
            self._fail(records, ProtocolError(CloseCode.BAD_PAYLOAD, "text is not UTF-8"))
        except ProtocolError as error:
            self._fail(records, error)
        return records

    def _fail(self, records: list[Record], error: ProtocolError) -> None:
        # The traceback would keep what was read alive for as long as the error is kept.
        error.__context__ = error.__cause__ = None
        records.append(error.with_traceback(None))
        self._end()

    def _end(self) -> None:
        self._done = True
        self._quick = False
        self._rest = b""
        self._partial = self._extension = None

    def _step(self, data: bytes, offset: int, records: list[Record]) -> int:
        """Read one frame, or as much of it as is in.

        Returns:
            Where the next one begins; the end of the data if there is nothing more to read.
        """
        partial = self._partial
        if partial is not None and partial.remaining:
            return self._readPayload(partial, data, offset, records)
        end = len(data)
        if end - offset < 2:
            return self._keep(data, offset)
        first = data[offset]
        opcode = first & 0x0F
        length = data[offset + 1] & 0x7F
        isMasked = data[offset + 1] >= 0x80
        if isMasked is not self._masked:
            raise _broken("frame is masked" if isMasked else "frame is not masked")
        # The first reserved bit marks the first frame of a compressed message (RFC 7692 section 6).
        if first & 0x30 or (
            first & 0x40 and (self._extension is None or not OP_CONTINUE < opcode < OP_CLOSE)
        ):
            raise _broken("reserved bits are set")
        if opcode >= OP_CLOSE:
            return self._readControl(data, offset, records)
        if opcode > OP_BINARY:
            raise _broken(f"unknown opcode {opcode}")
        if opcode == OP_CONTINUE and partial is None:
            raise _broken("continuation of no message")
        if opcode != OP_CONTINUE and partial is not None:
            raise _broken("message begins within a message")
        limits = self._limits
        fragments = 1 if partial is None else partial.fragments + 1
        if fragments > limits.fragments:
            raise _tooBig(f"message of more than {limits.fragments} fragments", "fragments")
        start = offset + 2
        if length > _SHORT:
            size = 2 if length == 126 else 8
            start += size
            if start > end:
                return self._keep(data, offset)
            length = int.from_bytes(data[offset + 2 : start])
            if length >= 1 << 63:
                raise _broken("length with its top bit set")
            if length <= (_SHORT if size == 2 else 0xFFFF):
                raise _broken("length is not in its shortest form")
        if length > limits.frameSize:
            raise _tooBig(f"frame of {length} bytes, the limit is {limits.frameSize}", "frameSize")
        announced = length if partial is None else partial.announced + length
        if announced > limits.messageSize:
            reason = f"message of {announced} bytes, the limit is {limits.messageSize}"
            raise _tooBig(reason, "messageSize")
        mask = b""
        if isMasked:
            start += 4
            if start > end:
                return self._keep(data, offset)
            mask = data[start - 4 : start]
        final = first >= 0x80
        stop = start + length
        if final and partial is None and stop <= end and first < 0xC0:
            payload = applyMask(data[start:stop], mask) if isMasked else data[start:stop]
            records.append(payload.decode() if opcode == OP_TEXT else payload)
            self._quick = self._mayBeQuick
            return stop
        if partial is None:
            partial = self._partial = _Partial(opcode == OP_TEXT, bool(first & 0x40))
        partial.fragments = fragments
        partial.announced = announced
        partial.remaining = length
        partial.mask = mask
        partial.final = final
        partial.inflated = 0
        self._quick = False
        return self._readPayload(partial, data, start, records)

    def _keep(self, data: bytes, offset: int) -> int:
        self._rest = data[offset:]
        self._quick = False
        return len(data)

    def _readControl(self, data: bytes, offset: int, records: list[Record]) -> int:
        """Read a control frame, which may stand between the frames of a message."""
        opcode = data[offset] & 0x0F
        length = data[offset + 1] & 0x7F
        if opcode > OP_PONG:
            raise _broken(f"unknown opcode {opcode}")
        if data[offset] < 0x80:
            raise _broken("control frame is fragmented")
        if length > _SHORT:
            raise _broken(f"control frame of more than {_SHORT} bytes")
        if opcode == OP_CLOSE and length == 1:
            raise _broken("close frame of one byte")
        start = offset + (6 if self._masked else 2)
        stop = start + length
        if stop > len(data):
            return self._keep(data, offset)
        payload = data[start:stop]
        if self._masked:
            payload = applyMask(data[start:stop], data[start - 4 : start])
        frame = Frame(payload, True, opcode)
        if opcode == OP_CLOSE:
            code = frame.closeCode
            if code is not None and not isSendable(code):
                raise _broken(f"close code {code}")
            try:
                payload[2:].decode()
            except UnicodeDecodeError as error:
                raise ProtocolError(CloseCode.BAD_PAYLOAD, "close reason is not UTF-8") from error
            records.append(frame)
            self._end()
            return len(data)
        records.append(frame)
        self._quick = self._mayBeQuick and self._partial is None
        return stop

    def _readPayload(
        self, partial: _Partial, data: bytes, start: int, records: list[Record]
    ) -> int:
        """Read what is in of the payload of a data frame."""
        stop = min(start + partial.remaining, len(data))
        taken = stop - start
        partial.remaining -= taken
        piece = data[start:stop]
        if self._masked:
            mask = partial.mask
            piece = applyMask(piece, mask)
            turn = taken & 3
            partial.mask = mask[turn:] + mask[:turn]
        whole = partial.final and not partial.remaining
        if partial.compressed:
            self._inflate(partial, piece, whole)
        elif piece:
            _append(partial, piece)
        if whole:
            payload = partial.payload
            records.append(payload.decode() if partial.isText else bytes(payload))
            self._partial = None
            self._quick = self._mayBeQuick
        return stop

    def _inflate(self, partial: _Partial, piece: bytes, whole: bool) -> None:
        """Inflate a piece of a message, no further than the limits allow."""
        extension = self._extension
        assert extension is not None
        if not piece and not whole:
            return
        limits = self._limits
        # One byte too many shows that a limit is passed.
        room = 1 + min(
            limits.frameSize - partial.inflated, limits.messageSize - len(partial.payload)
        )
        inflated = extension.decompress(piece, room, whole)
        # First, because bad text before the limit is bad text, however the bytes were cut.
        _append(partial, inflated)
        partial.inflated += len(inflated)
        if partial.inflated > limits.frameSize:
            raise _tooBig(f"frame inflates to more than {limits.frameSize} bytes", "frameSize")
        if len(partial.payload) > limits.messageSize:
            reason = f"message inflates to more than {limits.messageSize} bytes"
            raise _tooBig(reason, "messageSize")


def _append(partial: _Partial, piece: bytes) -> None:
    payload = partial.payload
    if not partial.isText:
        payload += piece
    elif partial.validated == len(payload) and piece.isascii():
        # Most are, and need no decoder: a text in 16 pieces takes two thirds of the time.
        payload += piece
        partial.validated += len(piece)
    else:
        payload += piece
        _validate(partial)


def _validate(partial: _Partial) -> None:
    with memoryview(partial.payload) as whole, whole[partial.validated :] as unknown:
        # The decoder of the standard library is the fastest check there is: for 64 KiB of ASCII
        # 3 us, of Chinese 51, where Autobahn's validator in C takes 190 for either.
        known = utf_8_decode(unknown, "strict", False)[1]
        partial.validated += known
        # It waits for the third byte of a surrogate, though none makes that a character.
        if len(unknown) - known == 2 and unknown[known] == 0xED and unknown[known + 1] >= 0xA0:
            raise UnicodeDecodeError("utf-8", bytes(unknown[known:]), 0, 2, "surrogate")


def _broken(reason: str) -> ProtocolError:
    return ProtocolError(CloseCode.PROTOCOL, reason)


def _tooBig(reason: str, limit: str) -> ProtocolError:
    return ProtocolError(CloseCode.TOO_BIG, reason, limit)
