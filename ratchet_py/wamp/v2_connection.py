"""A client that speaks version 2: what the application does not see of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from ratchet_py.dispatch import CANCELLATIONS
from ratchet_py.errors import CallError
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.wamp import curie as curies
from ratchet_py.wamp.v2 import PROTOCOL_VIOLATION, WampV2
from ratchet_py.wamp.v2_read import SUBSCRIBE
from ratchet_py.wamp.wamp_connection import CANCELLED, Handlers, WampConnection

if TYPE_CHECKING:
    from ratchet_py.wamp.authentication import Challenge
    from ratchet_py.wamp.topic import Topic

__all__ = ["V2Connection", "Waiting"]

# What a close of these codes means to a client of version 2; any other is a normal one.
_REASONS = {
    1001: "wamp.close.system_shutdown",
    1002: PROTOCOL_VIOLATION,
    1003: PROTOCOL_VIOLATION,
    1007: PROTOCOL_VIOLATION,
    1008: PROTOCOL_VIOLATION,
    1009: "wamp.error.payload_size_exceeded",
}
_NORMAL = "wamp.close.normal"

CANCELED = "wamp.error.canceled"
BY_THE_CALLER = "canceled by the caller"

# Most clients hold nothing of that kind.
_NO_CALLS: dict[Any, Deferred[Any]] = {}
_NO_WAITING: dict[str, Waiting] = {}
_NO_TOPICS: dict[int, str] = {}


class Waiting:
    """A subscription that the application has not decided on.

    The client closes when it gets an event of a subscription that has not been confirmed, so the
    events wait, those that ``onSubscribe`` itself sends included.

    Attributes:
        requests: What the answers are to carry; most clients ask once.
        decision: Fires when that is settled.
        events: The messages.
    """

    __slots__ = ("_conn", "_size", "decision", "events", "requests")

    def __init__(self, conn: V2Connection, request: int) -> None:
        self._conn = conn
        self._size = 0
        self.requests = [request]
        self.decision: Deferred[None] | None = None
        self.events: list[Any] = []

    def hold(self, message: Any) -> None:
        """Keep an event until the client knows its subscription."""
        if self._size > self._conn.maxHeld:
            self._conn.serverTally.exceeded["sendBuffer"] += 1
            self._conn.close(1013, "slow consumer")
            return
        self._size += len(message)
        self.events.append(message)


class V2Connection(WampConnection):
    """One client of version 2, to the application a WampConnection like any other.

    Attributes:
        stillOpening: The ``onOpen`` that has not finished; None before and after.
        isJoined: Whether the client has had its WELCOME.
        joinTimer: Closes the connection unless it joins in time.
        authenticating: What it takes to say who it is, while that goes on.
        openChallenge: What the client has to answer.
        undecided: Subscriptions that have not been decided on, by topic.
        subscribedNumbers: The topics of its subscriptions, by number.
        maxHeld: How many bytes of events may wait for one decision.
        runningCalls: What answers its calls, while that takes time, by the ids of the calls.
        forgetsCanceled: Whether it must not hear of a call again once it has canceled it, unless
            with the mode ``kill``.
    """

    __slots__ = (
        "authenticating",
        "forgetsCanceled",
        "isJoined",
        "joinTimer",
        "maxHeld",
        "openChallenge",
        "runningCalls",
        "stillOpening",
        "subscribedNumbers",
        "undecided",
    )

    codec: WampV2
    stillOpening: Deferred[None] | None
    isJoined: bool
    joinTimer: IDelayedCall | None
    authenticating: Deferred[Any] | None
    openChallenge: Challenge | None
    undecided: dict[str, Waiting]
    subscribedNumbers: dict[int, str]
    maxHeld: int
    runningCalls: dict[Any, Deferred[Any]]
    forgetsCanceled: bool

    def __init__(
        self,
        conn: ConnectionInterface,
        codec: WampV2,
        curie: curies.Rule = curies.auto,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__(conn, codec, curie, limits.callsInFlight)
        self.stillOpening = None
        self.handlers = {}
        self.isJoined = False
        self.joinTimer = None
        self.authenticating = None
        self.openChallenge = None
        self.undecided = _NO_WAITING
        self.subscribedNumbers = _NO_TOPICS
        self.maxHeld = limits.sendBuffer
        self.runningCalls = _NO_CALLS
        self.forgetsCanceled = False

    def event(self, topic: Topic | str, msg: Any) -> V2Connection:
        """Send this client alone an event of a topic; nothing, if it has not subscribed."""
        name = str(topic)
        send = self.sender(name)
        if send is not _drop:
            send(self.codec.event(name, msg, 0))
        return self

    def prefix(self, curie: str, uri: Topic | str) -> V2Connection:
        """Note a prefix for :meth:`getUri`; version 2 has none, so the client is not told."""
        self.WAMP.prefixes[curie] = str(uri)
        return self

    def close(self, code: Any = 1000, reason: str = "") -> None:
        """Say goodbye in the client's own terms, and close the connection.

        Args:
            code: A WebSocket close code, from which follows the reason of the goodbye.
            reason: Words that go with it, at most 123 bytes of UTF-8.
        """
        uri = _NORMAL if code is None else _REASONS.get(code, _NORMAL)
        if self.isJoined:
            self.sendBelow(self.codec.goodbye(uri, reason))
        else:
            self.sendBelow(self.codec.abort(uri, reason))
            self._stopAuthenticating()
        super().close(code, reason)

    def sender(self, topic: str) -> Callable[[Any], object]:
        """What an event of a topic is sent with: not before the client knows its subscription."""
        if self.codec.numbers.get(topic) in self.subscribedNumbers:
            return super().sender(topic)
        waiting = self.undecided.get(topic)
        return _drop if waiting is None else waiting.hold

    def wait(self, topic: str, request: int) -> bool:
        """The client wants to subscribe; its events wait.

        Returns:
            Whether that is new: if not, the same decision answers both requests.
        """
        waiting = self.undecided.get(topic)
        if waiting is not None:
            waiting.requests.append(request)
            return False
        if self.undecided is _NO_WAITING:
            self.undecided = {}
        self.undecided[topic] = Waiting(self, request)
        self.codec.numbers.take(topic)
        return True

    def confirm(self, topic: str) -> None:
        """It may: say so, and then send what has waited."""
        waiting = self.undecided.pop(topic, None)
        if waiting is None:
            return  # gone meanwhile
        codec = self.codec
        number = codec.numbers.get(topic)
        for request in waiting.requests:
            self.sendBelow(codec.subscribed(request, number))
        if number in self.subscribedNumbers:
            codec.numbers.release(topic)
        else:
            if self.subscribedNumbers is _NO_TOPICS:
                self.subscribedNumbers = {}
            self.subscribedNumbers[number] = topic
        for message in waiting.events:
            self.sendBelow(message)
        live = self.WAMP.subscriptions.get(topic)
        if live is not None:
            live.renew(self)

    def deny(self, topic: str, uri: str, desc: str, details: Any = None) -> None:
        """It may not: say so, and forget what has waited."""
        waiting = self.undecided.get(topic)
        if waiting is None:
            return
        messages = [
            self.codec.refusal(SUBSCRIBE, request, uri, desc, details)
            for request in waiting.requests
        ]
        del self.undecided[topic]
        live = self.WAMP.subscriptions.get(topic)
        if live is not None and self.codec.numbers.get(topic) not in self.subscribedNumbers:
            live.remove(self)
        self.codec.numbers.release(topic)
        for message in messages:
            self.sendBelow(message)

    def end(self, number: int) -> str | None:
        """It unsubscribes.

        Returns:
            The topic; None if there is no such subscription.
        """
        topic = self.subscribedNumbers.pop(number, None)
        if topic is not None:
            self.codec.numbers.release(topic)
        return topic

    def cancel(self, id: int) -> bool:
        """It wants no result of a call any more.

        Returns:
            Whether there is such a call, as far as we remember, that has not been answered.
        """
        calls = self._calls
        key = hash(id)
        if calls is None or calls.get(key, 0) < 1:
            return False
        calls[key] = CANCELLED
        return True

    def answeringCall(self, id: Any, pending: Deferred[Any]) -> None:
        """Answering a call takes time, in which the client may cancel it."""
        if self.runningCalls is _NO_CALLS:
            self.runningCalls = {}
        self.runningCalls[id] = pending
        pending.addBoth(self._answered, id, pending)

    def interruptCall(self, id: Any) -> bool:
        """Stop what answers a call.

        Returns:
            Whether there was such a thing.
        """
        pending = self.runningCalls.pop(id, None)
        if pending is None:
            return False
        pending.cancel()
        return True

    def _answered(self, result: Any, id: Any, pending: Deferred[Any]) -> Any:
        if self.runningCalls.get(id) is pending:
            del self.runningCalls[id]
        elif isinstance(result, Failure) and result.check(*CANCELLATIONS) is not None:
            raise CallError(CANCELED, BY_THE_CALLER)
        return result

    def hasJoined(self, handlers: Handlers) -> None:
        """It is one of us: it may say all there is to say."""
        self.handlers = handlers
        self.isJoined = True
        self._stopTimer()

    def ended(self) -> None:
        """The connection is gone."""
        self._stopTimer()
        self._stopAuthenticating()
        for topic in (*self.undecided, *self.subscribedNumbers.values()):
            self.codec.numbers.release(topic)
        self.undecided = _NO_WAITING
        self.subscribedNumbers = _NO_TOPICS

    def _stopAuthenticating(self) -> None:
        if self.authenticating is not None:
            self.authenticating.cancel()

    def _stopTimer(self) -> None:
        if self.joinTimer is not None and self.joinTimer.active():
            self.joinTimer.cancel()
        self.joinTimer = None


def _drop(message: Any) -> None:
    """The application has put a client into a topic to which it has not subscribed."""
