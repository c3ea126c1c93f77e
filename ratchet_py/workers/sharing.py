"""The sockets that all workers accept from: their parent opens them, and keeps them open."""

from __future__ import annotations

import re
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.internet.ssl import Certificate, CertificateOptions, PrivateCertificate

from ratchet_py.errors import LocalError
from ratchet_py.server.io_server import explain, withBacklog

__all__ = ["SharedSockets", "checkEndpoint", "contextOf"]

_KINDS = ("tcp", "tcp6", "unix", "ssl")


def checkEndpoint(endpoint: str) -> None:
    """Say whether workers can share an endpoint.

    Raises:
        LocalError: They cannot.
    """
    kind = endpoint.partition(":")[0]
    if kind not in _KINDS:
        raise LocalError(f"{endpoint}: workers share tcp:, tcp6:, unix: and ssl: endpoints only")
    if kind == "ssl" and (found := re.search(r":(sslmethod|dhParameters)=", endpoint)):
        raise LocalError(f"{endpoint}: workers cannot share an endpoint with {found[1]}")


def contextOf(pem: dict[str, Any]) -> CertificateOptions:
    """What TLS is spoken with, in a worker; see :meth:`SharedSockets.describe`."""
    own = PrivateCertificate.loadPEM(pem["own"])
    chain = [Certificate.loadPEM(one).original for one in pem["chain"]]
    return CertificateOptions(own.privateKey.original, own.original, extraCertChain=chain)


class SharedSockets:
    """Sockets by what they are for, opened as Twisted opens endpoints.

    The parent accepts nobody: it keeps them open, so that who knocks while a worker is restarted
    waits for the next one, and knows them by descriptor, so that its own user need not be allowed
    to open them again.

    Args:
        reactor: The reactor.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._opened: list[tuple[str, IListeningPort, dict[str, Any] | None]] = []

    def open(self, purpose: str, endpoint: str) -> IListeningPort:
        """Open a socket.

        Args:
            purpose: What it is for; a worker finds it under this name.
            endpoint: Twisted's endpoint string.

        Returns:
            The port.

        Raises:
            CannotListenError: It cannot be opened.
            LocalError: There is no such endpoint, or workers cannot share it.
        """
        checkEndpoint(endpoint)
        opener = _Opener(self._reactor)
        results: list[Any] = []
        port: Any
        listening = maybeDeferred(
            lambda: serverFromString(opener, withBacklog(endpoint)).listen(_SharedSocket())
        )
        listening.addErrback(explain, endpoint).addBoth(results.append)
        # All of these kinds open at once, or fail at once.
        [port] = results
        if not IListeningPort.providedBy(port):
            port.raiseException()
        port.stopReading()
        opened: IListeningPort = port
        self._opened.append((purpose, opened, opener.pem))
        return opened

    @property
    def descriptors(self) -> list[int]:
        """All of them, in order."""
        return [port.fileno() for _, port, _ in self._opened]  # type: ignore[attr-defined]

    def describe(self) -> list[dict[str, Any]]:
        """What a worker has to know of each, in the same order: the purpose, and what TLS needs."""
        return [{"purpose": purpose, "pem": pem} for purpose, _, pem in self._opened]

    def close(self) -> Deferred[Any]:
        """Let nobody in any more, in any of the processes."""
        opened, self._opened = self._opened, []
        # This shuts down the sockets themselves, which closing their descriptors here would not.
        return DeferredList([maybeDeferred(port.stopListening) for _, port, _ in opened])


class _SharedSocket(Factory):
    """Accepts nobody, and says nothing about it."""

    noisy = False


class _Opener:
    """Twisted's reactor, which for TLS opens a plain socket and remembers what TLS needs."""

    def __init__(self, reactor: Any) -> None:
        self.pem: dict[str, Any] | None = None
        self.listenTCP = reactor.listenTCP
        self.listenUNIX = reactor.listenUNIX

    def listenSSL(
        self, port: int, factory: Any, contextFactory: Any, backlog: int, interface: str
    ) -> IListeningPort:
        def text(certificate: Any) -> str:
            return str(certificate.to_cryptography().public_bytes(Encoding.PEM), "ascii")

        key = contextFactory.privateKey.to_cryptography_key().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        own = text(contextFactory.certificate) + key.decode()
        self.pem = {"own": own, "chain": [text(one) for one in contextFactory.extraCertChain]}
        listening: IListeningPort = self.listenTCP(port, factory, backlog, interface)
        return listening
