"""A connection to Redis that is made anew whenever it is lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from txredisapi import InvalidData, RedisProtocol, ResponseError

from ratchet_py.broker.redis_address import RedisAddress

__all__ = ["Link", "command"]

_PING = b"*1\r\n$4\r\nPING\r\n"

_INITIAL_DELAY = 0.1
_MAX_DELAY = 10.0
# Twice as long each time; seven times is more than the longest.
_MAX_DOUBLINGS = 7


def command(*words: bytes) -> bytes:
    r"""A command of Redis as it is on the wire.

    Example:
        >>> command(b"SUBSCRIBE", b"news")
        b'*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n'
    """
    return b"*%d\r\n%b" % (len(words), b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words))


class Link:
    """One connection to Redis, made anew whenever it is lost.

    It is up when Redis has let us in and has answered a PING, and if sentinels have named it says
    that it is a master. From then on every reply goes to ``onReply``, those to further PINGs
    included: the library's own bookkeeping, two Deferreds for each command, is passed by.

    Args:
        address: How to get in.
        endpoint: How to connect.
        reactor: Twisted's.
        timeout: Seconds without a word from Redis after which it is asked, and again as many until
            it counts as lost.
        onUp: Called when the link is up.
        onDown: Called with the reason when it is not any more, and when it could not be.
        onReply: Called with each reply.
        onAsk: Called when a PING has been written whose answer will be such a reply.

    Attributes:
        isUp: Whether it is.
    """

    def __init__(
        self,
        address: RedisAddress,
        endpoint: IStreamClientEndpoint,
        reactor: Any,
        timeout: float,
        onUp: Callable[[], None],
        onDown: Callable[[BaseException], None],
        onReply: Callable[[Any], None],
        onAsk: Callable[[], object] = lambda: None,
    ) -> None:
        self.isUp = False
        self.onReply = onReply
        self._onAsk = onAsk
        self._address = address
        self._endpoint = endpoint
        self._reactor = reactor
        self._timeout = timeout
        self._onUp = onUp
        self._onDown = onDown
        self._attempts = 0
        self._upSince = 0.0
        self._heard = False
        self._connecting: Deferred[Any] | None = None
        self._protocol: _Protocol | None = None
        self._reason: BaseException | None = None
        # The next attempt, or the next look whether Redis is there.
        self._later: IDelayedCall | None = None
        self._stopped: Deferred[None] | None = None

    @property
    def server(self) -> str:
        """Where it is connected to, if sentinels have said where that is; else empty."""
        return "" if self._protocol is None else self._protocol.server

    def start(self) -> None:
        """Connect."""
        self._later = None
        self._connecting = self._endpoint.connect(_Factory(self, self._address))
        self._connecting.addCallbacks(self._connected, self._failed)

    def stop(self) -> Deferred[None]:
        """Send what waits, disconnect, and stay so.

        Returns:
            A Deferred that fires when the connection is gone.
        """
        if self._stopped is not None:
            return succeed(None)
        self._stopped = Deferred()
        self._cancel()
        stopped = self._stopped
        if self._protocol is not None:
            self._protocol.transport.loseConnection()
            # A server that does not take what waits has the time of a beat.
            self._later = self._reactor.callLater(self._timeout, self._protocol.abort)
        elif self._connecting is not None:
            self._connecting.cancel()
        else:
            stopped.callback(None)
        return stopped

    def write(self, data: bytes) -> None:
        """Send commands; the link is up."""
        assert self._protocol is not None
        self._protocol.transport.write(data)

    def drop(self, reason: BaseException) -> None:
        """Give this connection up and make another one."""
        if self._protocol is not None:
            self.blame(reason)
            self._protocol.abort()

    def move(self, server: str) -> None:
        """Be connected to this one of several servers, and try it soon, however long it was away.

        Args:
            server: As in :attr:`server`.
        """
        if self._stopped is not None or (self._protocol is not None and self.server == server):
            return
        self._attempts = 0
        if self._protocol is not None:
            self.drop(ConnectionError(f"the master is {server} now"))
        elif self._connecting is not None:
            self._connecting.cancel()
        elif self._later is not None:
            self._later.reset(_jittered(_INITIAL_DELAY))

    def blame(self, reason: BaseException) -> None:
        """For the protocol: why the connection will be lost; the first reason counts."""
        self._reason = self._reason or reason

    def heard(self) -> None:
        """For the protocol: Redis has said something."""
        self._heard = True

    def opened(self, protocol: _Protocol) -> None:
        """For the protocol: there is a connection."""
        self._protocol = protocol
        if self._stopped is None:
            self._ask()

    def up(self) -> None:
        """For the protocol: Redis has let us in and has answered."""
        if self._stopped is not None:
            return
        self.isUp = True
        self._upSince = self._reactor.seconds()
        self._onUp()

    def lost(self) -> None:
        """For the protocol: the connection is gone."""
        self._protocol = None
        self._cancel()
        wasLong = self.isUp and self._reactor.seconds() - self._upSince > _MAX_DELAY
        self.isUp = False
        # One that lets us in and throws us out again must not be tried as fast as one that was
        # there for long.
        reason = self._reason or ConnectionError("the connection was lost")
        self._retry(reason, 0 if wasLong else self._attempts)

    def _connected(self, _: object) -> None:
        self._connecting = None
        if self._stopped is not None and self._protocol is not None:
            self._protocol.abort()

    def _failed(self, failure: Failure) -> None:
        self._connecting = None
        self._retry(_reasonOf(failure), self._attempts)

    def _retry(self, reason: BaseException, attempts: int) -> None:
        self._reason = None
        if self._stopped is not None:
            self._stopped.callback(None)
            return
        self._attempts = attempts + 1
        delay = min(_MAX_DELAY, _INITIAL_DELAY * 2 ** min(attempts, _MAX_DOUBLINGS))
        self._later = self._reactor.callLater(_jittered(delay), self.start)
        self._onDown(reason)

    def _beat(self) -> None:
        if self._heard:
            self._ask()
        else:
            # After one more look at the socket: a process that was busy for so long has not read.
            self._later = self._reactor.callLater(0, self._judge)

    def _judge(self) -> None:
        if self._heard:
            self._ask()
        else:
            self.drop(TimeoutError(f"silent for {self._timeout:g} seconds"))

    def _ask(self) -> None:
        self._heard = False
        if self.isUp:
            self.write(_PING)
            self._onAsk()
        self._later = self._reactor.callLater(self._timeout, self._beat)

    def _cancel(self) -> None:
        later, self._later = self._later, None
        if later is not None and later.active():
            later.cancel()


def _jittered(delay: float) -> float:
    # Many nodes lose the same Redis at the same time, and are not to come back at the same.
    return delay * random.uniform(0.5, 1)


def _reasonOf(failure: Failure) -> BaseException:
    assert failure.value is not None
    return failure.value


class _Protocol(RedisProtocol):  # type: ignore[misc]  # it has no types
    """One connection; txredisapi's, until it is up.

    Attributes:
        server: Which of several servers this is; whoever has chosen it writes it here.
    """

    # What txredisapi asks of its factory: it reports there that it was not let in.
    isLazy = False

    def __init__(self, link: Link, address: RedisAddress) -> None:
        super().__init__(
            charset=None,
            convertNumbers=False,
            username=address.username,
            password=address.password,
            dbid=address.database or None,
        )
        self.factory = self
        self.server = ""
        self._link: Link = link
        self._mustBeMaster = bool(address.sentinels)
        self._isUp = False

    def connectionMade(self) -> None:
        # For TCP: what is written in one turn of the reactor goes out at once, and at its end.
        setTcpNoDelay = getattr(self.transport, "setTcpNoDelay", None)
        if setTcpNoDelay is not None:
            setTcpNoDelay(True)
        self._link.opened(self)
        self.whenConnected().addCallback(self._isIn)
        super().connectionMade()

    def dataReceived(self, data: bytes, unpause: bool = False) -> None:
        self._link.heard()
        try:
            super().dataReceived(data, unpause)
        except InvalidData as exc:
            self._link.drop(ConnectionError(f"what answers is no Redis: {exc}"))

    def replyReceived(self, reply: Any) -> None:
        if self._isUp:
            self._link.onReply(reply)
        else:
            super().replyReceived(reply)

    def connectionLost(self, why: Failure) -> None:
        # First, because txredisapi only says then that a reply is missing.
        self._link.blame(_reasonOf(why))
        super().connectionLost(why)
        self._link.lost()

    def abort(self) -> None:
        self.transport.abortConnection()

    def stopTrying(self) -> None:
        # Not being let in is a state that an operator can end.
        pass

    def connectionError(self, message: str) -> None:
        self._link.drop(ResponseError(message))

    def _isIn(self, _: object) -> None:
        # Only now a wrong or missing password shows, or that Redis is still loading its data.
        answered = self.ping().addCallback(self._checkPong)
        if self._mustBeMaster:
            answered.addCallback(lambda _: self.role()).addCallback(self._checkRole)
        answered.addCallbacks(self._answered, self._refused)

    def _checkPong(self, reply: Any) -> None:
        # Without Redis's own parser it is text.
        if reply not in (b"PONG", "PONG"):
            raise ConnectionError(f"what answers is no Redis: {str(reply)[:40]}")

    def _checkRole(self, role: list[Any]) -> None:
        # What is published to a replica, the others do not hear.
        if role[0] not in (b"master", "master"):
            raise ConnectionError(f"{self.server} is no master (yet)")

    def _answered(self, _: object) -> None:
        self._isUp = True
        self._link.up()

    def _refused(self, failure: Failure) -> None:
        self._link.drop(_reasonOf(failure))


class _Factory(Factory):
    noisy = False

    def __init__(self, link: Link, address: RedisAddress) -> None:
        self._link = link
        self._address = address

    def buildProtocol(self, addr: IAddress | None) -> Any:
        return _Protocol(self._link, self._address)
