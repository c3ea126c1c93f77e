"""Where a Redis is, as a URL says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates

from ratchet_py.errors import LocalError

__all__ = ["RedisAddress"]

_OPTIONS = {"db", "password", "ssl_ca_certs"}


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where a Redis is, and how to get in.

    ``str()`` of it is for logs and has no password.

    Example:
        >>> address = RedisAddress.parse("rediss://app:secret@redis.example.com/2")
        >>> str(address), address.port, address.database
        ('rediss://redis.example.com:6379', 6379, 2)

    Attributes:
        host: The host; empty for a UNIX socket.
        port: The TCP port.
        path: The UNIX socket, if it is one.
        isSecure: Whether to speak TLS.
        authorities: A PEM file with the authorities that the server's certificate may be of; those
            that the system trusts if empty.
        username: Who we are, if the server knows more than one.
        password: What lets us in, or None.
        database: The number of the database.
    """

    host: str = ""
    port: int = 6379
    path: str = ""
    isSecure: bool = False
    authorities: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Read ``redis://``, ``rediss://`` (with TLS) or ``unix://``.

        Args:
            url: ``redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]``, or
                ``unix://[[USER]:PASSWORD@]/PATH``. After ``?`` there may be ``db=NUMBER``,
                ``password=...``, and ``ssl_ca_certs=FILE`` for the authorities to trust.

        Raises:
            LocalError: It is none of these. The message does not repeat the URL, which may hold a
                password.
        """
        parts = urlsplit(url)
        try:
            port = parts.port or 6379
            options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        except ValueError:
            raise LocalError("the URL of Redis has a port or options that are none") from None
        if parts.scheme not in ("redis", "rediss", "unix"):
            raise LocalError("the URL of Redis begins with redis://, rediss:// or unix://")
        if not options.keys() <= _OPTIONS:
            raise LocalError(f"the URL of Redis has options beyond {', '.join(sorted(_OPTIONS))}")
        isUnix = parts.scheme == "unix"
        path = unquote(parts.path)
        if isUnix and (not path or parts.hostname):
            raise LocalError("the URL of Redis has the form unix:///path/to/socket")
        number = options.get("db") or ("" if isUnix else path.strip("/")) or "0"
        if not (number.isascii() and number.isdigit()):
            raise LocalError("the URL of Redis ends with the number of a database")
        password = options.get("password", parts.password and unquote(parts.password))
        return cls(
            host="" if isUnix else parts.hostname or "localhost",
            port=port,
            path=path if isUnix else "",
            isSecure=parts.scheme == "rediss",
            authorities=options.get("ssl_ca_certs", ""),
            username=unquote(parts.username) if parts.username else None,
            password=password or None,
            database=int(number),
        )

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.isSecure else 'redis'}://{host}:{self.port}"

    def endpoint(self, reactor: Any, timeout: float) -> IStreamClientEndpoint:
        """How to connect to it.

        Args:
            reactor: Twisted's.
            timeout: Seconds that it may take.

        Raises:
            OSError: The file of the authorities cannot be read.
        """
        if self.path:
            return UNIXClientEndpoint(reactor, self.path, timeout)
        endpoint = HostnameEndpoint(reactor, self.host, self.port, timeout)
        if not self.isSecure:
            return endpoint
        return wrapClientTLS(optionsForClientTLS(self.host, self._trusted()), endpoint)

    def _trusted(self) -> Any:
        if not self.authorities:
            return None
        with open(self.authorities, "rb") as file:
            pem = file.read()
        end = b"-----END CERTIFICATE-----"
        certificates = [part + end for part in pem.split(end)[:-1]]
        return trustRootFromCertificates([Certificate.loadPEM(each) for each in certificates])
