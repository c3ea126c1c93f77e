"""The opening handshake of a server, without I/O (RFC 6455 section 4.2)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Protocol

from ratchet_py.errors import HttpError
from ratchet_py.rfc6455.permessage_deflate import (
    NAME,
    PerMessageDeflate,
    PerMessageDeflateOptions,
)

__all__ = ["Handshake", "Headers", "ServerNegotiator"]

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# Sixteen bytes in strict base64: the last digit's four low bits belong to no byte and must be zero.
_KEY = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==")

_TOKEN_PATTERN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_TOKEN = re.compile(_TOKEN_PATTERN)
# "websocket", or a name with a version, which is somebody else's protocol.
_PROTOCOL = re.compile(rf"{_TOKEN_PATTERN}(?:/{_TOKEN_PATTERN})?")

# RFC 6455 section 9.1. A quoted value must be a token once its quotes and escapes are off.
# Nothing but single characters is repeated possessively: before Python 3.11.5, Debian's included,
# a group that is gives matches where there are none (gh-106052).
_PARAMETER = re.compile(
    rf"[ \t]*+;[ \t]*+({_TOKEN_PATTERN})"
    rf'(?:[ \t]*+=[ \t]*+(?:({_TOKEN_PATTERN})|"([^"\\]*+(?:\\.[^"\\]*+)*)"))?'
)
_ESCAPE = re.compile(r"\\(.)")
_SEPARATOR = re.compile(r"[ \t]*+(?:,[ \t,]*+|$)")
_EMPTY_ELEMENTS = re.compile(r"[ \t,]*+")


class Headers(Protocol):
    """What the negotiator asks of a request's header fields."""

    def getAll(self, name: str) -> list[str]:
        """The values of all fields of that name, whatever its case, in their order."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """A handshake that succeeded.

    Attributes:
        headers: The header fields of the answer, whose status is 101.
        subProtocol: The subprotocol that was agreed on, None if none was.
        extension: The connection's compression, None if it was not agreed on.
    """

    headers: list[tuple[str, str]]
    subProtocol: str | None
    extension: PerMessageDeflate | None


class ServerNegotiator:
    r"""Judges handshakes (``Ratchet\RFC6455\Handshake\ServerNegotiator``).

    One serves all connections. It looks at what makes a request a WebSocket handshake; the host,
    the path and the origin are the business of the layers below.

    Args:
        subProtocols: The subprotocols that the server speaks.
        strict: Whether a client that offers none of them is refused.
        compression: What to agree to, None for no compression.
    """

    def __init__(
        self,
        subProtocols: Sequence[str] = (),
        strict: bool = True,
        compression: PerMessageDeflateOptions | None = None,
    ) -> None:
        self._compression = compression
        self.setStrictSubProtocolCheck(strict)
        self.setSupportedSubProtocols(subProtocols)

    def setStrictSubProtocolCheck(self, enable: bool) -> None:
        """Say whether a client is refused when it offers none of the subprotocols we speak.

        Strict, a client that offers some is also refused by a server that speaks none, and one
        that offers none by a server that speaks some. Else they all go on without one.
        """
        self._strict = enable

    def setSupportedSubProtocols(self, names: Iterable[str]) -> None:
        """Say which subprotocols the server speaks; of several, the client's preference decides."""
        self._subProtocols = list(names)
        self._upgrade = {
            "Connection": "Upgrade, close",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
        }
        if self._subProtocols:
            self._upgrade["Sec-WebSocket-Protocol"] = ", ".join(self._subProtocols)

    def handshake(self, method: str, version: str, headers: Headers) -> Handshake:
        """Judge a request.

        Args:
            method: The request's method.
            version: Its HTTP version, such as ``1.1``.
            headers: Its header fields.

        Returns:
            What was agreed on and how to answer.

        Raises:
            HttpError: The request is refused: 400, 405, 426 or 505.
        """
        if method != "GET":
            raise HttpError(405, "a WebSocket handshake is a GET request", {"Allow": "GET"})
        if version != "1.1":
            raise HttpError(505, "a WebSocket handshake needs HTTP/1.1")
        if not _hasToken(headers.getAll("Upgrade"), "websocket", _PROTOCOL):
            raise HttpError(426, "this is a WebSocket server", self._upgrade)
        if not _hasToken(headers.getAll("Connection"), "upgrade", _TOKEN):
            raise HttpError(400, "the Connection header field does not name Upgrade")
        lengths = headers.getAll("Content-Length")
        if headers.getAll("Transfer-Encoding") or lengths not in ([], ["0"]):
            raise HttpError(400, "a WebSocket handshake has no body")
        keys = headers.getAll("Sec-WebSocket-Key")
        if len(keys) != 1 or _KEY.fullmatch(keys[0]) is None:
            raise HttpError(400, "there must be one Sec-WebSocket-Key of 16 bytes in base64")
        if headers.getAll("Sec-WebSocket-Version") != ["13"]:
            raise HttpError(426, "the WebSocket version must be 13", self._upgrade)
        accept = b64encode(sha1((keys[0] + _GUID).encode(), usedforsecurity=False).digest())
        answer = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept.decode()),
        ]
        subProtocol = self._chooseSubProtocol(headers.getAll("Sec-WebSocket-Protocol"))
        if subProtocol is not None:
            answer.append(("Sec-WebSocket-Protocol", subProtocol))
        extension = None
        offered = headers.getAll("Sec-WebSocket-Extensions")
        if offered:
            accepted = self._chooseExtension(_parseExtensions(", ".join(offered)))
            if accepted is not None:
                answer.append(("Sec-WebSocket-Extensions", accepted[0]))
                extension = accepted[1]
        return Handshake(answer, subProtocol, extension)

    def _chooseSubProtocol(self, values: list[str]) -> str | None:
        """The first that the client offers and we speak (RFC 6455 section 4.1, item 10)."""
        offered: list[str] = []
        if values:
            tokens = _parseList(values, _TOKEN)
            if tokens is None:
                raise HttpError(400, "Sec-WebSocket-Protocol is not a list of names")
            offered = tokens
        elif not self._subProtocols:
            return None
        for name in offered:
            if name in self._subProtocols:
                return name
        if self._strict:
            raise HttpError(426, "none of the offered subprotocols is known", self._upgrade)
        return None

    def _chooseExtension(
        self, offers: list[tuple[str, list[tuple[str, str | None]]]]
    ) -> tuple[str, PerMessageDeflate] | None:
        compression = self._compression
        if compression is None:
            return None
        for name, parameters in offers:
            if name == NAME:
                accepted = compression.accept(parameters)
                if accepted is not None:
                    return accepted
        return None


def _parseList(values: list[str], element: re.Pattern[str]) -> list[str] | None:
    """A list that may go over several fields and have empty elements (RFC 7230 section 7).

    Returns:
        Its elements; None if there is none, or one is malformed.
    """
    elements = []
    for value in values:
        for part in value.split(","):
            stripped = part.strip(" \t")
            if stripped:
                if element.fullmatch(stripped) is None:
                    return None
                elements.append(stripped)
    return elements or None


def _hasToken(values: list[str], token: str, element: re.Pattern[str]) -> bool:
    return any(part.lower() == token for part in _parseList(values, element) or ())


def _parseExtensions(value: str) -> list[tuple[str, list[tuple[str, str | None]]]]:
    """Read ``Sec-WebSocket-Extensions`` (RFC 6455 section 9.1).

    Raises:
        HttpError: It is malformed: 400.
    """
    extensions: list[tuple[str, list[tuple[str, str | None]]]] = []
    position = _skip(_EMPTY_ELEMENTS, value, 0)
    while position < len(value) or not extensions:
        name = _TOKEN.match(value, position)
        if name is None:
            raise _badExtensions()
        position = name.end()
        parameters: list[tuple[str, str | None]] = []
        while parameter := _PARAMETER.match(value, position):
            position = parameter.end()
            key, plain, quoted = parameter.groups()
            if quoted is not None:
                plain = _ESCAPE.sub(r"\1", quoted)
                if _TOKEN.fullmatch(plain) is None:
                    raise _badExtensions()
            parameters.append((key, plain))
        extensions.append((name.group(), parameters))
        position = _skip(_SEPARATOR, value, position)
    return extensions


def _skip(pattern: re.Pattern[str], value: str, position: int) -> int:
    match = pattern.match(value, position)
    if match is None:
        raise _badExtensions()
    return match.end()


def _badExtensions() -> HttpError:
    return HttpError(400, "Sec-WebSocket-Extensions is malformed")
