"""What a client sends, as fast as the transport takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IPushProducer, IReactorTime
from zope.interface import implementer

from ratchet_py.backlog import CHUNK, Backlog

__all__ = ["Outgoing"]


@implementer(IPushProducer)
class Outgoing:
    """The way out of one connection, over any transport.

    Args:
        transport: The transport.
        clock: The reactor.
        stallTimeout: Seconds that bytes may wait without any being taken.
        onStall: Called when they have.
        onDrained: Called whenever nothing waits any more.
    """

    def __init__(
        self,
        transport: Any,
        clock: IReactorTime,
        stallTimeout: float,
        onStall: Callable[[], object],
        onDrained: Callable[[], object],
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._stallTimeout = stallTimeout
        self._onStall = onStall
        self._onDrained = onDrained
        self._backlog: Backlog | None = None
        self._wantsMore = True
        transport.registerProducer(self, True)

    @property
    def size(self) -> int:
        """How many bytes wait here; up to 64 KiB more may wait in the transport."""
        return 0 if self._backlog is None else self._backlog.size

    def write(self, data: bytes) -> None:
        """Send bytes behind those that wait already."""
        if self._backlog is not None:
            self._backlog.add(data)
        elif len(data) <= CHUNK:
            self._transport.write(data)
        else:
            # In pieces: a transport says when it has sent all it was given, and nothing before.
            self._start().add(data)
            self.resumeProducing()

    def whenDrained(self) -> Deferred[None]:
        """Fire when nothing waits here; fail with the reason of the loss if that comes first."""
        if self._backlog is None:
            return succeed(None)
        drained: Deferred[None] = Deferred()
        self._backlog.drained.append(drained)
        return drained

    def lost(self, reason: Exception) -> None:
        """The connection is gone."""
        backlog, self._backlog = self._backlog, None
        if backlog is not None:
            backlog.stop()
            for drained in backlog.drained:
                if not drained.called:
                    drained.errback(reason)

    def pauseProducing(self) -> None:
        """The transport has enough for now (IPushProducer)."""
        self._wantsMore = False
        if self._backlog is None:
            self._start()

    def resumeProducing(self) -> None:
        """The transport wants more (IPushProducer)."""
        self._wantsMore = True
        while self._wantsMore and self._backlog is not None:
            self._writeNext(self._backlog)

    def stopProducing(self) -> None:
        """The transport is lost, and says so itself (IProducer)."""

    def _start(self) -> Backlog:
        self._backlog = Backlog(self._clock, self._stallTimeout, self._onStall)
        return self._backlog

    def _writeNext(self, backlog: Backlog) -> None:
        backlog.taken()
        data = backlog.next()
        if data:
            self._transport.write(data)
            return
        self._backlog = None
        backlog.stop()
        self._onDrained()
        # At last, because who has waited may well send more.
        for drained in backlog.drained:
            if not drained.called:
                drained.callback(None)
