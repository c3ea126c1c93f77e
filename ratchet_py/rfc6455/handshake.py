"""The opening handshake of a server, without I/O (RFC 6455 section 4.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ratchet_py.errors import HttpError
from ratchet_py.rfc6455.header_values import (
    PROTOCOL,
    TOKEN,
    Extension,
    Headers,
    acceptKey,
    hasToken,
    parseExtensions,
    parseList,
)
from ratchet_py.rfc6455.permessage_deflate import (
    NAME,
    PerMessageDeflate,
    PerMessageDeflateOptions,
)

__all__ = ["Handshake", "ServerNegotiator"]

# Sixteen bytes in strict base64: the last digit's four low bits belong to no byte and must be zero.
_KEY = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==")


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
        if not hasToken(headers.getAll("Upgrade"), "websocket", PROTOCOL):
            raise HttpError(426, "this is a WebSocket server", self._upgrade)
        if not hasToken(headers.getAll("Connection"), "upgrade", TOKEN):
            raise HttpError(400, "the Connection header field does not name Upgrade")
        lengths = headers.getAll("Content-Length")
        if headers.getAll("Transfer-Encoding") or lengths not in ([], ["0"]):
            raise HttpError(400, "a WebSocket handshake has no body")
        keys = headers.getAll("Sec-WebSocket-Key")
        if len(keys) != 1 or _KEY.fullmatch(keys[0]) is None:
            raise HttpError(400, "there must be one Sec-WebSocket-Key of 16 bytes in base64")
        if headers.getAll("Sec-WebSocket-Version") != ["13"]:
            raise HttpError(426, "the WebSocket version must be 13", self._upgrade)
        answer = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", acceptKey(keys[0])),
        ]
        subProtocol = self._chooseSubProtocol(headers.getAll("Sec-WebSocket-Protocol"))
        if subProtocol is not None:
            answer.append(("Sec-WebSocket-Protocol", subProtocol))
        extension = None
        offered = headers.getAll("Sec-WebSocket-Extensions")
        if offered:
            try:
                offers = parseExtensions(", ".join(offered))
            except ValueError as error:
                raise HttpError(400, str(error)) from None
            accepted = self._chooseExtension(offers)
            if accepted is not None:
                answer.append(("Sec-WebSocket-Extensions", accepted[0]))
                extension = accepted[1]
        return Handshake(answer, subProtocol, extension)

    def _chooseSubProtocol(self, values: list[str]) -> str | None:
        """The first that the client offers and we speak (RFC 6455 section 4.1, item 10)."""
        offered: list[str] = []
        if values:
            tokens = parseList(values, TOKEN)
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

    def _chooseExtension(self, offers: list[Extension]) -> tuple[str, PerMessageDeflate] | None:
        compression = self._compression
        if compression is None:
            return None
        for name, parameters in offers:
            if name == NAME:
                accepted = compression.accept(parameters)
                if accepted is not None:
                    return accepted
        return None
