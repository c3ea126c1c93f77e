"""The opening handshake of a client, without I/O (RFC 6455 section 4.1)."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Sequence

from ratchet_py.errors import LocalError, RemoteError
from ratchet_py.rfc6455.header_values import (
    PROTOCOL,
    TOKEN,
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

__all__ = ["ClientNegotiator"]


class ClientNegotiator:
    r"""Asks for one WebSocket and judges the answer.

    In Ratchet it is ``Ratchet\RFC6455\Handshake\ClientNegotiator``.

    Args:
        subProtocols: The subprotocols that the client speaks, its favourite first.
        compression: What to offer, None for no compression.

    Raises:
        LocalError: A subprotocol is no name, or there twice.

    Example:
        >>> negotiator = ClientNegotiator(["wamp"])
        >>> [name for name, _ in negotiator.headers]  # doctest: +NORMALIZE_WHITESPACE
        ['Upgrade', 'Connection', 'Sec-WebSocket-Key', 'Sec-WebSocket-Version',
         'Sec-WebSocket-Protocol']

    Attributes:
        headers: The header fields of the request that belong to the handshake.
    """

    def __init__(
        self,
        subProtocols: Sequence[str] = (),
        compression: PerMessageDeflateOptions | None = None,
    ) -> None:
        if isinstance(subProtocols, str):
            raise LocalError("subProtocols is a list of names")
        if len(set(subProtocols)) < len(subProtocols):
            raise LocalError("a subprotocol is offered twice")
        for name in subProtocols:
            if TOKEN.fullmatch(name) is None:
                raise LocalError(f"a subprotocol is a name of one word, not {name!r}")
        self._subProtocols = list(subProtocols)
        self._compression = compression
        key = b64encode(secrets.token_bytes(16)).decode()
        self._accept = acceptKey(key)
        self.headers = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", key),
            ("Sec-WebSocket-Version", "13"),
        ]
        if subProtocols:
            self.headers.append(("Sec-WebSocket-Protocol", ", ".join(subProtocols)))
        if compression is not None:
            self.headers.append(("Sec-WebSocket-Extensions", compression.offer()))

    def judge(self, status: int, headers: Headers) -> tuple[str | None, PerMessageDeflate | None]:
        """Judge the server's answer.

        A server that agrees to none of the subprotocols that are offered has not understood: as
        with browsers and with Pawl, there is no connection then.

        Args:
            status: Its HTTP status.
            headers: Its header fields.

        Returns:
            The subprotocol and the compression that were agreed on; None for either that was not.

        Raises:
            RemoteError: The server does not want to, or is no WebSocket server.
        """
        if status != 101:
            raise RemoteError("the server has not switched protocols")
        if not hasToken(headers.getAll("Upgrade"), "websocket", PROTOCOL):
            raise RemoteError("the answer does not upgrade to websocket")
        if not hasToken(headers.getAll("Connection"), "upgrade", TOKEN):
            raise RemoteError("the answer's Connection does not name Upgrade")
        if headers.getAll("Sec-WebSocket-Accept") != [self._accept]:
            raise RemoteError("Sec-WebSocket-Accept is not the answer to our key")
        return (
            self._subProtocol(headers.getAll("Sec-WebSocket-Protocol")),
            self._extension(headers.getAll("Sec-WebSocket-Extensions")),
        )

    def _subProtocol(self, values: list[str]) -> str | None:
        if not values and not self._subProtocols:
            return None
        chosen = parseList(values, TOKEN) or []
        if len(chosen) != 1 or chosen[0] not in self._subProtocols:
            raise RemoteError("the server has chosen none of the subprotocols offered")
        return chosen[0]

    def _extension(self, values: list[str]) -> PerMessageDeflate | None:
        if not values:
            return None
        try:
            extensions = parseExtensions(", ".join(values))
        except ValueError as error:
            raise RemoteError(str(error)) from None
        if self._compression is None or [name for name, _ in extensions] != [NAME]:
            raise RemoteError("the server uses an extension that was not offered")
        return self._compression.agree(extensions[0][1])
