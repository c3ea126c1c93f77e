"""WAMP-CRA for version 1: two procedures that the library answers itself.

Version 1 has no messages for authentication, so a client calls ``authreq`` and ``auth`` like any
other procedures. That makes them the business of a component, between ``ServerProtocol`` and what
``WampServer`` serves.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from ratchet_py.dispatch import CANCELLATIONS, Gate
from ratchet_py.errors import CallError, NotAuthorized
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.wamp.authentication import Authenticator, Challenge, Refused
from ratchet_py.wamp.component import Component
from ratchet_py.wamp.cra import AUTH, AUTHREQ
from ratchet_py.wamp.interfaces import WampServerInterface
from ratchet_py.wamp.rules import permissions
from ratchet_py.wamp.users import Accepted, User

__all__ = ["WampCra"]

_ERROR = "http://api.wamp.ws/error#"


class _Session:
    """A client that has not said who it is.

    Attributes:
        gate: The way to the component's ``onOpen``; None if that has been called.
        timer: Closes the connection unless the gate opens in time.
        challenge: What the client has to answer; an Accepted, if there is nothing to prove.
        pending: A step that has not finished.
    """

    __slots__ = ("challenge", "gate", "pending", "timer")

    def __init__(self, gate: Gate | None, timer: IDelayedCall | None = None) -> None:
        self.gate = gate
        self.timer = timer
        self.challenge: Challenge | Accepted | None = None
        self.pending: Deferred[Any] | None = None

    def stopTimer(self) -> None:
        """It is in, or gone."""
        if self.timer is not None and self.timer.active():
            self.timer.cancel()


class WampCra(Component):
    """Lets the component above know of a client of version 1 when the client is authenticated.

    Until then its ``onOpen`` is withheld, calls are answered with ``not-authorized``, and
    subscriptions and publications are dropped; who takes too long is closed with 1008. If the
    authenticator has a role for anonymous sessions, a client has that one from the start; it may
    say later who it is.

    Who is authenticated when it opens, as clients of version 2 are, passes untouched.

    Args:
        component: The component above.
        authenticator: Decides who comes in.
        limits: ``handshakeTimeout`` is what counts here.
    """

    component: WampServerInterface

    def __init__(
        self,
        component: WampServerInterface,
        authenticator: Authenticator,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__(component)
        self._timeout = limits.handshakeTimeout
        self._authenticator = authenticator
        # Those who have not said who they are; a client that is not in here may do everything.
        self._sessions: dict[ConnectionInterface, _Session] = {}
        self._procedures: dict[object, Callable[..., object]] = {
            AUTHREQ: self._onAuthReq,
            AUTH: self._onAuth,
        }

    def onOpen(self, conn: ConnectionInterface) -> object:
        """A client has connected."""
        if conn.WAMP.authmethod is not None:
            return super().onOpen(conn)
        anonymous = self._authenticator.anonymous
        if anonymous is None:
            timer = conn.reactor.callLater(self._timeout, self._timedOut, conn)
            self._sessions[conn] = _Session(Gate(self, conn), timer)  # type: ignore[arg-type]
            return None
        self._sessions[conn] = _Session(None)
        conn.WAMP.authenticated(Accepted(None, anonymous, "anonymous"))
        return super().onOpen(conn)

    def onCall(self, conn: ConnectionInterface, id: Any, topic: Any, params: Any) -> object:
        """A client calls a procedure, perhaps one of ours."""
        procedure = self._procedures.get(topic)
        if procedure is not None:
            return procedure(conn, id, params)
        self._check(conn)
        return super().onCall(conn, id, topic, params)

    def onSubscribe(self, conn: ConnectionInterface, topic: Any) -> object:
        """A client subscribes."""
        self._check(conn)
        return super().onSubscribe(conn, topic)

    def onUnSubscribe(self, conn: ConnectionInterface, topic: Any) -> object:
        """A client unsubscribes; who has not been let in has nothing to unsubscribe from."""
        return None if self._isOutside(conn) else super().onUnSubscribe(conn, topic)

    def onPublish(
        self,
        conn: ConnectionInterface,
        topic: Any,
        event: Any,
        exclude: list[str],
        eligible: list[str],
    ) -> object:
        """A client publishes."""
        self._check(conn)
        return super().onPublish(conn, topic, event, exclude, eligible)

    def onClose(self, conn: ConnectionInterface) -> object:
        """The client is gone; the component above hears of it if it has heard of the client."""
        session = self._sessions.pop(conn, None)
        if session is None:
            return super().onClose(conn)
        session.stopTimer()
        if session.pending is not None:
            session.pending.cancel()
        if session.gate is None:
            return super().onClose(conn)
        session.gate.close()
        return None

    def _timedOut(self, conn: ConnectionInterface) -> None:
        conn.serverTally.exceeded["handshakeTimeout"] += 1
        conn.close(1008, "not authenticated in time")

    def _isOutside(self, conn: ConnectionInterface) -> bool:
        session = self._sessions.get(conn)
        return session is not None and session.gate is not None

    def _check(self, conn: ConnectionInterface) -> None:
        if self._isOutside(conn):
            raise NotAuthorized("not authenticated")

    def _session(self, conn: ConnectionInterface) -> _Session:
        session = self._sessions.get(conn)
        if session is None:
            raise CallError(_ERROR + "already-authenticated", "you are authenticated already")
        return session

    def _onAuthReq(self, conn: ConnectionInterface, id: Any, params: Any) -> object:
        session = self._session(conn)
        if session.challenge is not None or session.pending is not None:
            raise CallError(
                _ERROR + "authentication-already-requested", "there is a challenge to be answered"
            )
        authkey, extra = _arguments(params, 2)
        if not isinstance(authkey, str | None) or not isinstance(extra, dict | None):
            raise _invalid("authreq takes a name or null, and an object")
        if authkey:
            return self._ask(conn, session, authkey, extra)
        anonymous = self._authenticator.anonymous
        if anonymous is None:
            raise CallError(_ERROR + "anonymous-auth-forbidden", "say who you are")
        session.challenge = Accepted(None, anonymous, "anonymous")
        return conn.callResult(id, None)

    async def _ask(
        self, conn: ConnectionInterface, session: _Session, authkey: str, extra: Any
    ) -> object:
        step = self._authenticator.begin(
            authkey,
            ["wampcra"],
            sessionId=conn.WAMP.sessionId,
            wording=partial(_wording, extra),
        )
        outcome = await self._outcome(conn, session, step)
        if outcome is None:
            return conn
        if isinstance(outcome, Refused):
            raise _refusal(outcome, "no-such-authkey")
        session.challenge = outcome
        return outcome.extra["challenge"]

    async def _outcome(
        self, conn: ConnectionInterface, session: _Session, step: Deferred[Any]
    ) -> Any:
        """What a step has led to; None if the client has gone meanwhile."""
        session.pending = step
        try:
            return await step
        except CANCELLATIONS:
            # Not ours, if the client is still there: a store has given up.
            return Refused("failed") if conn in self._sessions else None
        finally:
            session.pending = None

    def _onAuth(self, conn: ConnectionInterface, id: Any, params: Any) -> object:
        session = self._session(conn)
        challenge = session.challenge
        if challenge is None:
            raise CallError(_ERROR + "no-authentication-requested", "call authreq first")
        (signature,) = _arguments(params, 1)
        if not isinstance(signature, str | None):
            raise _invalid("auth takes a signature or null")
        session.challenge = None
        return self._prove(conn, session, challenge, signature)

    async def _prove(
        self,
        conn: ConnectionInterface,
        session: _Session,
        challenge: Challenge | Accepted,
        signature: str | None,
    ) -> object:
        if isinstance(challenge, Challenge):
            step = self._authenticator.finish(challenge, signature, conn.reactor)
            outcome = await self._outcome(conn, session, step)
            if outcome is None:
                return conn
            if isinstance(outcome, Refused):
                raise _refusal(outcome, "invalid-signature")
        else:
            outcome = challenge
        session.stopTimer()
        conn.WAMP.authenticated(outcome)
        if session.gate is not None:
            # What the client sends before the answer is refused still, as onOpen has not finished.
            opening = session.gate.open(self.component.onOpen)
            if opening is not None:
                await opening
        self._sessions.pop(conn, None)
        return permissions(outcome.permissions)


def _arguments(params: Any, count: int) -> list[Any]:
    # One list or object alone is the params: neither is anything that is meant here.
    if not isinstance(params, list):
        raise _invalid("an object alone is no argument")
    return [*params, *[None] * count][:count]


def _invalid(desc: str) -> CallError:
    return CallError(_ERROR + "invalid-argument", desc)


def _refusal(refused: Refused, denied: str) -> CallError:
    if refused.reason == "failed":
        return CallError(_ERROR + "internal", refused.message)
    return CallError(_ERROR + denied, refused.message)


def _wording(extra: Any, authid: str, sessionId: str, user: User) -> dict[str, Any]:
    """What a challenge says.

    The permissions come with the answer to ``auth``: here they would tell who is known.
    """
    said: dict[str, Any] = {
        "authid": secrets.token_urlsafe(12),
        "authkey": authid,
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "sessionid": sessionId,
        "extra": extra,
        "permissions": permissions([]),
    }
    if user.salt is not None:
        said["authextra"] = {
            "salt": user.salt,
            "iterations": user.iterations,
            "keylen": user.keylen,
        }
    return said
