"""A client as a WAMP application sees it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ratchet_py.connection import AbstractConnectionDecorator
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.limits import DEFAULT_LIMITS
from ratchet_py.wamp import curie as curies
from ratchet_py.wamp.interfaces import CodecInterface
from ratchet_py.wamp.users import Accepted, User

if TYPE_CHECKING:
    from ratchet_py.wamp.rules import Rule
    from ratchet_py.wamp.topic import Topic

__all__ = ["CANCELLED", "Handlers", "Subscriptions", "WampConnection", "WampSession"]

log = Logger()

Handlers: TypeAlias = Mapping[type, Callable[..., "Deferred[Any] | None"]]
"""What a client may say at the moment: by the type of the command what is done about it."""

CANCELLED = -1
"""How often a call wants an answer, if the caller has cancelled it."""


class Subscriptions(Collection["Topic"]):
    """The topics of one client. ``in`` takes a Topic or its id; iteration is over a snapshot.

    :meth:`Topic.add <ratchet_py.wamp.Topic.add>` and ``remove`` keep it in step; nothing else is
    to change it.
    """

    __slots__ = ("_topics",)

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}

    def __contains__(self, topic: object) -> bool:
        return str(topic) in self._topics

    def __iter__(self) -> Iterator[Topic]:
        return iter(list(self._topics.values()))

    def __len__(self) -> int:
        return len(self._topics)

    def get(self, topic: str) -> Topic | None:
        """The topic of that id, if the client is in it."""
        return self._topics.get(topic)

    def attach(self, topic: Topic) -> None:
        """For :class:`~ratchet_py.wamp.Topic`: it holds the client now."""
        self._topics[topic.getId()] = topic

    def detach(self, topic: Topic) -> None:
        """For :class:`~ratchet_py.wamp.Topic`: it has let the client go."""
        self._topics.pop(topic.getId(), None)


class WampSession:
    """What is known of a client's WAMP session: ``conn.WAMP``.

    Attributes:
        sessionId: Names the session; in ``exclude`` and ``eligible``, for instance. Not guessable.
        prefixes: The bases of the CURIEs that client or server have announced.
        subscriptions: The client's topics.
        realm: What a client of version 2 has joined; None in version 1.
        authid: Who the client is; None if it is anonymous, or nobody has asked.
        authrole: What it is; None until it is authenticated.
        authmethod: How it has proved that, likewise; see
            :class:`~ratchet_py.wamp.users.Accepted`.
        permissions: Rules for this user alone.
    """

    __slots__ = (
        "authid",
        "authmethod",
        "authrole",
        "permissions",
        "prefixes",
        "realm",
        "sessionId",
        "subscriptions",
    )

    def __init__(self, sessionId: str) -> None:
        self.sessionId = sessionId
        self.prefixes: dict[str, str] = {}
        self.subscriptions = Subscriptions()
        self.realm: str | None = None
        self.authid: str | None = None
        self.authrole: str | None = None
        self.authmethod: str | None = None
        self.permissions: Sequence[Rule] = ()

    def authenticated(self, accepted: Accepted) -> None:
        """For who has authenticated the client: it is this one."""
        self.authid = accepted.authid
        self.authrole = accepted.role
        self.authmethod = accepted.method
        self.permissions = accepted.permissions


class WampConnection(AbstractConnectionDecorator):
    r"""One client of a WAMP application (``Ratchet\Wamp\WampConnection``).

    Its methods return the connection, so that they can be chained. They raise
    :class:`~ratchet_py.errors.LocalError` if what they are given has no form in JSON: ``NaN``, say.

    Attributes:
        WAMP: The session, also for the other layers.
        codec: The version of WAMP that the client speaks.
        handlers: What it may say at the moment, for :class:`~ratchet_py.wamp.ServerProtocol`.
        sendBelow: ``send`` of the layer below, which is what a broadcast calls.
        callbacksInFlight: How many async callbacks of this client have not finished.
        roomForCallbacks: Fires when there are fewer of them than the limit; None while there are.
    """

    __slots__ = (
        "WAMP",
        "_calls",
        "_expand",
        "_maxCalls",
        "callbacksInFlight",
        "codec",
        "handlers",
        "roomForCallbacks",
        "sendBelow",
    )

    WAMP: WampSession
    codec: CodecInterface
    handlers: Handlers
    callbacksInFlight: int
    roomForCallbacks: Deferred[None] | None
    # How many calls of an id wait for an answer, by the hash of the id: an id can be as long as a
    # message. None once there were more than are worth keeping.
    _calls: dict[int, int] | None
    _expand: curies.Rule
    _maxCalls: int

    def __init__(
        self,
        conn: ConnectionInterface,
        codec: CodecInterface,
        curie: curies.Rule = curies.auto,
        maxCalls: int = DEFAULT_LIMITS.callsInFlight,
        handlers: Handlers = MappingProxyType({}),
    ) -> None:
        super().__init__(conn)
        session = WampSession(codec.newSessionId())
        # Nobody sets it where there is no HTTP below.
        user = getattr(getattr(conn, "httpRequest", None), "user", None)
        if isinstance(user, User):
            session.authenticated(user.accepted("http"))
        # In a slot because it is read for each message; in the record for the other layers.
        self.record.WAMP = session
        put = object.__setattr__
        put(self, "WAMP", session)
        put(self, "codec", codec)
        put(self, "handlers", handlers)
        put(self, "sendBelow", conn.send)
        put(self, "callbacksInFlight", 0)
        put(self, "roomForCallbacks", None)
        put(self, "_calls", {})
        put(self, "_expand", curie)
        put(self, "_maxCalls", maxCalls)

    def event(self, topic: Topic | str, msg: Any) -> WampConnection:
        """Send this client alone an event of a topic.

        Args:
            topic: The topic or its id.
            msg: Any JSON value.
        """
        self.sendBelow(self.codec.event(str(topic), msg, 0))
        return self

    def sender(self, topic: str) -> Callable[[Any], object]:
        """For :class:`~ratchet_py.wamp.Topic`: what its events are sent to the client with."""
        send: Callable[[Any], object] = self.sendBelow
        return send

    def callResult(self, id: Any, data: Any = ()) -> WampConnection:
        """Answer a call.

        The first answer counts. A second one, or one to a call that was not made, is logged and
        not sent.

        Args:
            id: The id that ``onCall`` was given.
            data: Any JSON value; without it the client gets ``[]``, with None it gets ``null``.
        """
        message = self.codec.result(id, data)
        if self.takesAnswer(id):
            self.sendBelow(message)
        return self

    def callError(
        self, id: Any, errorUri: Topic | str, desc: str = "", details: Any = None
    ) -> WampConnection:
        """Answer a call with an error. The first answer counts, as in :meth:`callResult`.

        Args:
            id: The id that ``onCall`` was given.
            errorUri: Names the error; the Topic that ``onCall`` was given will do.
            desc: A description for people.
            details: Any JSON value, or None for none.
        """
        message = self.codec.error(id, str(errorUri), desc, details)
        if self.takesAnswer(id):
            self.sendBelow(message)
        return self

    def prefix(self, curie: str, uri: Topic | str) -> WampConnection:
        """Announce a prefix, which from now on this client may use, too.

        Args:
            curie: The prefix.
            uri: What it stands for.
        """
        self.WAMP.prefixes[curie] = str(uri)
        self.sendBelow(self.codec.prefix(curie, str(uri)))
        return self

    def getUri(self, uri: str) -> str:
        """Expand a CURIE; what is none, or has an unknown prefix, comes back as it is."""
        prefixes = self.WAMP.prefixes
        if not prefixes:
            return uri
        return self._expand(uri, prefixes)

    def close(self, code: Any = 1000, reason: str = "") -> None:
        """Close the connection.

        Args:
            code: A WebSocket close code.
            reason: Words that go with it, at most 123 bytes of UTF-8.
        """
        self.wrappedConn.close(1000 if code is None else code, reason)

    def called(self, id: Any) -> None:
        """For :class:`~ratchet_py.wamp.ServerProtocol`: a call wants an answer."""
        calls = self._calls
        if calls is None:
            return
        if len(calls) >= self._maxCalls:
            # An application that does not answer calls must not make us remember all of them.
            self._calls = None
            return
        key = hash(id)
        calls[key] = calls.get(key, 0) + 1

    def answeringCall(self, id: Any, pending: Deferred[Any]) -> None:
        """For :class:`~ratchet_py.wamp.ServerProtocol`: answering a call takes time.

        In version 1 nothing follows from that; a client of version 2 may cancel the call.
        """

    def isUnanswered(self, id: Any) -> bool:
        """Whether a call still wants an answer, as far as we remember."""
        return self._calls is None or hash(id) in self._calls

    def takesAnswer(self, id: Any) -> bool:
        """Whether an answer is the first one to a call, which is answered herewith."""
        calls = self._calls
        if calls is None:
            return True
        key = hash(id)
        count = calls.pop(key, 0)
        if count > 1:
            calls[key] = count - 1
        elif count == 0:
            log.warn(
                "connection {resourceId}: dropped a second answer to call {id}, or one to no call",
                resourceId=self.record.resourceId,
                id=repr(id)[:40],
            )
            return False
        elif count == CANCELLED:
            return False
        return True
