"""Bytes in, the head of a server's answer out; strict, bounded, and without I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ratchet_py.errors import RemoteError
from ratchet_py.http.request import Headers

__all__ = ["Response", "ResponseParser"]

# Every repetition of a character is possessive, and lines begin as none ends: no input makes the
# match go back more than once over its lines.
_HEAD = re.compile(
    rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*+))?\r\n"
    rb"((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*)\r\n"
)
_START = b"HTTP/1."
_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Response:
    """What a server has answered to a handshake.

    Attributes:
        status: The HTTP status.
        phrase: What the server calls that.
        headers: The header fields; names are compared without case.
    """

    status: int
    phrase: str
    headers: Headers


class ResponseParser:
    r"""Finds and checks the head of one response.

    Args:
        limit: How long it may be, with the interim responses before it, which are passed over.

    Example:
        >>> parser = ResponseParser(1000)
        >>> parser.receive(b"HTTP/1.1 403 No\r\nServer")
        >>> parser.receive(b": x\r\n\r\nand more").status, parser.rest
        (403, b'and more')

    Attributes:
        rest: What followed the head, once it is complete.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        # Where the head begins: behind the interim responses.
        self._start = 0
        self.rest = b""

    def receive(self, data: bytes) -> Response | None:
        """Take what the server has sent.

        Args:
            data: The next bytes, however the network has cut them.

        Returns:
            The response when its head is complete, after which the parser has done its work; None
            while it is not.

        Raises:
            RemoteError: It is no HTTP, or larger than the limit.
        """
        buffer = self._buffer
        # What was searched before is not searched again, but for an end that was cut in two.
        seen = max(self._start, len(buffer) - 3)
        buffer += data
        while True:
            start = self._start
            # An answer in another protocol may have no end that we would recognize.
            if not buffer.startswith(_START[: len(buffer) - start], start):
                raise RemoteError("the server does not speak HTTP/1.1")
            end = buffer.find(_END, seen) + len(_END)
            if end < len(_END):
                if len(buffer) >= self._limit:
                    raise self._tooLarge()
                return None
            if end > self._limit:
                raise self._tooLarge()
            head = _HEAD.fullmatch(bytes(buffer[start:end]))
            if head is None:
                raise RemoteError("the head of the server's answer is malformed")
            status, phrase, fields = head.groups(b"")
            if status == b"101" or not status.startswith(b"1"):
                break
            # An interim response: the one that counts follows (RFC 9110 section 15.2).
            self._start = seen = end
        self.rest = bytes(buffer[end:])
        return Response(
            int(status), phrase.decode("latin-1"), Headers(fields.decode("latin-1")[:-2])
        )

    def _tooLarge(self) -> RemoteError:
        reason = f"the head of the server's answer is larger than {self._limit} bytes"
        return RemoteError(reason, "headSize")
