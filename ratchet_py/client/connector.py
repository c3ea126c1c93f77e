r"""Opens WebSockets (``Ratchet\Client\Connector`` and ``Ratchet\Client\connect``)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from ratchet_py import __version__
from ratchet_py.client.address import Address
from ratchet_py.client.errors import ConnectError
from ratchet_py.client.opening import Opening
from ratchet_py.client.web_socket import Agreed, WebSocket
from ratchet_py.errors import LocalError
from ratchet_py.http.request import Request
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.rfc6455.client_negotiator import ClientNegotiator
from ratchet_py.rfc6455.permessage_deflate import PerMessageDeflateOptions

__all__ = ["Connector", "connect"]

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

# These belong to the handshake; subprotocols are an argument of their own.
_OURS = frozenset(
    {
        "connection",
        "content-length",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "transfer-encoding",
        "upgrade",
    }
)


class _Factory(Factory):
    """Makes no protocol but the one that it has got, and no noise."""

    noisy = False

    def __init__(self, opening: Opening) -> None:
        self._opening = opening

    def buildProtocol(self, addr: IAddress | None) -> Opening:
        """The one protocol (IProtocolFactory)."""
        return self._opening


class Connector:
    r"""Opens any number of connections in the same way (``Ratchet\Client\Connector``).

    Example:
        ::

            connector = Connector(keepAlive=30, limits=Limits(messageSize=64 * 1024))
            conn = await connector("wss://example.com/chat", ["chat"])

    Args:
        reactor: Twisted's; the global one if None.
        limits: ``headSize``, ``handshakeTimeout`` (TLS included), ``messageSize``, ``frameSize``,
            ``fragments``, ``sendBuffer``, ``stallTimeout`` and ``closeTimeout`` of it count here.
        connectTimeout: Seconds to look the name up and to connect.
        compression: What to offer of permessage-deflate, None for nothing.
        keepAlive: Seconds between two pings; a server of which nothing at all has been heard since
            the last one is dropped. None for no pings.
        trustRoot: Whose certificates are good for ``wss://``: what Twisted's
            ``optionsForClientTLS`` takes, such as
            ``trustRootFromCertificates([Certificate.loadPEM(pem)])``; None for the authorities that
            the system trusts. The certificate and the name in it are always checked.
        clientCertificate: A ``PrivateCertificate`` of ours, for servers that want one.

    Attributes:
        reactor: Twisted's.
        limits: The limits.
    """

    def __init__(
        self,
        reactor: Any = None,
        *,
        limits: Limits = DEFAULT_LIMITS,
        connectTimeout: float = 20.0,
        compression: PerMessageDeflateOptions | None = PerMessageDeflateOptions(),  # noqa: B008
        keepAlive: float | None = None,
        trustRoot: Any = None,
        clientCertificate: Any = None,
    ) -> None:
        if reactor is None:
            from twisted.internet import reactor
        self.reactor: Any = reactor
        self.limits = limits
        self._connectTimeout = connectTimeout
        self._compression = compression
        self._keepAlive = keepAlive
        self._trustRoot = trustRoot
        self._clientCertificate = clientCertificate

    def __call__(
        self,
        url: str,
        subProtocols: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Deferred[WebSocket]:
        """Open a connection.

        Redirects are not followed, as no browser follows them: they would carry the headers, and
        what is sent, to where the caller has not said. Proxies are not used.

        Args:
            url: ``ws://``, ``wss://`` or ``ws+unix:///SOCKET:/PATH``. A user and password in it
                go as ``Authorization``.
            subProtocols: Those that we speak, the favourite first. There is no connection if the
                server speaks none of them.
            headers: More header fields of the request. ``Origin`` is the server itself unless
                given, as in Pawl; ``Host`` and ``User-Agent`` can be replaced, too.

        Returns:
            A Deferred that fails with :class:`HandshakeError` or another :class:`ConnectError`.
            Cancelled, it drops the connection.

        Raises:
            LocalError: The URL, a subprotocol or a header field is none.
        """
        address = Address.parse(url)
        negotiator = ClientNegotiator(subProtocols, self._compression)
        request = _request(address, negotiator, headers or {})
        return _cancellable(Deferred.fromCoroutine(self._open(address, negotiator, request)))

    async def _open(
        self, address: Address, negotiator: ClientNegotiator, request: Request
    ) -> WebSocket:
        opening = Opening(
            str(address), request, negotiator, self.limits, self.reactor, self._makeWebSocket
        )
        try:
            endpoint = address.endpoint(
                self.reactor, self._connectTimeout, self._trustRoot, self._clientCertificate
            )
            connecting = endpoint.connect(_Factory(opening))
            # The endpoint's own is for each address of a name, and none for the name itself.
            await connecting.addTimeout(self._connectTimeout, self.reactor, _late)
        except Exception as exc:
            raise ConnectError(f"{address}: {exc}") from exc
        return await opening.opened

    def _makeWebSocket(self, transport: Any, agreed: Agreed) -> WebSocket:
        return WebSocket(transport, self.reactor, agreed, self.limits, self._keepAlive)


def connect(
    url: str,
    subProtocols: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
    reactor: Any = None,
    **options: Any,
) -> Deferred[WebSocket]:
    r"""Open a WebSocket (``Ratchet\Client\connect``).

    Example:
        ::

            async with await connect("ws://localhost:8080/chat") as conn:
                conn.send("hello")
                async for message in conn:
                    print(message)

    Args:
        url: As :class:`Connector` takes it, and so are ``subProtocols`` and ``headers``.
        subProtocols: The subprotocols that we speak.
        headers: More header fields of the request.
        reactor: Twisted's; the global one if None.
        options: The other arguments of :class:`Connector`.

    Returns:
        A Deferred of the connection; see there.
    """
    return Connector(reactor, **options)(url, subProtocols, headers)


def _late(_: object, seconds: float) -> NoReturn:
    raise TimeoutError(f"no connection within {seconds:g} seconds")


def _cancellable(opening: Deferred[WebSocket]) -> Deferred[WebSocket]:
    """Cancelled, it fails with ``CancelledError``, where endpoints have errors of their own."""
    isCancelled = False

    def cancel(_: object) -> None:
        nonlocal isCancelled
        isCancelled = True
        opening.cancel()

    def fire(result: WebSocket | Failure) -> None:
        if not isCancelled:
            opened.callback(result)

    opened: Deferred[WebSocket] = Deferred(cancel)
    opening.addBoth(fire)
    return opened


def _request(address: Address, negotiator: ClientNegotiator, headers: Mapping[str, str]) -> Request:
    fields = {
        "host": ("Host", address.hostField),
        "origin": ("Origin", address.origin),
        "user-agent": ("User-Agent", f"Ratchet_py/{__version__}"),
    }
    if address.authorization is not None:
        fields["authorization"] = ("Authorization", address.authorization)
    for name, value in headers.items():
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise LocalError(f"not a header field: {name!r}")
        if name.lower() in _OURS:
            raise LocalError(f"the header field {name} belongs to the handshake")
        fields[name.lower()] = (name, value)
    lines = [f"GET {address.resource} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in [*fields.values(), *negotiator.headers]]
    return Request("\r\n".join([*lines, "", ""]).encode("latin-1"))
