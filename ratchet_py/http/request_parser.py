r"""Bytes in, one request's head out; strict, bounded, and without I/O.

Ratchet leaves this to Guzzle, which takes what it can make sense of, and h11 takes bare line feeds
and folded lines too. A server behind a proxy had better not read a head in another way than the
proxy did, so whatever the grammar of RFC 7230 does not allow is refused here.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from ratchet_py.errors import HttpError
from ratchet_py.http.request import Request, splitAuthority
from ratchet_py.limits import DEFAULT_LIMITS, Limits

__all__ = ["RequestParser"]

# Every repetition is possessive: no input makes the match go back.
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
_LINE = _TOKEN + rb" [\x21-\x7e]++ HTTP/[0-9]\.[0-9]"
_FIELD = _TOKEN + rb":" + _VALUE
_HEAD = re.compile(_LINE + rb"\r\n(?:" + _FIELD + rb"\r\n)*+\r\n")
_REQUEST_LINE = re.compile(_LINE)
_HEADER_FIELD = re.compile(_FIELD)
_NAME = re.compile(_TOKEN)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_END = b"\r\n\r\n"
_BARE_LINE_FEED = "line feed without a carriage return"


class RequestParser:
    r"""Finds and checks the head of one request.

    Of the forms that RFC 7230 section 5.3 gives a target, ``/path?query`` and the absolute one
    (``http``, ``https``, ``ws``, ``wss``) are taken, and ``*`` with ``OPTIONS``. Host must be there
    exactly once and be a host; only an HTTP/1.0 client, such as a health check, may leave it out.
    Any well-formed version passes; who cannot serve it says so. One empty line before the request
    is skipped (section 3.5).

    Example:
        >>> parser = RequestParser()
        >>> parser.receive(b"GET / HTTP/1.1\r\nHo")
        >>> parser.receive(b"st: localhost\r\n\r\nand more").path, parser.rest
        ('/', b'and more')

    Attributes:
        rest: What followed the head, once it is complete.
    """

    __slots__ = ("_buffer", "_limit", "_remoteAddress", "rest")

    def __init__(self, limits: Limits = DEFAULT_LIMITS, remoteAddress: str = "") -> None:
        """Wait for a head.

        Args:
            limits: Of these, ``headSize``.
            remoteAddress: The client's IP address, for the request.
        """
        self._limit = limits.headSize
        self._remoteAddress = remoteAddress
        self._buffer: bytearray | None = None
        self.rest = b""

    @property
    def started(self) -> bool:
        """Whether a part of a head has been received."""
        return self._buffer is not None

    def receive(self, data: bytes) -> Request | None:
        """Take what the client has sent.

        Args:
            data: The next bytes, however the network has cut them.

        Returns:
            The request when its head is complete, after which the parser has done its work; None
            while it is not.

        Raises:
            HttpError: 431 for a head over ``headSize``, 400 for one that breaks the grammar.
        """
        if self._buffer is None:
            if data[:1] == b"\r" or _END not in data:
                return self._receiveMore(bytearray(), data)
            return self._complete(data, data.index(_END) + 4)
        return self._receiveMore(self._buffer, data)

    def _receiveMore(self, buffer: bytearray, data: bytes) -> Request | None:
        self._buffer = buffer
        before = len(buffer)
        buffer += data
        start = 2 if bytes(buffer[:2]) in (b"\r", b"\r\n") else 0
        # What was searched before is not searched again, but for an end that was cut in two.
        end = buffer.find(_END, max(start, before - 3))
        if end >= 0:
            return self._complete(bytes(buffer[start:]), end + 4 - start)
        # Lines that end in LF alone never bring the end that we look for: the client would wait for
        # its answer until the timeout.
        if _bareLineFeed(buffer, before, start + self._limit):
            raise HttpError(400, _BARE_LINE_FEED)
        if len(buffer) - start >= self._limit:
            raise self._tooLarge()
        return None

    def _complete(self, data: bytes, end: int) -> Request:
        if end > self._limit:
            if _bareLineFeed(data, 0, self._limit):
                raise HttpError(400, _BARE_LINE_FEED)
            raise self._tooLarge()
        self._buffer = None
        head = data[:end]
        if _HEAD.fullmatch(head) is None:
            raise HttpError(400, _fault(head))
        request = Request(head, self._remoteAddress)
        _checkTarget(request)
        _checkHost(request)
        self.rest = data[end:]
        return request

    def _tooLarge(self) -> HttpError:
        return HttpError(431, f"request head larger than {self._limit} bytes", limit="headSize")


def _bareLineFeed(data: bytes | bytearray, start: int, end: int) -> bool:
    return data.count(b"\n", start, end) != data.count(b"\r\n", max(0, start - 1), end)


def _checkTarget(request: Request) -> None:
    target = request.uri
    if target[0] != "/":
        if target == "*":
            if request.method != "OPTIONS":
                raise HttpError(400, "target * without OPTIONS")
        elif not target.getScheme():
            raise HttpError(400, "target neither a path nor an absolute URI")
    if "#" in target:
        raise HttpError(400, "fragment in the target")
    if "%" in target:
        path = target.getPath()
        if _BAD_ESCAPE.search(path):
            raise HttpError(400, "malformed percent-encoding in the path")
        decoded = unquote_to_bytes(path)
        if b"\0" in decoded:
            raise HttpError(400, "NUL in the path")
        try:
            decoded.decode()
        except UnicodeDecodeError:
            raise HttpError(400, "path is not UTF-8") from None


def _checkHost(request: Request) -> None:
    hosts = request.headers.getAll("Host")
    if len(hosts) > 1:
        raise HttpError(400, "more than one Host header")
    try:
        if hosts:
            splitAuthority(hosts[0])
        elif request.version != "1.0":
            raise HttpError(400, "Host header missing")
        if request.uri[0] not in "/*":
            splitAuthority(request.uri.getAuthority())
    except ValueError:
        raise HttpError(400, "malformed Host") from None


def _fault(head: bytes) -> str:
    """Name what is wrong with a head that does not match the grammar."""
    if _bareLineFeed(head, 0, len(head)):
        return _BARE_LINE_FEED
    line, *fields = head[:-4].split(b"\r\n")
    if _REQUEST_LINE.fullmatch(line) is None:
        return "malformed request line"
    field = next(field for field in fields if _HEADER_FIELD.fullmatch(field) is None)
    if field[:1] in (b" ", b"\t"):
        return "folded header"
    name, colon, _ = field.partition(b":")
    if not colon:
        return "header without a colon"
    if name.rstrip(b" \t") != name:
        return "space before the colon of a header"
    if _NAME.fullmatch(name) is None:
        return "malformed header name"
    return "control byte in a header"
