"""A topic and its subscribers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypedDict

from twisted.logger import Logger

from ratchet_py.broker.interfaces import Publication, newPublicationId
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.wamp.interfaces import CodecInterface
from ratchet_py.wamp.wamp_connection import WampConnection

if TYPE_CHECKING:
    from ratchet_py.wamp.topic_manager import TopicManager

__all__ = ["Publishing", "SessionDetails", "Topic", "publishing"]

log = Logger()


class Publishing:
    """A publication whose publisher wants to know its id.

    Attributes:
        topic: The topic.
        id: The id, which the first broadcast of the topic takes.
        taken: Whether it has.
    """

    __slots__ = ("id", "taken", "topic")

    def __init__(self, topic: str, id: int) -> None:
        self.topic = topic
        self.id = id
        self.taken = False


publishing: ContextVar[Publishing | None] = ContextVar("publishing", default=None)
"""Set while ``onPublish`` runs, also an async one, if the publisher wants to know."""

_Send = Callable[[Any], object]
_Mixed = tuple[list[tuple[_Send, CodecInterface]], set[CodecInterface]]
_NOBODY: dict[WampConnection, _Send] = {}


class SessionDetails(TypedDict):
    """Who a subscriber is, as plain data that can be sent.

    Attributes:
        sessionId: Names the session; in ``exclude`` and ``eligible``, for instance.
        authid: Who it is; None if it is anonymous, or nobody has asked.
        authrole: What it is, likewise.
    """

    sessionId: str
    authid: str | None
    authrole: str | None


class Topic:
    r"""A channel that clients subscribe to (``Ratchet\Wamp\Topic``).

    The application gets topics from its callbacks and from ``WampServer.topic(name)``. Two of the
    same server with the same id are the same topic, also if they are not the same object: one that
    is kept never goes stale, whoever has come and gone meanwhile. They compare as equal, and as
    equal to their id, as in PHP: ``if topic == "news"``.

    Example:
        In an application::

            def onSubscribe(self, conn, topic):
                topic.broadcast(f"{conn.resourceId} has joined")

            def onPublish(self, conn, topic, event, exclude, eligible):
                topic.broadcast(event, exclude, eligible)
    """

    # While it is the one in the manager's table: its local subscribers, each with the send of the
    # layer below (a broadcast is a loop over these), and the codec of all of them, None if they
    # differ; then each send with its codec, and all codecs, None if that is to be looked up anew.
    # Those whose coming was told to onPresence; None if it is not to be.
    __slots__ = (
        "__weakref__",
        "_codec",
        "_id",
        "_manager",
        "_mixed",
        "_present",
        "_subscribers",
    )

    def __init__(self, id: str, manager: TopicManager) -> None:
        self._id = id
        self._manager = manager
        self._subscribers = _NOBODY
        self._codec: CodecInterface | None = None
        self._mixed: _Mixed | None = None
        self._present: set[WampConnection] | None = None

    def getId(self) -> str:
        """The topic's URI."""
        return self._id

    def __str__(self) -> str:
        return self._id

    def jsonSerialize(self) -> str:
        """In a message a Topic stands for its id."""
        return self._id

    def __repr__(self) -> str:
        return f"<Topic {self._id!r}>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return self._id == other
        if not isinstance(other, Topic):
            return NotImplemented
        return self._id == other._id and self._manager is other._manager

    def __hash__(self) -> int:
        return hash(self._id)

    def __bool__(self) -> bool:
        """True: a topic without subscribers is a topic."""
        return True

    def broadcast(
        self, msg: Any, exclude: Sequence[str] = (), eligible: Sequence[str] = ()
    ) -> Topic:
        """Send an event to all subscribers, here and beyond the broker.

        Args:
            msg: Any JSON value.
            exclude: Session ids that are not to get it.
            eligible: The only session ids that are to get it; empty for everybody.

        Returns:
            The topic, so that calls can be chained.

        Raises:
            LocalError: The message has no form in JSON: ``NaN``, say. Nobody has got it.
            TypeError: A session id alone, where a list of them is meant.
        """
        if isinstance(exclude, str) or isinstance(eligible, str):
            raise TypeError("exclude and eligible are lists of session ids")
        current = publishing.get()
        if current is None or current.taken or current.topic != self._id:
            publication = Publication(msg, exclude, eligible)
        else:
            current.taken = True
            publication = Publication(msg, exclude, eligible, current.id)
        self._manager.broker.publish(self._id, publication)
        return self

    def has(self, conn: ConnectionInterface) -> bool:
        """Whether the client has subscribed; also ``conn in topic``."""
        return self._manager.connection(conn) in self._live()._subscribers

    def __contains__(self, conn: object) -> bool:
        return isinstance(conn, ConnectionInterface) and self.has(conn)

    def add(self, conn: ConnectionInterface) -> Topic:
        """Subscribe a client, on the server's own account; ``onSubscribe`` is not called.

        A client that is there already, or whose connection is closed, is not added.
        """
        self.hold(conn)
        self._live().joined(conn)
        return self

    def hold(self, conn: ConnectionInterface) -> None:
        """For :class:`~ratchet_py.wamp.TopicManager`: as :meth:`add`, and ``onPresence`` waits."""
        manager = self._manager
        subscriber = manager.connection(conn)
        live = self._live()
        if subscriber is None or subscriber in live._subscribers:
            return
        if not live._subscribers:
            live._subscribers = {}
            live._codec = subscriber.codec
        elif live._codec is not subscriber.codec:
            live._codec = None
        live._subscribers[subscriber] = subscriber.sender(self._id)
        live._mixed = None
        subscriber.WAMP.subscriptions.attach(live)
        if len(live._subscribers) == 1:
            manager.enter(live)

    def suspend(self, conn: ConnectionInterface) -> object:
        """For a layer whose ``onSubscribe`` waits: let go of the client until that has decided.

        Nothing that is broadcast meanwhile reaches a client that is refused in the end.

        Returns:
            What :meth:`resume` wants.
        """
        return self._manager.suspend(conn, self)

    def resume(self, conn: ConnectionInterface, suspended: object) -> bool:
        """For a layer whose ``onSubscribe`` has waited: hold the client again.

        Returns:
            False if the client has gone, or changed its mind.
        """
        return self._manager.resume(conn, self, suspended)

    def joined(self, conn: ConnectionInterface) -> None:
        """For :class:`~ratchet_py.wamp.TopicManager`: it is settled that a client has come."""
        present = self._present
        if present is None:
            return
        subscriber = self._manager.connection(conn)
        if subscriber in self._subscribers and subscriber not in present:
            present.add(subscriber)
            self._manager.announce(subscriber, self, "join", _details(subscriber))

    def remove(self, conn: ConnectionInterface) -> Topic:
        """Unsubscribe a client; ``onUnSubscribe`` is not called."""
        manager = self._manager
        subscriber = manager.connection(conn)
        live = self._live()
        if subscriber is None or subscriber not in live._subscribers:
            return self
        del live._subscribers[subscriber]
        live._mixed = None
        subscriber.WAMP.subscriptions.detach(live)
        if not live._subscribers:
            manager.leave(live)
        if live._present is not None and subscriber in live._present:
            live._present.discard(subscriber)
            manager.announce(subscriber, live, "leave", _details(subscriber))
        return self

    def enablePresence(self, enable: bool = True) -> Topic:
        """Have the application's ``onPresence`` told who comes and who leaves.

        It is on until the last subscriber has left: turn it on in ``onSubscribe``. Who is there
        already has not come; see :meth:`sessions`.

        Example:
            ::

                def onSubscribe(self, conn, topic):
                    topic.enablePresence()

                def onPresence(self, conn, topic, event, session):
                    topic.broadcast({"event": event, "who": session["authid"]})

        Args:
            enable: False turns it off.

        Raises:
            LookupError: Nobody has subscribed, so there is nothing that it could be on for.
            TypeError: The application has no ``onPresence``.
        """
        live = self._live()
        if not enable:
            live._present = None
        elif not live._subscribers:
            raise LookupError(f"nobody has subscribed to {self._id!r}: turn it on in onSubscribe")
        elif live._present is None:
            self._manager.checkPresence()
            live._present = {
                each for each in live._subscribers if not self._manager.isDeciding(each, self._id)
            }
        return self

    def sessions(self) -> list[SessionDetails]:
        """Who of this process has subscribed."""
        return [_details(each) for each in self._live()._subscribers]

    def __len__(self) -> int:
        """How many clients of this process have subscribed."""
        return len(self._live()._subscribers)

    def __iter__(self) -> Iterator[WampConnection]:
        """The clients of this process who have subscribed; later changes do not matter."""
        return iter(list(self._live()._subscribers))

    def deliver(self, publication: Publication) -> None:
        """For :class:`~ratchet_py.wamp.TopicManager`: the broker has brought an event."""
        subscribers = self._subscribers
        if publication.exclude or publication.eligible:
            subscribers = self._chosen(publication)
        if not subscribers:
            return
        if self._codec is not None:
            # What is sent may change the subscribers: the loop is over a list of its own.
            sends = list(subscribers.values())
            _sendToAll(sends, self._codec.event(self._id, publication.event, publication.id))
            return
        # In the order in which they came, whatever they speak: nobody is always last, and the
        # connections lie in memory as they are visited.
        mixed = self._mixed if subscribers is self._subscribers else None
        if mixed is None:
            pairs = [(send, subscriber.codec) for subscriber, send in subscribers.items()]
            mixed = (pairs, {codec for _, codec in pairs})
            if subscribers is self._subscribers:
                self._mixed = mixed
        # All are made before anybody gets one: what cannot be said in one form, nobody hears.
        id = publication.id or newPublicationId()
        pairs, codecs = mixed
        messages = {codec: codec.event(self._id, publication.event, id) for codec in codecs}
        for send, codec in pairs:
            try:
                send(messages[codec])
            except Exception:
                _logFailure()

    def renew(self, subscriber: WampConnection) -> None:
        """For :class:`~ratchet_py.wamp.WampConnection`: its events are sent another way now."""
        if subscriber in self._subscribers:
            self._subscribers[subscriber] = subscriber.sender(self._id)
            self._mixed = None

    def _live(self) -> Topic:
        return self._manager.topics.get(self._id, self)

    def _chosen(self, publication: Publication) -> dict[WampConnection, _Send]:
        subscribers = self._subscribers
        # By looking up the sessions that are named, so that it costs no more than those.
        excluded = self._named(publication.exclude)
        if publication.eligible:
            return {
                conn: subscribers[conn]
                for conn in self._named(publication.eligible)
                if conn in subscribers and conn not in excluded
            }
        chosen = subscribers.copy()
        for conn in excluded:
            chosen.pop(conn, None)
        return chosen

    def _named(self, sessionIds: Sequence[str]) -> dict[WampConnection, None]:
        sessions = self._manager.sessions
        # A client may have written anything into these lists.
        found = (sessions.get(id) for id in sessionIds if isinstance(id, str))
        return dict.fromkeys(conn for conn in found if conn is not None)


def _details(conn: WampConnection) -> SessionDetails:
    wamp = conn.WAMP
    return {"sessionId": wamp.sessionId, "authid": wamp.authid, "authrole": wamp.authrole}


def _sendToAll(sends: list[_Send], message: Any) -> None:
    for send in sends:
        try:
            send(message)
        except Exception:
            _logFailure()


def _logFailure() -> None:
    log.failure("a subscriber could not be sent an event; the others are")
