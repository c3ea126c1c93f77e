"""Where a WebSocket server is, as a URL says it."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import idna
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS

from ratchet_py.errors import LocalError
from ratchet_py.http.request import splitAuthority

__all__ = ["Address"]

_PORTS = {"ws": 80, "wss": 443, "ws+unix": 0}
# What may stand in a URL as it is; all else is percent-encoded. The percent sign, too, is taken for
# an encoding that has been done.
_SAFE = "/?:@!$&'()*+,;=-._~%"
_CONTROL = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and what to ask it for.

    ``str()`` of it is for messages and logs: it has no password, and no query, which may hold a
    token.

    Example:
        >>> address = Address.parse("wss://ann:secret@example.com/chat?room=1")
        >>> str(address), address.port, address.resource, address.host
        ('wss://example.com/chat', 443, '/chat?room=1', 'example.com')
        >>> Address.parse("ws+unix:///run/chat.sock:/room").path
        '/run/chat.sock'

    Attributes:
        host: The host name, in ASCII, or the IP address without brackets.
        port: The TCP port.
        path: The UNIX socket, if it is one.
        isSecure: Whether to speak TLS.
        resource: Path and query, as the request line has them.
        authorization: The value of the ``Authorization`` field for the URL's user, or None.
    """

    host: str
    port: int
    path: str
    isSecure: bool
    resource: str
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read ``ws://``, ``wss://`` (with TLS) or ``ws+unix://``.

        Args:
            url: ``ws://[USER[:PASSWORD]@]HOST[:PORT][/PATH][?QUERY]``, or
                ``ws+unix:///SOCKET[:/PATH][?QUERY]``.

        Raises:
            LocalError: It is none of these. The message does not repeat the URL, which may hold a
                password.
        """
        if _CONTROL.search(url):
            raise LocalError("a URL has no spaces and no control characters")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise LocalError("the URL has a host or port that is none") from None
        if parts.scheme not in _PORTS:
            raise LocalError("a WebSocket's URL begins with ws://, wss:// or ws+unix://")
        # RFC 6455 section 3: a fragment is an error, not something to be left out.
        if "#" in url:
            raise LocalError("a WebSocket's URL has no fragment (#); in a path it is %23")
        isUnix = parts.scheme == "ws+unix"
        path, _, resource = parts.path.partition(":") if isUnix else ("", "", parts.path)
        if isUnix != (not parts.hostname) or (isUnix and not path):
            form = "ws+unix:///path/to/socket:/path" if isUnix else f"{parts.scheme}://host/path"
            raise LocalError(f"the URL has the form {form}")
        if not resource.startswith("/"):
            resource = "/" + resource
        if parts.query:
            resource += "?" + parts.query
        authorization = None
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + b64encode(user.encode()).decode()
        host = parts.hostname or "localhost"
        try:
            if not host.isascii():
                host = idna.encode(host, uts46=True).decode()
            splitAuthority(f"[{host}]" if ":" in host else host)
        except ValueError:
            raise LocalError("the URL has a host that is none") from None
        return cls(
            host=host,
            port=_PORTS[parts.scheme] if port is None else port,
            path=unquote(path),
            isSecure=parts.scheme == "wss",
            resource=quote(resource, safe=_SAFE),
            authorization=authorization,
        )

    @property
    def hostField(self) -> str:
        """The value of the ``Host`` field: without a port that goes without saying."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        isUsual = self.path or self.port == _PORTS["wss" if self.isSecure else "ws"]
        return host if isUsual else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """The origin of a page of that very server."""
        return f"{'https' if self.isSecure else 'http'}://{self.hostField}"

    def __str__(self) -> str:
        resource = self.resource.partition("?")[0]
        if self.path:
            return f"ws+unix://{self.path}:{resource}"
        return f"{'wss' if self.isSecure else 'ws'}://{self.hostField}{resource}"

    def endpoint(
        self, reactor: Any, timeout: float, trustRoot: Any = None, clientCertificate: Any = None
    ) -> IStreamClientEndpoint:
        """How to connect to it.

        Args:
            reactor: Twisted's.
            timeout: Seconds that it may take.
            trustRoot: Whose certificates are good; those that the system trusts if None.
            clientCertificate: Ours, if the server wants one.
        """
        if self.path:
            return UNIXClientEndpoint(reactor, self.path, timeout)
        endpoint = HostnameEndpoint(reactor, self.host, self.port, timeout)
        if not self.isSecure:
            return endpoint
        options = optionsForClientTLS(self.host, trustRoot, clientCertificate)
        return wrapClientTLS(options, endpoint)
