r"""Which pages may connect (``Ratchet\Http\OriginCheck``)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from twisted.logger import Logger

from ratchet_py.errors import HttpError
from ratchet_py.http.interfaces import HttpServerInterface
from ratchet_py.http.refusal_log import RefusalLog
from ratchet_py.http.request import Request, splitAuthority
from ratchet_py.interfaces import ConnectionInterface

__all__ = ["SAME_HOST", "OriginCheck"]

SAME_HOST = "<same host>"
"""An entry of the allowed origins: the host that the request itself was sent to."""

_ORIGIN = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?([^/]*)/?")
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

log = Logger()


class OriginCheck(HttpServerInterface):
    r"""Lets only pages of known origins through (``Ratchet\Http\OriginCheck``).

    A browser tells in ``Origin`` which site's page opens the connection, and lets any page open one
    to any server. Without this check every site that a logged-in visitor looks at could act in his
    name. Programs other than browsers may write there what they like.

    An allowed entry is one of:

    - ``example.com``: the host, whatever the scheme and the port, compared without case, as in
      Ratchet;
    - ``example.com:8443``: the host and the port;
    - ``https://example.com`` or ``https://example.com:8443``: a full origin, of which everything
      must agree; without a port the scheme's own is meant;
    - :data:`SAME_HOST`: the host in the request's own ``Host``, whatever the port;
    - ``*``: everybody, also clients that send no ``Origin``.

    An origin that is missing, ``null``, malformed or not allowed is answered with 403, and two of
    them with 400.

    Example:
        >>> from ratchet_py.http import Router, RouteCollection
        >>> check = OriginCheck(Router(RouteCollection()), ["example.com"])
        >>> check.allowedOrigins.append("https://other.example")

    Attributes:
        allowedOrigins: The entries; may be changed while the server runs.
    """

    def __init__(self, component: HttpServerInterface, allowed: Iterable[str] = ()) -> None:
        self.component = component
        self.allowedOrigins: list[str] = list(allowed)
        # Those whose onOpen has not reached the component.
        self._refused: set[ConnectionInterface] = set()
        self._refusals = RefusalLog(log)

    @property
    def serial(self) -> bool:  # type: ignore[override]
        """What the component above says."""
        return self.component.serial

    def onOpen(self, conn: ConnectionInterface, request: Request) -> object:
        """Compare the origin; what is refused goes no further."""
        try:
            self._check(request)
        except HttpError:
            self._refused.add(conn)
            raise
        return self.component.onOpen(conn, request)

    def onMessage(self, conn: ConnectionInterface, msg: bytes) -> object:
        """Pass on."""
        return self.component.onMessage(conn, msg)

    def onClose(self, conn: ConnectionInterface) -> object:
        """Pass on, if the component has been opened."""
        if conn in self._refused:
            self._refused.discard(conn)
            return None
        return self.component.onClose(conn)

    def onError(self, conn: ConnectionInterface, exc: Exception) -> object:
        """Pass on."""
        return self.component.onError(conn, exc)

    def _check(self, request: Request) -> None:
        origins = request.headers.getAll("Origin")
        if len(origins) > 1:
            raise HttpError(400, "more than one Origin header")
        if "*" in self.allowedOrigins:
            return
        if not origins:
            self._refusals.warn(
                None,
                "403 for a request without Origin to {host!r}: not a browser? "
                'allowedOrigins=["*"] (--origin "*") lets everybody in',
                host=request.host,
            )
            raise HttpError(403, "Origin header missing")
        origin = origins[0]
        if not self._isAllowed(origin, request):
            self._refusals.warn(
                origin,
                "403: origin {origin!r} is none of {allowed!r}; "
                "add it to allowedOrigins (--origin) to let its pages connect",
                origin=origin,
                allowed=self.allowedOrigins,
            )
            raise HttpError(403, "origin not allowed")

    def _isAllowed(self, origin: str, request: Request) -> bool:
        try:
            scheme, host, port = _parse(origin)
        except ValueError:
            return False
        for entry in self.allowedOrigins:
            if entry == SAME_HOST:
                if host == request.host:
                    return True
                continue
            try:
                wantedScheme, wantedHost, wantedPort = _parse(entry)
            except ValueError:
                continue
            if host == wantedHost and wantedScheme in ("", scheme) and wantedPort in (None, port):
                return True
        return False


@lru_cache(maxsize=256)
def _parse(origin: str) -> tuple[str, str, int | None]:
    """Take an origin apart (RFC 6454); the port of one with a scheme is never missing.

    Ratchet takes a bare host for an origin, and so clients exist that send one.
    """
    match = _ORIGIN.fullmatch(origin)
    if match is None or origin.lower() == "null":
        raise ValueError(f"no origin: {origin!r}")
    scheme = (match[1] or "").lower()
    host, port = splitAuthority(match[2])
    return scheme, host, _DEFAULT_PORTS.get(scheme) if port is None else port
