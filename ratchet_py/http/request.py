r"""A request's head, as a component sees it.

Ratchet hands out a PSR-7 request. This one answers the same questions, under Python names and, for
ported code, under PSR-7's; it cannot be changed, but for ``query``, where routes put what their
placeholders matched.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote

__all__ = ["Headers", "Request", "Uri", "splitAuthority"]

_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{0,5}))?")
_ABSOLUTE = re.compile(r"((?i:https?|wss?))://([^/?]*)(.*)")


@lru_cache(maxsize=256)
def splitAuthority(authority: str) -> tuple[str, int | None]:
    """Take ``host[:port]`` apart (RFC 3986 section 3.2, without user information).

    Args:
        authority: As it stands in a Host field or in a URI.

    Returns:
        The host in lower case, an IPv6 address without its brackets, and the port if there is one.

    Raises:
        ValueError: It is no host: empty, two ports, bytes that no host name has.

    Example:
        >>> splitAuthority("Example.com:8080")
        ('example.com', 8080)
        >>> splitAuthority("[::1]")
        ('::1', None)
    """
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise ValueError(f"no host: {authority!r}")
    address, name, port = match.groups()
    if address is not None:
        ipaddress.IPv6Address(address)
    number = int(port) if port else None
    if number is not None and number > 65535:
        raise ValueError(f"no port: {authority!r}")
    return (address or name).lower(), number


class Headers(Mapping[str, str]):
    r"""The header fields of a request; names are compared without case.

    A mapping from each name, as first spelt, to its value; the values of a field that was sent more
    than once are joined by a comma (RFC 7230 section 3.2.2; those of Cookie by a semicolon). Who
    must tell one value from many asks :meth:`getAll`. Text is ISO 8859-1, so no byte is lost.

    Example:
        >>> headers = Headers("Host: example.com\r\nAccept: a\r\nACCEPT: b")
        >>> headers["host"], headers.get("accept"), headers.getAll("Accept")
        ('example.com', 'a, b', ['a', 'b'])
        >>> "Origin" in headers, list(headers)
        (False, ['Host', 'Accept'])
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: str) -> None:
        """Parse the lines between the request line and the empty line.

        Args:
            fields: Lines that end in CRLF, the last one without it.
        """
        self._fields: dict[str, tuple[str, list[str]]] = {}
        index = self._fields
        for line in fields.split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                index.setdefault(name.lower(), (name, []))[1].append(value.strip(" \t"))

    def getAll(self, name: str) -> list[str]:
        """Every value of a field in the order they were sent; empty if there is none."""
        found = self._fields.get(name.lower())
        return [] if found is None else list(found[1])

    def __getitem__(self, name: str) -> str:
        key = name.lower()
        values = self._fields[key][1]
        return values[0] if len(values) == 1 else ("; " if key == "cookie" else ", ").join(values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._fields.values())

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"<Headers {dict(self)!r}>"


class Uri(str):
    """A request's target as it was sent, and the parts that PSR-7's ``UriInterface`` names.

    As text it is what stands in the request line, usually ``/path?query``: behind a proxy nobody
    here knows the scheme that the client used.

    Example:
        >>> uri = Uri("/chat%20room?name=Ann&x")
        >>> uri.getPath(), uri.getQuery()
        ('/chat%20room', 'name=Ann&x')
    """

    __slots__ = ()

    def getScheme(self) -> str:
        """The scheme, in lower case, if the target is absolute; else the empty string."""
        match = _ABSOLUTE.fullmatch(self)
        return match[1].lower() if match else ""

    def getAuthority(self) -> str:
        """Host and port as sent, if the target is absolute; else the empty string."""
        if self[0] == "/":
            return ""
        match = _ABSOLUTE.fullmatch(self)
        return match[2] if match else ""

    def getPath(self) -> str:
        """The path, not decoded."""
        return self._origin().partition("?")[0]

    def getQuery(self) -> str:
        """What follows the question mark, not decoded."""
        return self._origin().partition("?")[2]

    def _origin(self) -> str:
        if self.startswith(("/", "*")):
            return str(self)
        match = _ABSOLUTE.fullmatch(self)
        rest = match[3] if match else str(self)
        return rest if rest.startswith("/") else "/" + rest


class Request:
    r"""The head of one HTTP request (RFC 7230 section 3), parsed when it is asked.

    An idle connection keeps the head's bytes and little else; :meth:`trim` drops what was parsed,
    and ``HttpServer`` calls it when ``onOpen`` has finished.

    Example:
        >>> request = Request(
        ...     b"GET /chat%20room?name=Ann HTTP/1.1\r\nHost: example.com:8080\r\n\r\n",
        ...     remoteAddress="192.0.2.7",
        ... )
        >>> request.method, request.path, request.query, request.host, request.port
        ('GET', '/chat room', {'name': 'Ann'}, 'example.com', 8080)

    Attributes:
        remoteAddress: The client's IP address.
        scriptName: The part of ``path`` that a route which takes everything below it has used up
            (the name is CGI's); empty otherwise.
        nextRequest: While ``onOpen`` runs, a function for a component that answers and leaves the
            connection open: called later with the bytes received beyond this request, it gives the
            connection back to ``HttpServer`` for another request. The component gets its
            ``onClose`` then. Not to be called after ``onClose``. None if this is the connection's
            last request.
        whenGone: For a component that lets its ``onOpen`` wait: a function that it sets, and that
            ``HttpServer`` calls if the client goes meanwhile; ``onClose`` follows only when
            ``onOpen`` has finished.
        session: The client's :class:`~ratchet_py.session.Session` on the site, also
            ``conn.Session``; None without a ``SessionProvider``.
        user: What the ``authenticate`` hook of ``WsServer`` has returned; None without one.
    """

    __slots__ = (
        "_cookies",
        "_head",
        "_headers",
        "_query",
        "_via",
        "nextRequest",
        "remoteAddress",
        "scriptName",
        "session",
        "user",
        "whenGone",
    )

    nextRequest: Callable[[bytes], None] | None
    whenGone: Callable[[], object] | None
    session: Any
    user: Any

    def __init__(self, head: bytes, remoteAddress: str = "") -> None:
        """Keep a head.

        Args:
            head: From the request line to the empty line, both included, as ``RequestParser`` has
                found it sound.
            remoteAddress: The client's IP address.
        """
        self._head = head
        self._headers: Headers | None = None
        self._cookies: dict[str, str] | None = None
        self._query: dict[str, str] | None = None
        self.remoteAddress = remoteAddress
        self._via: tuple[str, str] | None = None
        self.scriptName = ""
        self.nextRequest = None
        self.whenGone = None
        self.session = None
        self.user = None

    def arrived(self, remoteAddress: str, peerAddress: str, scheme: str) -> None:
        """Say how it has come, if that is not in plain HTTP and from the client itself.

        Args:
            remoteAddress: The client's IP address.
            peerAddress: What :attr:`peerAddress` is to be.
            scheme: What :attr:`scheme` is to be.
        """
        self.remoteAddress = remoteAddress
        self._via = (peerAddress, scheme)

    @property
    def peerAddress(self) -> str:
        """The IP address of who is connected to us: the client, or a trusted proxy."""
        return self.remoteAddress if self._via is None else self._via[0]

    @property
    def scheme(self) -> str:
        """``https`` if it came over TLS, to us or to a trusted proxy; else ``http``."""
        return "http" if self._via is None else self._via[1]

    @property
    def head(self) -> bytes:
        """The bytes as they came, the empty line included."""
        return self._head

    @property
    def method(self) -> str:
        """``GET``, ``POST``, ...; methods differ by case."""
        return self._head[: self._head.index(b" ")].decode("ascii")

    @property
    def version(self) -> str:
        """``"1.1"``, the version without ``HTTP/``."""
        end = self._head.index(b"\r\n")
        return self._head[end - 3 : end].decode("ascii")

    @property
    def uri(self) -> Uri:
        """The target as sent, with the methods of PSR-7's ``UriInterface``."""
        start = self._head.index(b" ") + 1
        return Uri(self._head[start : self._head.index(b" ", start)].decode("ascii"))

    @property
    def path(self) -> str:
        """The path with its percent-encoding undone, which is what routes match.

        As sent, it is ``uri.getPath()``.
        """
        return unquote(self.uri.getPath())

    @property
    def query(self) -> dict[str, str]:
        """The query's fields, decoded; of two with one name the last counts.

        Routes put what their placeholders matched in here, over a field of the same name. The
        dictionary is this request's own: what you write stays.
        """
        if self._query is None:
            self._query = dict(parse_qsl(self.uri.getQuery(), keep_blank_values=True))
        return self._query

    @property
    def headers(self) -> Headers:
        """The header fields."""
        if self._headers is None:
            text = self._head.decode("latin-1")
            self._headers = Headers(text[text.index("\r\n") + 2 : -4])
        return self._headers

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies; of two with one name the first counts, the one with the longer path.

        Values are as sent, but for quotes around the whole (RFC 6265 section 5.4).
        """
        if self._cookies is None:
            cookies: dict[str, str] = {}
            for pair in self.headers.get("Cookie", "").split(";"):
                name, equals, value = pair.partition("=")
                value = value.strip(" \t")
                if len(value) > 1 and value[0] == value[-1] == '"':
                    value = value[1:-1]
                if equals:
                    cookies.setdefault(name.strip(" \t"), value)
            self._cookies = cookies
        return self._cookies

    @property
    def host(self) -> str:
        """The host without its port, in lower case; an IPv6 address has no brackets.

        An absolute target's host counts and the Host field does not (RFC 7230 section 5.4). Empty
        if an HTTP/1.0 client has named none.
        """
        return self._hostAndPort()[0]

    @property
    def port(self) -> int | None:
        """The port that the client named, or None."""
        return self._hostAndPort()[1]

    def _hostAndPort(self) -> tuple[str, int | None]:
        authority = self.uri.getAuthority() or self.headers.get("Host")
        return ("", None) if authority is None else splitAuthority(authority)

    def trim(self) -> None:
        """Drop what only the opening needs; header fields and cookies are parsed anew if asked for.

        ``query`` is kept, for it may have been written to.
        """
        self._headers = self._cookies = self.nextRequest = self.whenGone = None
        if not self._query:
            self._query = None

    def getMethod(self) -> str:
        """PSR-7: :attr:`method`."""
        return self.method

    def getUri(self) -> Uri:
        """PSR-7: :attr:`uri`."""
        return self.uri

    def getRequestTarget(self) -> str:
        """PSR-7: the target as text."""
        return str(self.uri)

    def getProtocolVersion(self) -> str:
        """PSR-7: :attr:`version`."""
        return self.version

    def hasHeader(self, name: str) -> bool:
        """PSR-7: whether the field was sent."""
        return name in self.headers

    def getHeader(self, name: str) -> list[str]:
        """PSR-7: every value of a field."""
        return self.headers.getAll(name)

    def getHeaderLine(self, name: str) -> str:
        """PSR-7: the values of a field in one, the empty string if there is none."""
        return self.headers.get(name, "")

    def getHeaders(self) -> dict[str, list[str]]:
        """PSR-7: every field's values by its name."""
        return {name: self.headers.getAll(name) for name in self.headers}

    def __repr__(self) -> str:
        return f"<Request {self.method} {str(self.uri)!r} from {self.remoteAddress or 'nowhere'}>"
