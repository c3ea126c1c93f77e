"""Where a Redis is, as a URL says it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from OpenSSL.crypto import Error
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates

from ratchet_py.errors import LocalError

__all__ = ["RedisAddress"]

_OPTIONS = {"db", "password", "ssl_ca_certs"}

_SENTINEL_PORT = 26379


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where a Redis is, and how to get in.

    ``str()`` of it is for logs and has no password.

    Example:
        >>> address = RedisAddress.parse("rediss://app:secret@redis.example.com/2")
        >>> str(address), address.port, address.database
        ('rediss://redis.example.com:6379', 6379, 2)
        >>> str(RedisAddress.parse("redis+sentinel://:secret@10.0.0.1,10.0.0.2/main/2"))
        'redis+sentinel://10.0.0.1:26379,10.0.0.2:26379/main'

    Attributes:
        host: The host; empty for a UNIX socket, and where sentinels know it.
        port: The TCP port.
        path: The UNIX socket, if it is one.
        isSecure: Whether to speak TLS.
        authorities: A PEM file with the authorities that the server's certificate may be of; those
            that the system trusts if empty.
        username: Who we are, if the server knows more than one.
        password: What lets us in, or None.
        database: The number of the database.
        sentinels: Who knows where the master is; empty if it is always in the same place.
        master: What the sentinels call it.
    """

    host: str = ""
    port: int = 6379
    path: str = ""
    isSecure: bool = False
    authorities: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0
    sentinels: tuple[RedisAddress, ...] = ()
    master: str = ""

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Read ``redis://``, ``rediss://`` (with TLS) or ``unix://``, or what sentinels know.

        Args:
            url: ``redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]``, or
                ``unix://[[USER]:PASSWORD@]/PATH``. After ``?`` there may be ``db=NUMBER``,
                ``password=...``, and ``ssl_ca_certs=FILE`` for the authorities to trust. Or
                ``redis+sentinel://[[USER]:PASSWORD@]HOST[,HOST...]/MASTER[/DATABASE]``:
                the hosts are those of the sentinels, and user and password are for the master; for
                the sentinels there are the options ``sentinel_username`` and
                ``sentinel_password``. ``rediss+sentinel://`` speaks TLS with all of them.

        Raises:
            LocalError: It is none of these. The message does not repeat the URL, which may hold a
                password.
        """
        if url.startswith(("redis+sentinel://", "rediss+sentinel://")):
            return cls._parseSentinels(url)
        try:
            parts = urlsplit(url)
            port = parts.port or 6379
            options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        except ValueError:
            raise LocalError("the URL of Redis has a port or options that are none") from None
        if parts.scheme not in ("redis", "rediss", "unix"):
            raise LocalError(
                "the URL of Redis begins with redis://, rediss://, unix://, redis+sentinel:// or "
                "rediss+sentinel://"
            )
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

    @classmethod
    def _parseSentinels(cls, url: str) -> RedisAddress:
        scheme, _, rest = url.partition("+sentinel://")
        tail, _, query = rest.partition("?")
        authority, _, path = tail.partition("/")
        user, at, hosts = authority.rpartition("@")
        name, _, database = path.partition("/")
        if not name or "" in hosts.split(","):
            raise LocalError("the URL of Redis has the form redis+sentinel://HOST,HOST/MASTER")
        options = dict(parse_qsl(query, keep_blank_values=True))
        username = options.pop("sentinel_username", None)
        password = options.pop("sentinel_password", None)
        # What is left is the URL of the master, but for its host.
        rest = f"/{database}?{urlencode(options)}"
        master = cls.parse(f"{scheme}://{user}{at}master{rest}")
        sentinels = []
        for host in hosts.split(","):
            sentinel = cls.parse(f"{scheme}://{host}{rest}")
            if urlsplit(f"//{host}").port is None:
                sentinel = replace(sentinel, port=_SENTINEL_PORT)
            sentinels.append(
                replace(sentinel, username=username, password=password or None, database=0)
            )
        return replace(master, host="", sentinels=tuple(sentinels), master=unquote(name))

    def __str__(self) -> str:
        scheme = "rediss" if self.isSecure else "redis"
        if self.sentinels:
            sentinels = ",".join(str(each).partition("://")[2] for each in self.sentinels)
            return f"{scheme}+sentinel://{sentinels}/{self.master}"
        if self.path:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    def endpoint(self, reactor: Any, timeout: float) -> IStreamClientEndpoint:
        """How to connect to it, if it is always in the same place.

        Args:
            reactor: Twisted's.
            timeout: Seconds that it may take.

        Raises:
            LocalError: See :meth:`trusted`.
        """
        if self.path:
            return UNIXClientEndpoint(reactor, self.path, timeout)
        endpoint = HostnameEndpoint(reactor, self.host, self.port, timeout)
        if not self.isSecure:
            return endpoint
        return wrapClientTLS(optionsForClientTLS(self.host, self.trusted()), endpoint)

    def trusted(self) -> Any:
        """Whose certificates count, as Twisted takes it; None for what the system trusts.

        Raises:
            LocalError: The file of the authorities cannot be read, or is none.
        """
        if not self.authorities:
            return None
        end = b"-----END CERTIFICATE-----"
        try:
            pem = Path(self.authorities).read_bytes()
            certificates = [Certificate.loadPEM(part + end) for part in pem.split(end)[:-1]]
        except (OSError, ValueError, Error) as exc:
            raise LocalError(f"ssl_ca_certs={self.authorities}: {exc}") from None
        if not certificates:
            raise LocalError(f"ssl_ca_certs={self.authorities}: no certificate is in it")
        return trustRootFromCertificates(certificates)
