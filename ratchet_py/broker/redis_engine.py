"""What the brokers of one process have in common: two connections to one Redis."""

from __future__ import annotations

import os
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.logger import Logger

from ratchet_py.broker.envelope import signature
from ratchet_py.broker.redis_address import RedisAddress
from ratchet_py.broker.redis_link import Link, command
from ratchet_py.broker.redis_sentinel import MasterEndpoint, watch

__all__ = ["RedisEngine", "RedisTally"]

log = Logger()

# What Redis has not confirmed yet: its size, and who wants to know whom it has reached.
_Sent: TypeAlias = tuple[int, Callable[[int | None], object] | None]

# Among these: a question whether Redis is there.
_ASKED: _Sent = (0, None)

# How many channels one command names at most: Redis serves nobody else meanwhile.
_CHANNELS = 1000

_STARTING, _UP, _LOST, _CLOSED = range(4)


class RedisTally:
    """What has happened between one process and Redis.

    Attributes:
        published: Publications that Redis has confirmed.
        lost: Publications that other processes have not got, or may not have got: Redis was away,
            or too far behind, or it was lost before it confirmed them, or refused them.
        received: Publications of others that have arrived.
        malformed: Messages that have arrived and are no publications, or such as the format of a
            subscriber here has no words for.
        outages: How often Redis was lost.
        isUp: Whether Redis is there and has all subscriptions.
        waiting: Bytes of publications that Redis has not confirmed yet.
        subscriptions: Topics that this process wants to hear of.
    """

    __slots__ = (
        *("isUp", "lost", "malformed", "outages", "published"),
        *("received", "subscriptions", "waiting"),
    )

    def __init__(self) -> None:
        self.published = 0
        self.lost = 0
        self.received = 0
        self.malformed = 0
        self.outages = 0
        self.isUp = False
        self.waiting = 0
        self.subscriptions = 0


class RedisEngine:
    """Two connections to one Redis, one for what goes out and one for what comes in.

    Args:
        address: Where it is.
        reactor: Twisted's.
        buffer: Bytes that Redis may not have confirmed yet; what is more is lost.
        timeout: Seconds; see :class:`~ratchet_py.broker.redis_link.Link`.
        onLost: Called when Redis is lost.
        onBack: Called when it is there again, and has all subscriptions.

    Attributes:
        node: The name of this process.
        tally: What has happened.
    """

    def __init__(
        self,
        address: RedisAddress,
        reactor: Any,
        buffer: int,
        timeout: float,
        onLost: Callable[[BaseException], object],
        onBack: Callable[[], object],
    ) -> None:
        self.tally = RedisTally()
        self._name()
        self._address = address
        self._onLost = onLost
        self._onBack = onBack
        self._reactor = reactor
        self._trigger: Any = None
        self._isEnding = False
        self._state = _STARTING
        self._isMisled = False
        # What goes out.
        self._buffer = buffer
        self._waiting: list[bytes] = []
        self._unconfirmed: deque[_Sent] = deque()
        self._isRefused = False
        # What comes in: who wants what, what Redis knows of it, and what it has to be told.
        self._wanted: dict[bytes, Callable[[bytes], object]] = {}
        self._asked: set[bytes] = set()
        self._changed: dict[bytes, None] = {}
        self._unanswered = 0
        self._settling: list[Deferred[None]] = []
        endpoint: IStreamClientEndpoint
        if address.sentinels:
            endpoint = MasterEndpoint(address, reactor, timeout)
        else:
            endpoint = address.endpoint(reactor, timeout)
        self._out = Link(
            *(address, endpoint, reactor, timeout),
            *(self._outIsUp, self._outIsDown, self._confirmed),
            lambda: self._unconfirmed.append(_ASKED),
        )
        self._in = Link(
            *(address, endpoint, reactor, timeout), *(self._inIsUp, self._inIsDown, self._arrived)
        )
        self._links = [self._out, self._in]
        if address.sentinels:
            self._links += watch(address, reactor, timeout, self._moved)
        reactor.callWhenRunning(self._start)

    def publish(
        self,
        channel: bytes,
        message: bytes,
        told: Callable[[int | None], object] | None = None,
    ) -> None:
        """Send a message to the other processes, without waiting.

        Args:
            channel: The channel.
            message: The message.
            told: Called once with how many processes Redis has told, or with None if it has told
                nobody, as far as is known.
        """
        size = len(channel) + len(message)
        isKept = self._state in (_STARTING, _UP) or (self._state == _LOST and self._out.isUp)
        if not isKept or self.tally.waiting + size > self._buffer:
            self.tally.lost += 1
            if told is not None:
                told(None)
            return
        self.tally.waiting += size
        self._unconfirmed.append((size, told))
        publish = command(b"PUBLISH", channel, message)
        if self._out.isUp:
            # What is written within one turn of the reactor leaves together.
            self._out.write(publish)
        else:
            self._waiting.append(publish)

    def subscribe(self, channel: bytes, deliver: Callable[[bytes], object]) -> None:
        """Have what others publish on a channel delivered."""
        self._wanted[channel] = deliver
        self.tally.subscriptions = len(self._wanted)
        self._changed[channel] = None
        self._tell()

    def unsubscribe(self, channel: bytes) -> None:
        """Have no more of a channel delivered."""
        if self._wanted.pop(channel, None) is not None:
            self.tally.subscriptions = len(self._wanted)
            self._changed[channel] = None
            self._tell()

    def settled(self) -> Deferred[None]:
        """Wait until Redis has confirmed everything so far.

        Returns:
            A Deferred that fires when it has, or when there is nothing more to wait for because the
            engine was closed.
        """
        if self._isSettled() or self._state == _CLOSED:
            return succeed(None)
        settling: Deferred[None] = Deferred()
        self._settling.append(settling)
        return settling

    def close(self) -> Deferred[Any]:
        """Send what waits and disconnect for good.

        Returns:
            A Deferred that fires when both connections are gone.
        """
        self._state = _CLOSED
        self.tally.isUp = False
        if self._trigger is not None:
            self._reactor.removeSystemEventTrigger(self._trigger)
            self._trigger = None
        self._settle()
        stopped = [link.stop() for link in self._links]
        stopped[0].addCallback(self._forget)
        return gatherResults(stopped)

    def malformed(self, channel: bytes, exc: Exception) -> None:
        """Somebody has published what is no publication, or what some client cannot be told."""
        self.tally.malformed += 1
        if not self._isMisled:
            # Once: whoever does it may do it often.
            self._isMisled = True
            log.warn(
                "what somebody publishes to Redis on {channel!r} cannot be delivered: {exc}; this "
                "and what follows of the kind is dropped and counted",
                channel=channel,
                exc=exc,
            )

    def _start(self) -> None:
        if self._state != _STARTING:
            return
        if self._process != os.getpid():
            # The program was loaded in a process that has forked since, perhaps more than once.
            self._name()
        self._trigger = self._reactor.addSystemEventTrigger("before", "shutdown", self._ending)
        for link in self._links:
            link.start()

    def _name(self) -> None:
        self._process = os.getpid()
        self.node = secrets.token_hex(8)
        self._signature = signature(self.node)

    def _moved(self, server: str) -> None:
        for link in (self._out, self._in):
            link.move(server)

    def _ending(self) -> None:
        # The reactor will close the connections when the last client is gone: that is no loss.
        self._trigger = None
        self._isEnding = True
        for link in self._links[2:]:
            link.stop()

    def _outIsUp(self) -> None:
        self._isRefused = False
        self._out.write(b"".join(self._waiting))
        self._waiting.clear()
        self._isAt(self._in, self._out.server)
        self._checkState()

    def _outIsDown(self, reason: BaseException) -> None:
        self.tally.lost += sum(sent is not _ASKED for sent in self._unconfirmed)
        self._waiting.clear()
        self.tally.waiting = 0
        self._lost(reason)
        self._forget()

    def _confirmed(self, reply: Any) -> None:
        if not self._unconfirmed:
            self._out.drop(ConnectionError("Redis has answered what was not asked"))
            return
        sent = self._unconfirmed.popleft()
        if sent is _ASKED:
            return
        size, told = sent
        self.tally.waiting -= size
        isError = isinstance(reply, Exception)
        if not isError:
            self.tally.published += 1
        else:
            self.tally.lost += 1
            if not self._isRefused:
                self._isRefused = True
                log.error(
                    "Redis at {address} refuses what is published: {reply}; it stays in this "
                    "process until Redis takes it",
                    address=self._address,
                    reply=reply,
                )
        if told is not None:
            told(reply if type(reply) is int else None)
        if self._settling and self._isSettled():
            self._settle()

    def _forget(self, _: None = None) -> None:
        """Nothing more is heard of what was sent."""
        forgotten, self._unconfirmed = self._unconfirmed, deque()
        for _size, told in forgotten:
            if told is not None:
                told(None)

    def _inIsUp(self) -> None:
        self._changed = dict.fromkeys(self._wanted)
        self._tell()
        self._isAt(self._out, self._in.server)
        self._checkState()

    def _inIsDown(self, reason: BaseException) -> None:
        self._asked.clear()
        # What is wanted is told when it is up again.
        self._changed.clear()
        self._unanswered = 0
        self._lost(reason)

    def _tell(self) -> None:
        # One batch at a time: what changes until it is answered is in the next one, and what has
        # changed back in none.
        if not self._in.isUp:
            self._changed.clear()
            return
        if self._unanswered:
            return
        more = [each for each in self._changed if each in self._wanted and each not in self._asked]
        less = [each for each in self._changed if each not in self._wanted and each in self._asked]
        self._changed.clear()
        for channels in _batches(more):
            self._in.write(command(b"SUBSCRIBE", *channels))
        for channels in _batches(less):
            self._in.write(command(b"UNSUBSCRIBE", *channels))
        self._asked.update(more)
        self._asked.difference_update(less)
        self._unanswered = len(more) + len(less)

    def _arrived(self, reply: Any) -> None:
        if type(reply) is not list or not reply:
            if isinstance(reply, Exception):
                self._in.drop(reply)
            return
        kind = reply[0]
        if kind == b"message":
            _, channel, message = reply
            deliver = self._wanted.get(channel)
            # Who is here has had it when it was published.
            if deliver is not None and not message.startswith(self._signature):
                deliver(message)
        elif kind in (b"subscribe", b"unsubscribe"):
            self._unanswered -= 1
            if not self._unanswered:
                self._tell()
                self._checkState()

    def _isAt(self, other: Link, server: str) -> None:
        # Who publishes to one master and listens to another hears nobody. As long as sentinels
        # disagree, this comes round with growing pauses.
        if other.isUp and other.server != server:
            other.drop(ConnectionError(f"the master is {server} now"))

    def _checkState(self) -> None:
        if self._out.isUp and self._in.isUp and not self._unanswered:
            before, self._state = self._state, _UP
            self.tally.isUp = True
            if before == _LOST:
                log.info("Redis at {address} is back", address=self._address)
                _callHook(self._onBack)
        if self._settling and self._isSettled():
            self._settle()

    def _lost(self, reason: BaseException) -> None:
        if self._state not in (_STARTING, _UP) or self._isEnding:
            return
        self._state = _LOST
        self.tally.isUp = False
        self.tally.outages += 1
        log.error(
            "Redis at {address} is lost ({reason}): what is published stays in this process until "
            "it is back",
            address=self._address,
            reason=str(reason) or type(reason).__name__,
        )
        _callHook(self._onLost, reason)

    def _isSettled(self) -> bool:
        return self._state == _UP and not (self._unconfirmed or self._unanswered or self._changed)

    def _settle(self) -> None:
        settling, self._settling = self._settling, []
        for each in settling:
            each.callback(None)


def _batches(channels: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(channels), _CHANNELS):
        yield channels[start : start + _CHANNELS]


def _callHook(hook: Callable[..., object], *args: object) -> None:
    try:
        hook(*args)
    except Exception:
        log.failure("a hook of the broker has failed")
