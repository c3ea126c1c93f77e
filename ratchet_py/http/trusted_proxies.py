"""Whose word counts about where a request has come from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from ratchet_py.http.request import Headers

__all__ = ["Forwarded", "TrustedProxies"]

# As proxies write it: an address, some with its port behind it, or an IPv6 address in brackets.
_ENTRY = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]+)?|([0-9.]+):[0-9]+|([0-9A-Fa-f:.]+)")
_SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}


class Forwarded(NamedTuple):
    """What is to be believed of a request.

    Attributes:
        address: The client's IP address.
        scheme: ``http`` or ``https``; None if no trusted proxy has said it.
    """

    address: str
    scheme: str | None


class TrustedProxies:
    """Reads ``X-Forwarded-For`` and ``X-Forwarded-Proto``, as far as they are to be trusted.

    Anybody can send these fields, and each proxy appends to what it gets. So they are read from the
    right: the last address was written by who is connected to us, the one before by that one, and
    so on, as long as the writer is a proxy of ours. The first address that is not is the client. A
    value that is no address ends it, too: the client is who has passed it on.

    Example:
        >>> proxies = TrustedProxies(["127.0.0.1", "10.0.0.0/8"])
        >>> headers = Headers("X-Forwarded-For: 1.1.1.1, 192.0.2.7, 10.0.0.3")
        >>> proxies.resolve("127.0.0.1", headers).address
        '192.0.2.7'
        >>> proxies.resolve("198.51.100.1", headers).address
        '198.51.100.1'

    Args:
        networks: Addresses and networks, IPv4 or IPv6; ``unix`` for whoever comes over a UNIX
            socket.

    Raises:
        ValueError: One of them is nothing of the kind.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = []
        self._unix = False
        self.add(networks)

    def add(self, networks: Iterable[str]) -> None:
        """Trust some more.

        Raises:
            ValueError: One of them is no address and no network.
        """
        for network in networks:
            if network == "unix":
                self._unix = True
            else:
                self._networks.append(ip_network(network, strict=False))

    def __bool__(self) -> bool:
        """Whether there is any."""
        return self._unix or bool(self._networks)

    def trusts(self, address: str) -> bool:
        """Whether an address is a proxy's of ours; the empty one is a UNIX socket's."""
        if not address:
            return self._unix
        ip = _parse(address)
        return ip is not None and any(ip in network for network in self._networks)

    def resolve(self, peer: str, headers: Headers) -> Forwarded:
        """Find out who has sent a request.

        Args:
            peer: Who is connected to us.
            headers: The request's.
        """
        if not self.trusts(peer):
            return Forwarded(peer, None)
        addresses = _values(headers, "X-Forwarded-For")
        address, hops = peer, 0
        while addresses and self.trusts(address):
            named = _addressIn(addresses.pop())
            if named is None:
                break
            address = named
            hops += 1
        # Each proxy appends its scheme, too, or replaces what there is: of one there is no choice.
        schemes = _values(headers, "X-Forwarded-Proto")
        scheme = schemes[-min(max(hops, 1), len(schemes))].lower() if schemes else ""
        return Forwarded(address, _SCHEMES.get(scheme))


def _values(headers: Headers, name: str) -> list[str]:
    return [value.strip(" \t") for line in headers.getAll(name) for value in line.split(",")]


def _addressIn(entry: str) -> str | None:
    match = _ENTRY.fullmatch(entry)
    ip = None if match is None else _parse(match[1] or match[2] or match[3])
    return None if ip is None else str(ip)


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip
