"""Sessions that PHP keeps in memcached."""

from __future__ import annotations

import zlib
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.protocols.memcache import MemCacheProtocol
from twisted.python.failure import Failure

from ratchet_py.session.interfaces import SessionHandlerInterface
from ratchet_py.session.serialize.interfaces import MalformedSession
from ratchet_py.session.stored import MAX_SIZE

__all__ = ["MemcachedSessionHandler"]

# What PHP's extension notes beside a value that it has compressed.
_COMPRESSED, _BY_ZLIB = 1 << 4, 1 << 5


class MemcachedSessionHandler(SessionHandlerInterface):
    r"""``session.save_handler = memcached``, or ``Symfony\...\MemcachedSessionHandler``.

    It connects when it is asked, and keeps the connection as long as it lasts.

    Args:
        endpoint: Where memcached is, as one of Twisted's client endpoint strings.
        prefix: What a key has before the id: that of PHP's extension if not given, ``sf2s`` for
            Symfony's handler.
        timeout: Seconds until memcached counts as lost, when it does not answer.

    Raises:
        ValueError: The endpoint is none.
    """

    def __init__(
        self,
        endpoint: str = "tcp:localhost:11211:timeout=5",
        prefix: str = "memc.sess.key.",
        timeout: int = 5,
    ) -> None:
        from twisted.internet import reactor

        self._endpoint = clientFromString(reactor, endpoint)
        self._prefix = prefix
        self._timeout = timeout
        self._protocol: Any = None
        # Those who wait for a connection.
        self._waiting: list[Deferred[Any]] = []

    async def read(self, id: str) -> bytes:
        """Ask memcached.

        Raises:
            MalformedSession: PHP has compressed it by FastLZ; zlib can be read.
        """
        key = (self._prefix + id).encode()
        if len(key) > MemCacheProtocol.MAX_KEY_LENGTH:
            return b""
        protocol = self._protocol or await self._connected()
        flags, value = await protocol.get(key)
        if value is None or not flags & _COMPRESSED:
            return value or b""
        if not flags & _BY_ZLIB:
            raise MalformedSession("compressed by FastLZ: set memcached.compression_type to zlib")
        try:
            # Before it stands how long it is otherwise.
            return zlib.decompressobj().decompress(value[4:], MAX_SIZE + 1)
        except zlib.error as exc:
            raise MalformedSession(str(exc)) from None

    def close(self) -> None:
        """Disconnect, until it is asked again."""
        if self._protocol is not None:
            self._protocol.transport.loseConnection()

    def _connected(self) -> Deferred[Any]:
        waiting: Deferred[Any] = Deferred()
        self._waiting.append(waiting)
        if len(self._waiting) == 1:
            connecting = self._endpoint.connect(_Factory(self, self._timeout))
            connecting.addBoth(self._tell)
        return waiting

    def _tell(self, result: Any) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(result)

    def connected(self, protocol: _Protocol) -> None:
        """For the protocol: it is connected."""
        self._protocol = protocol

    def lost(self, protocol: _Protocol) -> None:
        """For the protocol: it is of no use any more."""
        if self._protocol is protocol:
            self._protocol = None


class _Protocol(MemCacheProtocol):
    """One connection."""

    transport: Any

    def __init__(self, handler: MemcachedSessionHandler, timeout: int) -> None:
        super().__init__(timeout)  # type: ignore[no-untyped-call]
        self._handler = handler

    def connectionMade(self) -> None:
        super().connectionMade()  # type: ignore[no-untyped-call]
        self._handler.connected(self)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self._handler.lost(self)
        # The library leaves it running.
        self.setTimeout(None)  # type: ignore[no-untyped-call]
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def timeoutConnection(self) -> None:
        # First, as it is not to be asked again: the next answer would be that to the last question.
        self._handler.lost(self)
        super().timeoutConnection()  # type: ignore[no-untyped-call]
        self.transport.abortConnection()


class _Factory(Factory):
    noisy = False

    def __init__(self, handler: MemcachedSessionHandler, timeout: int) -> None:
        self._handler = handler
        self._timeout = timeout

    def buildProtocol(self, addr: IAddress | None) -> _Protocol:
        return _Protocol(self._handler, self._timeout)
