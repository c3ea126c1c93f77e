"""How a worker takes clients from a socket that it shares with others."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IListeningPort,
    IReadDescriptor,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from ratchet_py.workers.loads import Loads

__all__ = ["Acceptor", "InheritedEndpoint", "Share", "addressOf"]

log = Logger()

# How long who has more clients than another leaves a newcomer to that one: many turns of a reactor,
# and nothing that the newcomer would notice, should the other one be stuck.
_PATIENCE = 0.005

# How many are accepted in one go after that, or while nobody has fewer.
_BATCH = 16

# How long nobody is accepted when the system has no room; who knocks waits in its queue.
_FULL = 0.2

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def addressOf(listening: socket.socket) -> IAddress:
    """A socket's own address, as Twisted has it."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return UNIXAddress(name)
    if listening.family == socket.AF_INET6:
        return IPv6Address("TCP", *name)
    return IPv4Address("TCP", *name)


class Share:
    """Whether a worker has its share of the clients already.

    Args:
        loads: What all of them have.
        worker: Which one this is, from 0.
        clients: Counts its own.
    """

    def __init__(self, loads: Loads, worker: int, clients: Callable[[], int]) -> None:
        self._loads = loads
        self._worker = worker
        self._clients = clients

    def isAhead(self) -> bool:
        """Whether another worker has fewer clients, by more than one in 64."""
        own = self._clients()
        self._loads.put(self._worker, own)
        least = self._loads.least()
        return own > least + least // 64

    def leave(self) -> None:
        """The worker takes nobody any more."""
        self._loads.leave(self._worker)


@implementer(IListeningPort, IReadDescriptor)
class Acceptor:
    """Accepts from a socket that other processes accept from, too.

    A socket wakes all of them for each client. Who has the fewest takes it; the others look again
    a little later, and take it then if nobody has. So the clients are shared out evenly, a worker
    that has just been started gets the next ones, and none waits for a worker that is stuck.

    A port of Twisted's own would take as many as it can get, and of a UNIX socket it would change
    the mode, and remove the file when one worker ends.

    Args:
        reactor: The reactor.
        listening: The socket.
        factory: Makes the protocols.
        share: Says whether it is another worker's turn; None where there is no other.
    """

    def __init__(
        self, reactor: Any, listening: socket.socket, factory: Factory, share: Share | None
    ) -> None:
        self._reactor = reactor
        self._socket = listening
        self._factory = factory
        self._share = share
        self._later: IDelayedCall | None = None
        self._listening = False

    def startListening(self) -> None:
        """Begin to accept (IListeningPort)."""
        self._socket.setblocking(False)
        self._listening = True
        self._isAhead()  # from now on the others count with this one
        self._factory.doStart()
        self._reactor.addReader(self)

    def stopListening(self) -> Deferred[None]:
        """Accept nobody any more; what others accept is theirs (IListeningPort)."""
        if self._listening:
            self._listening = False
            if self._share is not None:
                self._share.leave()
            self._reactor.removeReader(self)
            if self._later is not None:
                self._later.cancel()
            self._socket.close()
            self._factory.doStop()
        return succeed(None)

    def getHost(self) -> IAddress:
        """Where it listens (IListeningPort)."""
        return addressOf(self._socket)

    def fileno(self) -> int:
        """The socket's descriptor (IFileDescriptor)."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """What it is called in the log (ILoggingContext)."""
        return type(self).__name__

    def connectionLost(self, reason: object) -> None:
        """The reactor ends (IFileDescriptor)."""
        self.stopListening()

    def doRead(self) -> None:
        """Somebody knocks (IReadDescriptor)."""
        for _ in range(_BATCH):
            if self._isAhead():
                self._pause(_PATIENCE)
                return
            if not self._accept():
                return

    def _isAhead(self) -> bool:
        return self._share is not None and self._share.isAhead()

    def _pause(self, seconds: float) -> None:
        self._reactor.removeReader(self)
        self._later = self._reactor.callLater(seconds, self._resume)

    def _resume(self) -> None:
        self._later = None
        self._reactor.addReader(self)
        for _ in range(_BATCH):
            if not self._accept():
                return

    def _accept(self) -> bool:
        """Take one client.

        Returns:
            Whether there may be another.
        """
        try:
            client, _ = self._socket.accept()
        except OSError as exc:
            self._cannotAccept(exc)
            return False
        with client:
            client.setblocking(False)
            try:
                self._reactor.adoptStreamConnection(client.fileno(), client.family, self._factory)
            except OSError as exc:
                # It is gone already.
                log.debug("a client could not be taken: {exc}", exc=exc)
        return self._listening and self._later is None

    def _cannotAccept(self, exc: OSError) -> None:
        if exc.errno in _NO_ROOM:
            log.warn("no client can be accepted: {exc}", exc=exc)
            self._pause(_FULL)
        elif exc.errno == errno.EINVAL:
            # Our parent has shut it down for all of us.
            self._reactor.removeReader(self)


@implementer(IStreamServerEndpoint)
class InheritedEndpoint:
    """A socket that the parent has opened, as an endpoint.

    Args:
        reactor: The reactor.
        fd: The socket's descriptor.
        share: Says whether it is another worker's turn; None where there is no other.
        context: For TLS: what it is spoken with.
    """

    def __init__(self, reactor: Any, fd: int, share: Share | None, context: Any = None) -> None:
        self._reactor = reactor
        self._socket = socket.socket(fileno=fd)
        self._share = share
        self._context = context

    def listen(self, protocolFactory: Any) -> Deferred[IListeningPort]:
        """Begin to accept (IStreamServerEndpoint)."""
        if self._context is not None:
            protocolFactory = TLSMemoryBIOFactory(self._context, False, protocolFactory)
        port = Acceptor(self._reactor, self._socket, protocolFactory, self._share)
        port.startListening()
        return succeed(port)
