"""Permissions per topic and procedure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ratchet_py.dispatch import CANCELLATIONS, toDeferred
from ratchet_py.errors import CallError, NotAuthorized
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.wamp.component import Component
from ratchet_py.wamp.interfaces import NO_ANSWER, WampServerInterface
from ratchet_py.wamp.rules import ACTIONS, Action, Rule
from ratchet_py.wamp.topic import Topic

__all__ = ["Authorizer", "Check"]

log = Logger()

Check: TypeAlias = Callable[
    [ConnectionInterface, Action, str],
    "bool | Deferred[bool | None] | Awaitable[bool | None] | None",
]
"""A rule that is a function, of the client, the action and the full name: True allows, False
forbids, None leaves it to the rules that follow."""


class Authorizer(Component):
    """Lets through to the application above only what the rules allow.

    The rules are read in order, those of the user itself (:attr:`User.permissions
    <ratchet_py.wamp.User>`) before these; the first that has something to say decides. What no rule
    speaks of is refused, as is what a rule cannot decide because it fails. A call that is refused
    is answered with :class:`~ratchet_py.errors.NotAuthorized`; version 1 is told nothing about a
    subscription or a publication that is, version 2 gets an ERROR. What the application itself
    sends is not judged.

    While an async rule decides about a subscription, the topic does not hold the client. What
    happens meanwhile is not held back: a later publication may overtake an earlier one, unless the
    application is ``serial``.

    Example:
        Everybody reads the news, the staff writes them, and users see their own mail::

            async def ownMail(conn, action, uri):
                if uri.startswith("com.mail."):
                    return uri == f"com.mail.{conn.WAMP.authid}"

            app.route("/ws", Authorizer(News(), [
                Rule("com.news.", match="prefix", actions={"subscribe"}),
                Rule("com.news.", match="prefix", role="staff"),
                ownMail,
            ]), auth=users)

    Args:
        component: The application.
        rules: What is allowed: :class:`~ratchet_py.wamp.Rule` objects, and functions for what these
            cannot say (see :data:`Check`); or a function alone.
        default: What holds where no rule has anything to say.
    """

    component: WampServerInterface

    def __init__(
        self,
        component: WampServerInterface,
        rules: Iterable[Rule | Check] | Check,
        default: bool = False,
    ) -> None:
        super().__init__(component)
        rules = [rules] if callable(rules) else list(rules)
        self._default = default
        # By action, so that a publication does not read through the rules for calls.
        # And a Rule as the bare tuple of what is compared: there may be many of them to read.
        self._rules: dict[Action, list[Any]] = {
            action: [
                (rule.role, rule.authid, rule.matches, rule.allow)
                if isinstance(rule, Rule)
                else rule
                for rule in rules
                if not isinstance(rule, Rule) or action in rule.actions
            ]
            for action in ACTIONS
        }

    def isAllowed(
        self, conn: ConnectionInterface, action: Action, uri: str
    ) -> bool | Deferred[bool]:
        """What the rules say.

        Args:
            conn: Who asks.
            action: ``call``, ``subscribe`` or ``publish``.
            uri: The full name of the topic or procedure.

        Returns:
            Whether it is allowed, or if a rule must wait for something a Deferred of that, which
            fails only with a :class:`~ratchet_py.errors.CallError` of that rule's own.

        Raises:
            CallError: Likewise.
        """
        wamp = conn.WAMP
        role, authid = wamp.authrole, wamp.authid
        for rule in wamp.permissions:
            if action in rule.actions and rule.isFor(role, authid) and rule.matches(uri):
                return bool(rule.allow)
        return self._read(0, conn, action, uri)

    def onCall(self, conn: ConnectionInterface, id: Any, topic: Topic, params: Any) -> object:
        """A client calls a procedure."""
        allowed = self.isAllowed(conn, "call", str(topic))
        if isinstance(allowed, Deferred):
            return allowed.addCallback(self._callLater, conn, id, topic, params)
        _refuseUnless(allowed)
        return self.component.onCall(conn, id, topic, params)

    def onSubscribe(self, conn: ConnectionInterface, topic: Topic) -> object:
        """A client has subscribed."""
        allowed = self.isAllowed(conn, "subscribe", str(topic))
        if isinstance(allowed, Deferred):
            return allowed.addCallback(self._subscribeLater, conn, topic, topic.suspend(conn))
        _refuseUnless(allowed)
        return self.component.onSubscribe(conn, topic)

    def onPublish(
        self,
        conn: ConnectionInterface,
        topic: Topic,
        event: Any,
        exclude: list[str],
        eligible: list[str],
    ) -> object:
        """A client publishes."""
        allowed = self.isAllowed(conn, "publish", str(topic))
        if isinstance(allowed, Deferred):
            return allowed.addCallback(self._publishLater, conn, topic, event, exclude, eligible)
        _refuseUnless(allowed)
        return self.component.onPublish(conn, topic, event, exclude, eligible)

    def _read(
        self, start: int, conn: ConnectionInterface, action: Action, uri: str
    ) -> bool | Deferred[bool]:
        """What the rules say from one on."""
        wamp = conn.WAMP
        role, authid = wamp.authrole, wamp.authid
        rules = self._rules[action]
        for index in range(start, len(rules)):
            rule = rules[index]
            if rule.__class__ is tuple:
                forRole, forAuthid, matches, allow = rule
                if (
                    (forRole is None or forRole == role)
                    and (forAuthid is None or forAuthid == authid)
                    and matches(uri)
                ):
                    return bool(allow)
                continue
            try:
                verdict = rule(conn, action, uri)
            except Exception as exc:
                return _failed(Failure(exc))
            pending = toDeferred(verdict)
            if pending is not None:
                pending.addErrback(_failedLater)
                return pending.addCallback(self._goOn, index + 1, conn, action, uri)
            if verdict is not None:
                return bool(verdict)
        return self._default

    def _goOn(
        self, verdict: bool | None, start: int, conn: ConnectionInterface, action: Action, uri: str
    ) -> bool | Deferred[bool]:
        if verdict is not None:
            return bool(verdict)
        return self._read(start, conn, action, uri)

    def _callLater(
        self, allowed: bool, conn: ConnectionInterface, id: Any, topic: Topic, params: Any
    ) -> object:
        _refuseUnless(allowed)
        result = self.component.onCall(conn, id, topic, params)
        if result is None or isinstance(result, ConnectionInterface):
            # A plain onCall: it has answered by hand, or will, or nobody does.
            return NO_ANSWER
        pending = toDeferred(result)
        return result if pending is None else pending

    def _subscribeLater(
        self, allowed: bool, conn: ConnectionInterface, topic: Topic, suspended: object
    ) -> object:
        _refuseUnless(allowed)
        if not topic.resume(conn, suspended):
            return None
        return toDeferred(self.component.onSubscribe(conn, topic))

    def _publishLater(
        self,
        allowed: bool,
        conn: ConnectionInterface,
        topic: Topic,
        event: Any,
        exclude: list[str],
        eligible: list[str],
    ) -> object:
        _refuseUnless(allowed)
        return toDeferred(self.component.onPublish(conn, topic, event, exclude, eligible))


def _refuseUnless(allowed: bool) -> None:
    if not allowed:
        raise NotAuthorized


def _failedLater(failure: Failure) -> bool | Failure:
    # Who cancels a call cancels the rule that it waits for: that is no fault of the rule's.
    return failure if failure.check(*CANCELLATIONS) else _failed(failure)


def _failed(failure: Failure) -> bool:
    """A rule has failed: nothing is allowed then, whatever other rules may say."""
    if isinstance(failure.value, CallError):
        raise failure.value
    log.failure("a rule has failed; what it was to decide is refused", failure)
    return False
