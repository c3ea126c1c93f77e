"""What clients of version 2 ask for that those of version 1 do not: sessions, and answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ratchet_py.broker.interfaces import newPublicationId
from ratchet_py.dispatch import CANCELLATIONS, call, callClose, toDeferred
from ratchet_py.errors import CallError, LocalError, ProtocolError
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.limits import Limits
from ratchet_py.wamp.authentication import Authenticator, Challenge, Refused
from ratchet_py.wamp.commands import (
    Abort,
    Authenticate,
    Cancel,
    EndSubscription,
    Goodbye,
    Hello,
    Publish,
    Refusal,
    Subscribe,
)
from ratchet_py.wamp.interfaces import WampServerInterface
from ratchet_py.wamp.topic import Publishing, publishing
from ratchet_py.wamp.users import Accepted
from ratchet_py.wamp.v2 import WampV2
from ratchet_py.wamp.v2_connection import BY_THE_CALLER, CANCELED, V2Connection
from ratchet_py.wamp.v2_read import CALL, PUBLISH, UNSUBSCRIBE
from ratchet_py.wamp.wamp_connection import Handlers

__all__ = ["V2Sessions"]

log = Logger()

_FAREWELL = "wamp.close.goodbye_and_out"


class V2Sessions:
    """Serves clients of version 2, as far as they differ; all that is shared is handed in.

    A client joins with HELLO, and the component hears of it only then. Its requests are answered:
    a refusal with the error that the component has raised, any other failure with
    ``wamp.error.runtime_error`` and no details.

    Args:
        component: The component above.
        limits: ``handshakeTimeout`` and ``topicLength``, of realms, are what counts here.
        uri: Expands and checks a name.
        handlers: What is done about calls, and publications that want no answer.
        realms: The realms that may be joined; None for any.
        authenticator: Decides who comes in; None, and everybody does.
    """

    def __init__(
        self,
        component: WampServerInterface,
        limits: Limits,
        uri: Callable[[V2Connection, str], str],
        handlers: Handlers,
        realms: Collection[str] | None = None,
        authenticator: Authenticator | None = None,
    ) -> None:
        self._component = component
        self._limits = limits
        self._uri = uri
        self._publishSilently = handlers[Publish]
        self._realms = realms
        self._authenticator = authenticator
        self._strangers: Handlers = {Hello: self._onHello, Abort: self._onAbort}
        self._challenged: Handlers = {
            Authenticate: self._onAuthenticate,
            Abort: self._onAbort,
        }
        self._members: Handlers = {
            **handlers,
            Publish: self._onPublish,
            Subscribe: self._onSubscribe,
            EndSubscription: self._onEndSubscription,
            Cancel: self._onCancel,
            Refusal: self._onRefusal,
            Goodbye: self._onGoodbye,
            Abort: self._onAbort,
        }

    def open(self, conn: V2Connection) -> None:
        """A client has connected; it has some time to join."""
        conn.handlers = self._strangers
        conn.joinTimer = conn.reactor.callLater(self._limits.handshakeTimeout, self._timedOut, conn)

    def _timedOut(self, conn: V2Connection) -> None:
        conn.serverTally.exceeded["handshakeTimeout"] += 1
        conn.close(1008, "the session was not opened in time")

    def close(self, conn: V2Connection) -> Deferred[None] | None:
        """The client is gone; the component hears of it, if it has heard of the client."""
        conn.ended()
        if not conn.isJoined:
            return None
        if conn.stillOpening is not None:
            return conn.stillOpening.addCallback(lambda _: callClose(self._component, conn))
        return callClose(self._component, conn)

    # -- joining ----------------------------------------------------------------------------------

    def _onHello(self, conn: V2Connection, command: Hello) -> Deferred[Any] | None:
        if len(command.realm) > self._limits.topicLength:
            raise ProtocolError(1007, "the realm is too long", "topicLength")
        if not command.realm or (self._realms is not None and command.realm not in self._realms):
            self._abort(conn, "wamp.error.no_such_realm", "no such realm")
            return None
        conn.WAMP.realm = command.realm
        conn.forgetsCanceled = command.forgetsCanceled
        if self._authenticator is None or conn.WAMP.authmethod is not None:
            return self._welcome(conn, {})
        step = self._authenticator.begin(
            command.authid, command.authmethods, sessionId=conn.WAMP.sessionId
        )
        return self._proceed(conn, step)

    def _onAuthenticate(self, conn: V2Connection, command: Authenticate) -> Deferred[Any]:
        assert self._authenticator is not None
        assert conn.openChallenge is not None
        step = self._authenticator.finish(conn.openChallenge, command.signature, conn.reactor)
        return self._proceed(conn, step)

    def _proceed(self, conn: V2Connection, step: Deferred[Any]) -> Deferred[Any]:
        conn.authenticating = step
        step.addCallback(self._stepped, conn)
        return step.addErrback(self._notAuthenticated, conn)

    def _stepped(
        self, step: Challenge | Accepted | Refused, conn: V2Connection
    ) -> Deferred[None] | None:
        conn.authenticating = None
        if isinstance(step, Refused):
            self._abort(conn, step.uri, step.message)
            return None
        if isinstance(step, Challenge):
            conn.openChallenge = step
            conn.handlers = self._challenged
            conn.sendBelow(conn.codec.challenge(step.method, step.extra))
            return None
        conn.openChallenge = None
        conn.WAMP.authenticated(step)
        return self._welcome(conn, step.extra)

    def _notAuthenticated(self, failure: Failure, conn: V2Connection) -> Failure | None:
        if failure.check(*CANCELLATIONS):
            return None  # the client has left
        if not isinstance(failure.value, Exception):
            return failure
        log.failure("a client could not be authenticated", failure)
        self._abort(conn, conn.codec.internalError, "internal error")
        return None

    def _welcome(self, conn: V2Connection, extra: Mapping[str, Any]) -> Deferred[None] | None:
        session = conn.WAMP
        details: dict[str, Any] = {
            "realm": session.realm,
            "authrole": session.authrole or "anonymous",
            "authmethod": session.authmethod or "anonymous",
        }
        if session.authid is not None:
            details["authid"] = session.authid
        if extra:
            details["authextra"] = dict(extra)
        conn.sendBelow(conn.codec.welcome(session.sessionId, details))
        conn.hasJoined(self._members)
        pending = call(self._component, self._component.onOpen, conn)
        if pending is not None:
            conn.stillOpening = pending
            pending.addCallback(lambda _: setattr(conn, "stillOpening", None))
        return pending

    def _abort(self, conn: V2Connection, uri: str, desc: str) -> None:
        conn.sendBelow(conn.codec.abort(uri, desc))
        conn.wrappedConn.close(1000)

    # -- leaving ----------------------------------------------------------------------------------

    def _onGoodbye(self, conn: V2Connection, command: Goodbye) -> None:
        conn.sendBelow(conn.codec.goodbye(_FAREWELL))
        conn.wrappedConn.close(1000)

    def _onAbort(self, conn: V2Connection, command: Abort) -> None:
        conn.wrappedConn.close(1000)

    # -- requests ---------------------------------------------------------------------------------

    def _onSubscribe(self, conn: V2Connection, command: Subscribe) -> Deferred[None] | None:
        topic = self._uri(conn, command.topic)
        assert command.request is not None
        if not conn.wait(topic, command.request):
            # Each of them counts as one that is in flight.
            return conn.undecided[topic].decision
        pending = call(self._component, self._subscribe, conn, topic)
        waiting = conn.undecided.get(topic)
        if waiting is not None:
            waiting.decision = pending
        return pending

    def _subscribe(self, conn: ConnectionInterface, topic: str) -> object:
        assert isinstance(conn, V2Connection)
        return self._answered(
            conn,
            lambda: self._component.onSubscribe(conn, topic),  # type: ignore[arg-type]
            lambda: conn.confirm(topic),
            lambda *error: conn.deny(topic, *error),
        )

    def _onEndSubscription(
        self, conn: V2Connection, command: EndSubscription
    ) -> Deferred[None] | None:
        topic = conn.end(command.subscription)
        if topic is None:
            uri = "wamp.error.no_such_subscription"
            conn.sendBelow(conn.codec.refusal(UNSUBSCRIBE, command.request, uri, ""))
            return None
        # From here on it is sent no event of the topic.
        conn.sendBelow(conn.codec.unsubscribed(command.request))
        return call(self._component, self._component.onUnSubscribe, conn, topic)

    def _onPublish(self, conn: V2Connection, command: Publish) -> Deferred[Any] | None:
        if command.request is None:
            return self._publishSilently(conn, command)
        topic = self._uri(conn, command.topic)
        return call(self._component, self._publish, conn, command, topic)

    def _publish(self, conn: ConnectionInterface, command: Publish, topic: str) -> object:
        assert isinstance(conn, V2Connection)
        codec, request = conn.codec, command.request
        assert request is not None
        exclude = command.exclude
        if command.excludeMe:
            exclude = [conn.WAMP.sessionId, *exclude]
        current = Publishing(topic, newPublicationId())
        token = publishing.set(current)
        try:
            return self._answered(
                conn,
                lambda: self._component.onPublish(
                    conn,
                    topic,  # type: ignore[arg-type]
                    command.event,
                    exclude,
                    command.eligible,
                ),
                lambda: conn.sendBelow(codec.published(request, current.id)),
                lambda *error: conn.sendBelow(codec.refusal(PUBLISH, request, *error)),
            )
        finally:
            publishing.reset(token)

    def _answered(
        self,
        conn: V2Connection,
        callback: Callable[[], object],
        confirm: Callable[[], object],
        deny: Callable[[str, str, Any], object],
    ) -> Deferred[Any] | None:
        """Call the component, now or later say how it went, and pass on what is its failure."""
        try:
            result = callback()
            pending = None if result is None else toDeferred(result)
        except Exception as exc:
            _deny(conn.codec, exc, deny)
            return None
        if pending is None:
            confirm()
            return None
        return pending.addCallbacks(lambda _: confirm(), _denyLater, errbackArgs=(conn.codec, deny))

    def _onCancel(self, conn: V2Connection, command: Cancel) -> None:
        if command.mode == "kill" and conn.interruptCall(command.id):
            return  # how it ends is the answer
        isAwaited = command.mode == "kill" or not conn.forgetsCanceled
        if conn.cancel(command.id) and isAwaited:
            conn.sendBelow(conn.codec.refusal(CALL, command.id, CANCELED, BY_THE_CALLER))
        if command.mode != "skip":
            conn.interruptCall(command.id)

    def _onRefusal(self, conn: V2Connection, command: Refusal) -> None:
        if command.request is not None:
            conn.sendBelow(
                conn.codec.refusal(command.kind, command.request, command.uri, command.desc)
            )


def _deny(codec: WampV2, exc: Exception, deny: Callable[[str, str, Any], object]) -> None:
    if isinstance(exc, CallError):
        try:
            deny(exc.uri, exc.desc, exc.details)
        except LocalError as unsayable:
            exc = unsayable
        else:
            return
    # Without details: they would tell a stranger what our code looks like.
    deny(codec.internalError, "internal error", None)
    raise exc


def _denyLater(
    failure: Failure, codec: WampV2, deny: Callable[[str, str, Any], object]
) -> Failure | None:
    if not isinstance(failure.value, Exception):
        return failure
    _deny(codec, failure.value, deny)
    return None
