"""The values of the handshake's header fields, which both sides read."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha1
from typing import Protocol

__all__ = [
    "PROTOCOL",
    "TOKEN",
    "Extension",
    "Headers",
    "acceptKey",
    "hasToken",
    "parseExtensions",
    "parseList",
]

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

_TOKEN_PATTERN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
TOKEN = re.compile(_TOKEN_PATTERN)
# "websocket", or a name with a version, which is somebody else's protocol.
PROTOCOL = re.compile(rf"{_TOKEN_PATTERN}(?:/{_TOKEN_PATTERN})?")

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

Extension = tuple[str, list[tuple[str, str | None]]]
"""An extension's name and its parameters, whose value is None where none was given."""


class Headers(Protocol):
    """What is asked of the header fields of a request, or of its answer."""

    def getAll(self, name: str) -> list[str]:
        """The values of all fields of that name, whatever its case, in their order."""


def acceptKey(key: str) -> str:
    """What a server must answer to ``Sec-WebSocket-Key`` (RFC 6455 section 4.2.2).

    Example:
        >>> acceptKey("dGhlIHNhbXBsZSBub25jZQ==")
        's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    return b64encode(sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()


def parseList(values: list[str], element: re.Pattern[str]) -> list[str] | None:
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


def hasToken(values: list[str], token: str, element: re.Pattern[str]) -> bool:
    """Whether such a list has an element, whatever its case."""
    return any(part.lower() == token for part in parseList(values, element) or ())


def parseExtensions(value: str) -> list[Extension]:
    """Read ``Sec-WebSocket-Extensions`` (RFC 6455 section 9.1).

    Raises:
        ValueError: It is malformed.
    """
    extensions: list[Extension] = []
    position = _skip(_EMPTY_ELEMENTS, value, 0)
    while position < len(value) or not extensions:
        name = TOKEN.match(value, position)
        if name is None:
            raise _malformed()
        position = name.end()
        parameters: list[tuple[str, str | None]] = []
        while parameter := _PARAMETER.match(value, position):
            position = parameter.end()
            key, plain, quoted = parameter.groups()
            if quoted is not None:
                plain = _ESCAPE.sub(r"\1", quoted)
                if TOKEN.fullmatch(plain) is None:
                    raise _malformed()
            parameters.append((key, plain))
        extensions.append((name.group(), parameters))
        position = _skip(_SEPARATOR, value, position)
    return extensions


def _skip(pattern: re.Pattern[str], value: str, position: int) -> int:
    match = pattern.match(value, position)
    if match is None:
        raise _malformed()
    return match.end()


def _malformed() -> ValueError:
    return ValueError("Sec-WebSocket-Extensions is malformed")
