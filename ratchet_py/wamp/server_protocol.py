"""Turns messages into WAMP events, whichever version of WAMP a client speaks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ratchet_py.dispatch import call, callClose, toDeferred
from ratchet_py.errors import CallError, LocalError, ProtocolError
from ratchet_py.interfaces import ConnectionInterface, MessageComponentInterface
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.meter import Meter
from ratchet_py.wamp import curie as curies
from ratchet_py.wamp.authentication import Authenticator
from ratchet_py.wamp.commands import (
    Authenticate,
    Call,
    EndSubscription,
    Hello,
    Prefix,
    Publish,
    Subscribe,
    Unsubscribe,
)
from ratchet_py.wamp.interfaces import NO_ANSWER, CodecInterface, WampServerInterface
from ratchet_py.wamp.measured import MeasuredV2Connection, MeasuredWampConnection
from ratchet_py.wamp.names import NameMap, NamesInterface
from ratchet_py.wamp.serializers import Cbor, Json, MsgPack
from ratchet_py.wamp.subscription_numbers import SubscriptionNumbers
from ratchet_py.wamp.v1 import WampV1
from ratchet_py.wamp.v2 import WampV2
from ratchet_py.wamp.v2_connection import V2Connection
from ratchet_py.wamp.v2_sessions import V2Sessions
from ratchet_py.wamp.wamp_connection import Handlers, WampConnection

__all__ = ["ServerProtocol"]

log = Logger()

_TOO_LONG = "a topic, procedure or prefix is too long"

# What follows these waits until they are done with; no other command holds up the next.
_OPENING = frozenset({Authenticate, Hello})

_CALLBACKS: dict[type, str] = {
    Call: "onCall",
    EndSubscription: "onUnSubscribe",
    Publish: "onPublish",
    Subscribe: "onSubscribe",
    Unsubscribe: "onUnSubscribe",
}

# What cannot be a Deferred, a coroutine or a connection; asking costs more than the answer.
_VALUES = frozenset({bool, dict, float, int, list, str, tuple})


class ServerProtocol(MessageComponentInterface):
    r"""Speaks WAMP for the component above it (``Ratchet\Wamp\ServerProtocol``).

    That one gets names of topics as ``str``; :class:`~ratchet_py.wamp.WampServer` puts a
    :class:`~ratchet_py.wamp.TopicManager` in between, which makes Topic objects of them.

    A malformed message closes its connection with 1007, what exceeds a limit with 1007 or 1008.

    Args:
        component: The component above.
        limits: ``topicLength``, ``prefixes``, ``callsInFlight``, ``jsonDepth`` count here.
        curie: How CURIEs are expanded: ``"spec"`` joins base and rest, ``"ratchet"`` puts a ``#``
            between, ``"auto"`` does as the base ends (see :mod:`~ratchet_py.wamp.curie`).
        codecs: The versions of WAMP that are spoken; both, in all forms, if none are given. The
            first is for clients who have not negotiated a subprotocol.
        names: How topics, procedures and errors are called in version 2; the same if not given.
            See :class:`~ratchet_py.wamp.NameMap`, of which a mapping makes one.
        realms: The realms that clients of version 2 may join; any if not given.
        authenticator: Decides which clients of version 2 come in; everybody does without one.

    Attributes:
        component: The component above.
        connections: The WampConnection of each connection.
    """

    # The layer below is to wait for whatever onMessage returns; mostly that is nothing.
    serial = True

    def __init__(
        self,
        component: WampServerInterface,
        limits: Limits = DEFAULT_LIMITS,
        curie: Literal["auto", "spec", "ratchet"] = "auto",
        codecs: Sequence[CodecInterface] = (),
        names: NamesInterface | Mapping[str, str] | None = None,
        realms: Collection[str] | None = None,
        authenticator: Authenticator | None = None,
    ) -> None:
        self.component = component
        self.connections: dict[ConnectionInterface, WampConnection] = {}
        self._limits = limits
        self._maxLength = limits.topicLength
        self._expand = curies.rule(curie)
        self._codecs = {codec.name: codec for codec in codecs or _codecs(limits, names)}
        self._handlers: Handlers = {
            Prefix: self._onPrefix,
            Call: self._onCall,
            Subscribe: self._onSubscribe,
            Unsubscribe: self._onUnsubscribe,
            Publish: self._onPublish,
        }
        self._newConnection: Callable[..., WampConnection] = WampConnection
        self._newV2Connection: Callable[..., V2Connection] = V2Connection
        self._v2 = V2Sessions(
            component,
            limits,
            self._uri,
            {Call: self._onCall, Publish: self._onPublish},
            realms,
            authenticator,
        )

    def getSubProtocols(self) -> list[str]:
        """The component's own subprotocols, if it has any, then those of WAMP."""
        own = getattr(self.component, "getSubProtocols", None)
        return [*(own() if own is not None else ()), *self._codecs]

    @property
    def applicationName(self) -> str:
        """What the component above is called where it is measured."""
        return type(self.component).__name__

    def measure(self, meter: Meter) -> None:
        """Count and time the calls of the clients that come from now on."""
        self._newConnection = partial(MeasuredWampConnection, meter)
        self._newV2Connection = partial(MeasuredV2Connection, meter)

    def describe(self, conn: ConnectionInterface, msg: str | bytes) -> str | None:
        """Which callback of which topic or procedure a message was for; None if for none.

        It reads the message once more, so it is for the rare one that has taken long.
        """
        client = self.connections.get(conn)
        try:
            command = None if client is None else client.codec.decode(msg)
        except ProtocolError:
            return None
        callback = _CALLBACKS.get(type(command))
        if callback is None:
            return None
        name = getattr(command, "topic", None) or getattr(command, "procedure", "")
        return f"{self.applicationName}.{callback} {name}".rstrip()

    def onOpen(self, conn: ConnectionInterface) -> Deferred[None] | None:
        """A client has connected: it gets its welcome, then the component learns of it.

        In version 2 that happens when the client has said HELLO.
        """
        negotiated = getattr(getattr(conn, "WebSocket", None), "subProtocol", None)
        codec = self._codecs.get(negotiated or "") or next(iter(self._codecs.values()))
        if isinstance(codec, WampV2):
            session = self._newV2Connection(conn, codec, self._expand, self._limits)
            self.connections[conn] = session
            self._v2.open(session)
            return None
        client = self._newConnection(
            conn, codec, self._expand, self._limits.callsInFlight, self._handlers
        )
        self.connections[conn] = client
        conn.send(codec.welcome(client.WAMP.sessionId))
        return call(self.component, self.component.onOpen, client)

    def onMessage(self, conn: ConnectionInterface, msg: str | bytes) -> Deferred[None] | None:
        """A message has arrived.

        Returns:
            What the next message of this client must wait for: nothing, unless the component is
            ``serial`` or the client has as many calls in flight as it may.
        """
        client = self.connections[conn]
        try:
            command = client.codec.decode(msg)
            handler = client.handlers.get(type(command))
            if handler is None:
                raise ProtocolError(1002, f"{type(command).__name__} is out of place")
            pending = handler(client, command)
        except ProtocolError as error:
            if error.limit is not None:
                client.serverTally.exceeded[error.limit] += 1
            client.close(error.closeCode, error.reason)
            return None
        if pending is None or type(command) in _OPENING:
            return pending
        return self._inFlight(client, pending)

    def onClose(self, conn: ConnectionInterface) -> Deferred[None] | None:
        """The client is gone."""
        client = self.connections.pop(conn, None)
        if isinstance(client, V2Connection):
            return self._v2.close(client)
        return None if client is None else callClose(self.component, client)

    def onError(self, conn: ConnectionInterface, exc: Exception) -> object:
        """The layer below reports an error: the component's, like any other."""
        client = self.connections.get(conn, conn)
        if isinstance(client, V2Connection) and not client.isJoined:
            log.error("a client that has not opened its session: {exc!r}", exc=exc)
            return None
        return self.component.onError(client, exc)

    def _onPrefix(self, conn: WampConnection, command: Prefix) -> None:
        if max(len(command.name), len(command.uri)) > self._maxLength:
            raise ProtocolError(1007, _TOO_LONG, "topicLength")
        prefixes = conn.WAMP.prefixes
        if command.name not in prefixes and len(prefixes) >= self._limits.prefixes:
            raise ProtocolError(1008, "too many prefixes", "prefixes")
        prefixes[command.name] = command.uri

    def _onCall(self, conn: WampConnection, command: Call) -> Deferred[None] | None:
        procedure = self._uri(conn, command.procedure)
        conn.called(command.id)
        return call(self.component, self._answer, conn, command.id, procedure, command.params)

    def _onSubscribe(self, conn: WampConnection, command: Subscribe) -> Deferred[None] | None:
        topic = self._uri(conn, command.topic)
        return call(self.component, _unlessRefused, conn, self.component.onSubscribe, topic)

    def _onUnsubscribe(self, conn: WampConnection, command: Unsubscribe) -> Deferred[None] | None:
        topic = self._uri(conn, command.topic)
        return call(self.component, self.component.onUnSubscribe, conn, topic)

    def _onPublish(self, conn: WampConnection, command: Publish) -> Deferred[None] | None:
        topic = self._uri(conn, command.topic)
        exclude = command.exclude
        if command.excludeMe:
            exclude = [conn.WAMP.sessionId, *exclude]
        return call(
            self.component,
            _unlessRefused,
            conn,
            self.component.onPublish,
            topic,
            command.event,
            exclude,
            command.eligible,
        )

    def _uri(self, conn: WampConnection, name: str) -> str:
        if conn.WAMP.prefixes:
            name = conn.getUri(name)
        if len(name) > self._maxLength:
            raise ProtocolError(1007, _TOO_LONG, "topicLength")
        return name

    def _answer(self, conn: WampConnection, id: Any, procedure: str, params: Any) -> object:
        try:
            result = self.component.onCall(conn, id, procedure, params)  # type: ignore[arg-type]
            if result is None or result is conn:
                return None
            if type(result) not in _VALUES:
                pending = toDeferred(result)
                if pending is not None:
                    conn.answeringCall(id, pending)
                    pending.addCallback(self._answerLater, conn, id)
                    return pending.addErrback(self._failLater, conn, id)
                if isinstance(result, ConnectionInterface):
                    return None
            conn.callResult(id, result)
        except Exception as exc:
            self._fail(conn, id, exc)
        return None

    def _answerLater(self, result: Any, conn: WampConnection, id: Any) -> None:
        if result is NO_ANSWER:
            return
        if isinstance(result, ConnectionInterface):
            result = None
        if result is not None or conn.isUnanswered(id):
            conn.callResult(id, result)

    def _failLater(self, failure: Failure, conn: WampConnection, id: Any) -> Failure | None:
        if not isinstance(failure.value, Exception):
            return failure
        self._fail(conn, id, failure.value)
        return None

    def _fail(self, conn: WampConnection, id: Any, exc: Exception) -> None:
        if isinstance(exc, CallError):
            try:
                conn.callError(id, exc.uri, exc.desc, exc.details)
            except LocalError as unsayable:
                exc = unsayable
            else:
                return
        # Without details: they would tell a stranger what our code looks like.
        if conn.isUnanswered(id):
            conn.callError(id, conn.codec.internalError, "internal error")
        raise exc

    def _inFlight(self, conn: WampConnection, pending: Deferred[None]) -> Deferred[None] | None:
        if self.component.serial:
            return pending
        conn.callbacksInFlight += 1
        pending.addCallback(self._landed, conn)
        if conn.callbacksInFlight < self._limits.callsInFlight:
            return None
        conn.serverTally.exceeded["callsInFlight"] += 1
        conn.roomForCallbacks = Deferred()
        return conn.roomForCallbacks

    def _landed(self, _: None, conn: WampConnection) -> None:
        conn.callbacksInFlight -= 1
        room = conn.roomForCallbacks
        if room is not None and conn.callbacksInFlight < self._limits.callsInFlight:
            conn.roomForCallbacks = None
            room.callback(None)


def _codecs(
    limits: Limits, names: NamesInterface | Mapping[str, str] | None
) -> Iterator[CodecInterface]:
    yield WampV1(limits)
    numbers = SubscriptionNumbers()
    if isinstance(names, Mapping):
        names = NameMap(names)
    for serializer in Json(), MsgPack(), Cbor():
        yield WampV2(serializer, limits, numbers, names)


def _unlessRefused(
    conn: WampConnection, callback: Callable[..., object], *args: Any
) -> Deferred[Any] | None:
    """Call it; a refusal is no error, and version 1 has no message that would tell the client."""
    try:
        result = callback(conn, *args)
    except CallError:
        return None
    pending = None if result is None else toDeferred(result)
    return None if pending is None else pending.addErrback(_refusal)


def _refusal(failure: Failure) -> Failure | None:
    return None if isinstance(failure.value, CallError) else failure
