"""Turns away the clients of some addresses."""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any

from ratchet_py.component import Component
from ratchet_py.interfaces import ConnectionInterface, MessageComponentInterface

__all__ = ["IpBlackList"]


class IpBlackList(Component):
    r"""Closes connections from blocked addresses; the component above never hears of them.

    Goes directly on ``IoServer``, or anywhere above it (``Ratchet\Server\IpBlackList``). An IPv4
    client of an IPv6 socket (``::ffff:192.0.2.1``) counts as what it is.

    Example:
        >>> from ratchet_py.server import EchoServer
        >>> blackList = IpBlackList(EchoServer()).blockAddress("192.0.2.0/24")
        >>> blackList.isBlocked("192.0.2.7"), blackList.isBlocked("198.51.100.1")
        (True, False)
    """

    def __init__(self, component: MessageComponentInterface) -> None:
        super().__init__(component)
        self._networks: dict[IPv4Network | IPv6Network, None] = {}
        # Who was let in: an address may be blocked while its clients are connected.
        self._admitted: set[ConnectionInterface] = set()

    def blockAddress(self, ip: str) -> IpBlackList:
        """Let no client of this address, or network, connect any more.

        Args:
            ip: An IPv4 or IPv6 address, or a network such as ``192.0.2.0/24``.

        Raises:
            ValueError: It is neither.
        """
        self._networks[ip_network(ip, strict=False)] = None
        return self

    def unblockAddress(self, ip: str) -> IpBlackList:
        """Undo one :meth:`blockAddress`; nothing happens if there was none."""
        self._networks.pop(ip_network(ip, strict=False), None)
        return self

    def isBlocked(self, address: str) -> bool:
        """Whether a client of this address is turned away."""
        ip = self.filterAddress(address)
        return ip is not None and any(ip in network for network in self._networks)

    def getBlockedAddresses(self) -> list[str]:
        """The addresses and networks that are blocked; a single address without its mask."""
        return [
            str(network.network_address) if network.num_addresses == 1 else str(network)
            for network in self._networks
        ]

    def filterAddress(self, address: str) -> IPv4Address | IPv6Address | None:
        """The address of a client as it is compared; None for a client without one (UNIX)."""
        try:
            ip = ip_address(address.partition("%")[0])
        except ValueError:
            return None
        return getattr(ip, "ipv4_mapped", None) or ip

    def onOpen(self, conn: ConnectionInterface, *args: Any) -> object:
        """Close a blocked client, pass on any other."""
        if self.isBlocked(conn.remoteAddress):
            conn.close()
            return None
        self._admitted.add(conn)
        return super().onOpen(conn, *args)

    def onMessage(self, conn: ConnectionInterface, msg: Any) -> object:
        """Pass on what an admitted client sends."""
        return super().onMessage(conn, msg) if conn in self._admitted else None

    def onClose(self, conn: ConnectionInterface) -> object:
        """Pass on that an admitted client is gone."""
        if conn not in self._admitted:
            return None
        self._admitted.discard(conn)
        return super().onClose(conn)
