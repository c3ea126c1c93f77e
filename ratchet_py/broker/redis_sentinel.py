"""Where the master is, of several Redis that sentinels look after.

txredisapi has a client of Sentinel, too. It speaks no TLS with the master, waits for ten seconds
when no sentinel knows one, and does not listen to what the sentinels say; so the questions are
asked here, over the same links as everything else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.logger import Logger
from zope.interface import implementer

from ratchet_py.broker.redis_address import RedisAddress
from ratchet_py.broker.redis_link import Link, command

__all__ = ["MasterEndpoint", "watch"]

log = Logger()

_SWITCH = b"+switch-master"

# Seconds that one sentinel has to answer, before the next one is asked.
_PATIENCE = 1.0


@implementer(IStreamClientEndpoint)
class MasterEndpoint:
    """Asks the sentinels for the master each time, and connects to that.

    Each time another sentinel is asked first, as one of them may be behind the others.

    Args:
        address: With sentinels.
        reactor: Twisted's.
        timeout: Seconds that connecting to the master may take.
    """

    def __init__(self, address: RedisAddress, reactor: Any, timeout: float) -> None:
        self._address = address
        self._reactor = reactor
        self._timeout = timeout
        self._sentinels = deque(address.sentinels)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect to the master of the moment; its protocol's ``server`` says where that is.

        Returns:
            A Deferred of the protocol. It fails with a ``ConnectionError`` if no sentinel knows a
            master, or if the master cannot be reached.
        """
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> Any:
        host, port = await self._find()
        master = replace(self._address, host=host, port=port, sentinels=())
        protocol: Any = await master.endpoint(self._reactor, self._timeout).connect(factory)
        protocol.server = f"{host}:{port}"
        return protocol

    async def _find(self) -> tuple[str, int]:
        self._sentinels.rotate(-1)
        faults = []
        for sentinel in tuple(self._sentinels):
            try:
                return await self._ask(sentinel)
            except CancelledError:
                raise
            except Exception as exc:
                faults.append(f"{sentinel}: {exc or type(exc).__name__}")
        raise ConnectionError(f"no sentinel has said where the master is ({'; '.join(faults)})")

    async def _ask(self, sentinel: RedisAddress) -> tuple[str, int]:
        answer: Deferred[Any] = Deferred()
        name = self._address.master

        def ask() -> None:
            link.write(command(b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", name.encode()))

        def answered(reply: Any) -> None:
            if not answer.called:
                answer.callback(reply)

        endpoint = sentinel.endpoint(self._reactor, _PATIENCE)
        link = Link(sentinel, endpoint, self._reactor, _PATIENCE, ask, answered, answered)
        link.start()
        try:
            reply = await answer
        finally:
            link.stop()
        if isinstance(reply, BaseException):
            raise reply
        if type(reply) is not list:
            raise ConnectionError(f"it knows no master called {name!r}")
        host, port = reply
        return host.decode(), int(port)


def watch(
    address: RedisAddress, reactor: Any, timeout: float, onMoved: Callable[[str], object]
) -> list[Link]:
    """Listen to the sentinels, as one of them may be lost together with the master.

    Args:
        address: With sentinels.
        reactor: Twisted's.
        timeout: Seconds; see :class:`~ratchet_py.broker.redis_link.Link`.
        onMoved: Called when there is a new master, with what a link to it has as its ``server``.

    Returns:
        The links, to be started and stopped.
    """
    return [_watchOne(each, address, reactor, timeout, onMoved) for each in address.sentinels]


def _watchOne(
    sentinel: RedisAddress,
    address: RedisAddress,
    reactor: Any,
    timeout: float,
    onMoved: Callable[[str], object],
) -> Link:
    isMissed = False

    def onUp() -> None:
        nonlocal isMissed
        isMissed = False
        link.write(command(b"SUBSCRIBE", _SWITCH))

    def onDown(reason: BaseException) -> None:
        nonlocal isMissed
        if not isMissed:
            isMissed = True
            log.warn(
                "the sentinel {sentinel} is out of hearing ({reason})",
                sentinel=sentinel,
                reason=str(reason) or type(reason).__name__,
            )

    def onReply(reply: Any) -> None:
        # +switch-master NAME OLD-HOST OLD-PORT NEW-HOST NEW-PORT
        if type(reply) is list and reply[:2] == [b"message", _SWITCH]:
            name, _, _, host, port = reply[2].decode().split(" ")
            if name == address.master:
                onMoved(f"{host}:{port}")
        elif isinstance(reply, Exception):
            link.drop(reply)

    endpoint = sentinel.endpoint(reactor, timeout)
    link = Link(sentinel, endpoint, reactor, timeout, onUp, onDown, onReply)
    return link
