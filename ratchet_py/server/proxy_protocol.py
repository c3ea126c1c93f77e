"""Behind a proxy that speaks the PROXY protocol: endpoints of the kind ``haproxy:``."""

from __future__ import annotations

from twisted.protocols.haproxy._wrapper import HAProxyProtocolWrapper, HAProxyWrappingFactory

__all__ = ["ProxyFactory", "ProxyProtocol"]


class ProxyProtocol(HAProxyProtocolWrapper):
    """Twisted's, which names the client that the proxy's header names.

    A header with an address or a port that is none is a bad one, and closes the connection as the
    others do. Twisted's parser takes it for an error of its own, with a traceback in the log for
    each: whoever reaches the port could fill a disk.
    """

    def dataReceived(self, data: bytes) -> None:
        """Bytes have arrived (IProtocol)."""
        try:
            super().dataReceived(data)
        except ValueError:
            if self._proxyInfo is not None:
                raise
            self.loseConnection()  # type: ignore[no-untyped-call]


class ProxyFactory(HAProxyWrappingFactory):
    """Puts a :class:`ProxyProtocol` before each connection of a server."""

    protocol = ProxyProtocol  # type: ignore[assignment]
    noisy = False
