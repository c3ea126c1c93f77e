"""The topics of one WAMP application, and who has subscribed to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ratchet_py.broker.interfaces import BrokerInterface, Publication, Reach
from ratchet_py.broker.memory import MemoryBroker
from ratchet_py.dispatch import call, toDeferred
from ratchet_py.errors import CallError
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.meter import Meter
from ratchet_py.wamp import json_text
from ratchet_py.wamp.interfaces import WampServerInterface
from ratchet_py.wamp.topic import SessionDetails, Topic
from ratchet_py.wamp.wamp_connection import WampConnection

__all__ = ["TopicManager"]

_Subscription: TypeAlias = tuple[ConnectionInterface, str]
_Waiters: TypeAlias = list[Deferred[None]]


class TopicManager(WampServerInterface):
    r"""Gives its application Topic objects for names (``Ratchet\Wamp\TopicManager``).

    A topic is in the table while it has subscribers in this process, no longer and no shorter, so
    that naming topics costs nothing and closing a connection touches its own topics only.

    Args:
        app: The application.
        limits: ``subscriptions`` is what counts here.
        broker: What carries broadcasts; without one, they stay in this process.

    Attributes:
        app: The application.
        broker: What carries broadcasts.
        topics: The topics that have subscribers, by id.
        sessions: The connections, by session id.
    """

    def __init__(
        self,
        app: WampServerInterface,
        limits: Limits = DEFAULT_LIMITS,
        broker: BrokerInterface | None = None,
    ) -> None:
        self.app = app
        self.broker = MemoryBroker() if broker is None else broker
        self.broker.setReceiver(self._receive)
        self.topics: dict[str, Topic] = {}
        self.sessions: dict[str, WampConnection] = {}
        self._deliver: Callable[[Topic, Publication], object] = Topic.deliver
        self._maxSubscriptions = limits.subscriptions
        # Subscriptions that the application has not decided about, each with those who wait for
        # that: the same client may have asked again.
        self._deciding: dict[_Subscription, _Waiters] = {}

    @property
    def serial(self) -> bool:  # type: ignore[override]
        """What the application says."""
        return bool(getattr(self.app, "serial", False))

    def getSubProtocols(self) -> list[str]:
        """The subprotocols of the application, if it has any of its own."""
        own = getattr(self.app, "getSubProtocols", None)
        return [] if own is None else list(own())

    def getTopic(self, id: str) -> Topic:
        """The live topic, or if it has no subscribers a new one that is in no table."""
        return self.topics.get(id) or Topic(id, self)

    def connection(self, conn: ConnectionInterface) -> WampConnection | None:
        """The WampConnection below a connection that a layer above may have wrapped.

        None if the client is gone.
        """
        return self.sessions.get(conn.WAMP.sessionId)

    async def admit(self, topic: str, event: Any) -> Any:
        """Ask the application about an event that comes from outside.

        Returns:
            What is to be sent: what ``onPush`` has returned, or if that is None the event.

        Raises:
            CallError: The application refuses it.
            LocalError: What the application has made of it has no form in JSON.
        """
        onPush = getattr(self.app, "onPush", None)
        if onPush is None:
            return event
        result = onPush(self.getTopic(topic), event)
        pending = None if result is None else toDeferred(result)
        if pending is not None:
            result = await pending
        admitted = event if result is None else result
        # Now: of a list nobody is to get anything before all of it is found good.
        json_text.encode(admitted)
        return admitted

    def push(
        self, topic: str, event: Any, exclude: Sequence[str] = (), eligible: Sequence[str] = ()
    ) -> Deferred[Reach]:
        """Send an event that comes from outside, and was admitted.

        Returns:
            A Deferred that fires with whom it has reached.

        Raises:
            LocalError: The event has no form in JSON. Nobody has got it.
        """
        return self.broker.publishConfirmed(topic, Publication(event, exclude, eligible))

    def measure(self, meter: Meter) -> None:
        """Time how long it takes to send an event to all its subscribers here."""
        self._deliver = partial(_timed, meter)

    def enter(self, topic: Topic) -> None:
        """For :class:`~ratchet_py.wamp.Topic`: it has its first subscriber."""
        self.topics[topic.getId()] = topic
        self.broker.subscribe(topic.getId())

    def leave(self, topic: Topic) -> None:
        """For :class:`~ratchet_py.wamp.Topic`: it has lost its last subscriber."""
        del self.topics[topic.getId()]
        self.broker.unsubscribe(topic.getId())

    def announce(
        self, conn: WampConnection, topic: Topic, event: str, session: SessionDetails
    ) -> None:
        """For :class:`~ratchet_py.wamp.Topic`: a client has come to it or left it."""
        call(self.app, self.app.onPresence, conn, topic, event, session)  # type: ignore[attr-defined]

    def checkPresence(self) -> None:
        """For :class:`~ratchet_py.wamp.Topic`: somebody must be there to be told.

        Raises:
            TypeError: The application has no ``onPresence``.
        """
        if not callable(getattr(self.app, "onPresence", None)):
            raise TypeError(f"{type(self.app).__name__} has no onPresence")

    def isDeciding(self, conn: ConnectionInterface, topic: str) -> bool:
        """Whether the application has not decided yet about a subscription."""
        return (conn, topic) in self._deciding

    def suspend(self, conn: ConnectionInterface, topic: Topic) -> object:
        """What :meth:`Topic.suspend <ratchet_py.wamp.Topic.suspend>` does."""
        subscriber = self.connection(conn)
        topic.remove(conn)
        return None if subscriber is None else self._deciding.get((subscriber, topic.getId()))

    def resume(self, conn: ConnectionInterface, topic: Topic, suspended: object) -> bool:
        """What :meth:`Topic.resume <ratchet_py.wamp.Topic.resume>` does."""
        subscriber = self.connection(conn)
        if subscriber is None or suspended is None:
            return False
        if self._deciding.get((subscriber, topic.getId())) is not suspended:
            return False
        topic.hold(conn)
        return True

    def onOpen(self, conn: WampConnection) -> object:  # type: ignore[override]
        """A client has had its welcome."""
        self.sessions[conn.WAMP.sessionId] = conn
        return self.app.onOpen(conn)

    def onCall(self, conn: ConnectionInterface, id: Any, topic: str, params: Any) -> object:  # type: ignore[override]
        """A client calls a procedure."""
        return self.app.onCall(conn, id, self.topics.get(topic) or Topic(topic, self), params)

    def onSubscribe(self, conn: ConnectionInterface, topic: str) -> object:  # type: ignore[override]
        """A client subscribes; once more is nothing new.

        The topic holds the client while the application decides. If it refuses, by raising
        :class:`~ratchet_py.errors.NotAuthorized` or another CallError, the topic lets go; an async
        refusal cannot take back what was broadcast until then.
        """
        key = (conn, topic)
        waiters = self._deciding.get(key)
        if waiters is not None:
            again: Deferred[None] = Deferred()
            waiters.append(again)
            return again
        subscriptions = conn.WAMP.subscriptions
        if topic in subscriptions:
            return None
        if len(subscriptions) >= self._maxSubscriptions:
            conn.serverTally.exceeded["subscriptions"] += 1
            conn.close(1008, "too many subscriptions")
            return None
        subject = self.getTopic(topic)
        subject.hold(conn)
        waiters = self._deciding[key] = []
        try:
            result = self.app.onSubscribe(conn, subject)
        except Exception as exc:
            self._settle(Failure(exc), subject, conn, waiters)
            raise
        pending = None if result is None else toDeferred(result)
        if pending is not None:
            return pending.addBoth(self._settle, subject, conn, waiters)
        self._settle(None, subject, conn, waiters)
        return None

    def onUnSubscribe(self, conn: ConnectionInterface, topic: str) -> object:  # type: ignore[override]
        """A client unsubscribes; from what it has not subscribed to is nothing."""
        if self._deciding:
            _fire(self._deciding.pop((conn, topic), []), None)
        subject = self.topics.get(topic)
        if subject is None or not subject.has(conn):
            return None
        subject.remove(conn)
        return self.app.onUnSubscribe(conn, subject)

    def onPublish(  # type: ignore[override]
        self,
        conn: ConnectionInterface,
        topic: str,
        event: Any,
        exclude: list[str],
        eligible: list[str],
    ) -> object:
        """A client publishes; the application decides what comes of it."""
        return self.app.onPublish(conn, self.getTopic(topic), event, exclude, eligible)

    def onClose(self, conn: ConnectionInterface) -> object:
        """A client is gone: the application first, then the topics let go.

        They do so when ``onClose`` has returned, also if it has failed; an async one may go on.
        """
        try:
            return self.app.onClose(conn)
        finally:
            for topic in conn.WAMP.subscriptions:
                topic.remove(conn)
            self.sessions.pop(conn.WAMP.sessionId, None)

    def onError(self, conn: ConnectionInterface, exc: Exception) -> object:
        """A callback of the application has failed."""
        return self.app.onError(conn, exc)

    def _receive(self, topic: str, publication: Publication) -> None:
        live = self.topics.get(topic)
        if live is not None:
            self._deliver(live, publication)

    def _settle(
        self, result: Any, topic: Topic, conn: ConnectionInterface, waiters: _Waiters
    ) -> Any:
        """The application has decided about a subscription."""
        failure = result if isinstance(result, Failure) else None
        key = (conn, topic.getId())
        isWanted = self._deciding.get(key) is waiters
        if isWanted:
            del self._deciding[key]
            if failure is not None and isinstance(failure.value, CallError):
                topic.remove(conn)
            else:
                self.getTopic(topic.getId()).joined(conn)
            if waiters:
                _fire(waiters, failure)
        return result


def _timed(meter: Meter, topic: Topic, publication: Publication) -> None:
    before = meter.clock()
    try:
        topic.deliver(publication)
    finally:
        meter.broadcasts.observe(meter.clock() - before)


def _fire(waiters: _Waiters, failure: Failure | None) -> None:
    for waiter in waiters:
        if failure is not None and isinstance(failure.value, CallError):
            waiter.errback(failure.value)
        else:
            waiter.callback(None)
