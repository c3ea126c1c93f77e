"""Bounds what one client, one address, or all of them together may do."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address, ip_address
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from ratchet_py.component import Component
from ratchet_py.errors import HttpError
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.server.refuser import refusalOf

__all__ = ["Limiter"]

_POLICY = 1008  # the close code for layers that have one (RFC 6455 section 7.4.1)
_UNAVAILABLE = 503


class _Usage:
    """What one connection has used of its interval."""

    __slots__ = ("address", "bytes", "ended", "messages", "since", "timer")

    def __init__(self, address: str) -> None:
        self.address = address
        self.bytes = 0
        self.ended = False
        self.messages = 0
        self.since = 0.0
        self.timer: IDelayedCall | None = None


class Limiter(Component):
    """Lets in so many connections, and so much of each; who is over it is refused, or closed.

    It fits wherever a :class:`~ratchet_py.Component` does, and answers in the words of its place. A
    connection that is one too many gets a 503 on ``HttpServer`` and below it, and is closed with
    1008 on ``WsServer``. A connection that sends too much, or has lasted too long, is closed with
    1008 once it is a WebSocket, and without a word before.

    ``messages`` are what the layer below delivers: on ``WsServer`` whole messages, on any other
    layer whatever one read has brought. Behind a proxy every client has the proxy's address, unless
    the proxy is trusted and this stands on ``HttpServer`` or higher.

    Example:
        ::

            app.route("/chat", Limiter(Chat(), messages=20, bytes=64 * 1024, interval=1))

    Args:
        component: What is above.
        connections: How many at a time.
        connectionsPerAddress: How many at a time from one IPv4 address, or one IPv6 network of 64
            bits, which is the least that a customer gets. Clients of a UNIX socket have no address.
        messages: How many a connection may send in an interval.
        bytes: How many a connection may send in an interval.
        interval: Seconds. It begins with the first message after the end of the last one.
        lifetime: Seconds that a connection may last.

    Attributes:
        exceeded: How often each limit was hit, by the name of its argument.
    """

    def __init__(
        self,
        component: Any,
        *,
        connections: int | None = None,
        connectionsPerAddress: int | None = None,
        messages: int | None = None,
        bytes: int | None = None,
        interval: float = 1.0,
        lifetime: float | None = None,
    ) -> None:
        super().__init__(component)
        self.connections = connections
        self.connectionsPerAddress = connectionsPerAddress
        self.messages = messages
        self.bytes = bytes
        self.interval = interval
        self.lifetime = lifetime
        self.exceeded: Counter[str] = Counter()
        self._usages: dict[ConnectionInterface, _Usage] = {}
        self._perAddress: Counter[str] = Counter()

    def onOpen(self, conn: ConnectionInterface, *args: Any) -> object:
        """Let a client in, or refuse it.

        Raises:
            HttpError: It is refused, and there is a request to answer: 503.
        """
        address = _networkOf(conn.remoteAddress)
        if self.connections is not None and len(self._usages) >= self.connections:
            self._refuse(conn, "connections", hasRequest=bool(args))
            return None
        most = self.connectionsPerAddress
        if most is not None and address and self._perAddress[address] >= most:
            self._refuse(conn, "connectionsPerAddress", hasRequest=bool(args))
            return None
        usage = self._usages[conn] = _Usage(address)
        self._perAddress[address] += 1
        if self.lifetime is not None:
            usage.timer = conn.reactor.callLater(self.lifetime, self._tooOld, conn, usage)
        return super().onOpen(conn, *args)

    def onMessage(self, conn: ConnectionInterface, msg: Any) -> object:
        """Pass on what is within the limits."""
        usage = self._usages.get(conn)
        if usage is None:
            return None
        limit = None if usage.ended else self._count(conn, usage, msg)
        if limit is not None:
            self._end(conn, usage, limit, f"too many {limit}")
        if usage.ended and conn is not conn.record:
            return None
        # Below WsServer these are bytes: it has closed, and needs the client's answer to that.
        return super().onMessage(conn, msg)

    def onClose(self, conn: ConnectionInterface) -> object:
        """Pass on that a client that was let in is gone."""
        usage = self._usages.pop(conn, None)
        if usage is None:
            return None
        self._perAddress[usage.address] -= 1
        if not self._perAddress[usage.address]:
            del self._perAddress[usage.address]
        if usage.timer is not None and usage.timer.active():
            usage.timer.cancel()
        return super().onClose(conn)

    def _count(self, conn: ConnectionInterface, usage: _Usage, msg: Any) -> str | None:
        """Count a message; the name of the limit that it exceeds."""
        now = conn.reactor.seconds()
        if now - usage.since >= self.interval:
            usage.since, usage.messages, usage.bytes = now, 0, 0
        usage.messages += 1
        if self.messages is not None and usage.messages > self.messages:
            return "messages"
        if self.bytes is not None:
            usage.bytes += _sizeOf(msg)
            if usage.bytes > self.bytes:
                return "bytes"
        return None

    def _refuse(self, conn: ConnectionInterface, limit: str, hasRequest: bool) -> None:
        self.exceeded[limit] += 1
        reason = "too many connections"
        if hasRequest:
            raise HttpError(_UNAVAILABLE, reason, {"Retry-After": "60"}, limit=limit)
        tally = conn.record.serverTally
        tally.exceeded[limit] += 1
        if not hasattr(conn, "WebSocket"):
            refusal = refusalOf(self.component)
            if refusal:
                tally.refused[_UNAVAILABLE] += 1
                conn.send(refusal)
        conn.close(_POLICY, reason)

    def _end(self, conn: ConnectionInterface, usage: _Usage, limit: str, reason: str) -> None:
        usage.ended = True
        self.exceeded[limit] += 1
        conn.record.serverTally.exceeded[limit] += 1
        # This may stand below WsServer, or WampServer, each of which says goodbye in its own way.
        (conn.record.outermost or conn).close(_POLICY, reason)

    def _tooOld(self, conn: ConnectionInterface, usage: _Usage) -> None:
        if not usage.ended:
            self._end(conn, usage, "lifetime", "lifetime exceeded")


def _networkOf(address: str) -> str:
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or IPv6Address(int(ip) >> 64 << 64))
    return str(ip)


def _sizeOf(msg: Any) -> int:
    payload = getattr(msg, "payload", msg)
    if isinstance(payload, str) and not payload.isascii():
        return len(payload.encode())
    return len(payload)
