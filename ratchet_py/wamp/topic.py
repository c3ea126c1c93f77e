"""A topic and its subscribers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from ratchet_py.broker.interfaces import Publication
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.wamp.interfaces import CodecInterface
from ratchet_py.wamp.wamp_connection import WampConnection

if TYPE_CHECKING:
    from ratchet_py.wamp.topic_manager import TopicManager

__all__ = ["Topic"]

log = Logger()

_Send = Callable[[Any], object]
_NOBODY: dict[WampConnection, _Send] = {}


class Topic:
    r"""A channel that clients subscribe to (``Ratchet\Wamp\Topic``).

    The application gets topics from its callbacks and from ``WampServer.topic(name)``. Two of the
    same server with the same id are the same topic, also if they are not the same object: one that
    is kept never goes stale, whoever has come and gone meanwhile. They compare as equal.

    Example:
        In an application::

            def onSubscribe(self, conn, topic):
                topic.broadcast(f"{conn.resourceId} has joined")

            def onPublish(self, conn, topic, event, exclude, eligible):
                topic.broadcast(event, exclude, eligible)
    """

    # While it is the one in the manager's table: its local subscribers, each with the send of the
    # layer below (a broadcast is a loop over these), and the codec of all of them, None if they
    # differ.
    __slots__ = ("__weakref__", "_codec", "_id", "_manager", "_subscribers")

    def __init__(self, id: str, manager: TopicManager) -> None:
        self._id = id
        self._manager = manager
        self._subscribers = _NOBODY
        self._codec: CodecInterface | None = None

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
        self._manager.broker.publish(self._id, Publication(msg, exclude, eligible))
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
        manager = self._manager
        subscriber = manager.connection(conn)
        live = self._live()
        if subscriber is None or subscriber in live._subscribers:
            return self
        if not live._subscribers:
            live._subscribers = {}
            live._codec = subscriber.codec
        elif live._codec is not subscriber.codec:
            live._codec = None
        live._subscribers[subscriber] = subscriber.sendBelow
        subscriber.WAMP.subscriptions.attach(live)
        if len(live._subscribers) == 1:
            manager.enter(live)
        return self

    def remove(self, conn: ConnectionInterface) -> Topic:
        """Unsubscribe a client; ``onUnSubscribe`` is not called."""
        manager = self._manager
        subscriber = manager.connection(conn)
        live = self._live()
        if subscriber is None or subscriber not in live._subscribers:
            return self
        del live._subscribers[subscriber]
        subscriber.WAMP.subscriptions.detach(live)
        if not live._subscribers:
            manager.leave(live)
        return self

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
            _sendToAll(sends, self._codec.event(self._id, publication.event))
            return
        byCodec: dict[CodecInterface, list[_Send]] = {}
        for subscriber, send in subscribers.items():
            byCodec.setdefault(subscriber.codec, []).append(send)
        messages = [(codec.event(self._id, publication.event), byCodec[codec]) for codec in byCodec]
        for message, sends in messages:
            _sendToAll(sends, message)

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


def _sendToAll(sends: list[_Send], message: Any) -> None:
    for send in sends:
        try:
            send(message)
        except Exception:
            log.failure("a subscriber could not be sent an event; the others are")
