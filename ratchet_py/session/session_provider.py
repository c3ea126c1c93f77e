r"""The session of each client, before ``onOpen`` (``Ratchet\Session\SessionProvider``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ratchet_py.dispatch import toDeferred
from ratchet_py.errors import HttpError, LocalError
from ratchet_py.http.interfaces import HttpServerInterface
from ratchet_py.http.request import Request
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.session.interfaces import SessionHandlerInterface, SessionsInterface
from ratchet_py.session.php_sessions import PhpSessions
from ratchet_py.session.serialize.interfaces import HandlerInterface, MalformedSession
from ratchet_py.session.session import Session
from ratchet_py.session.stored import asked

__all__ = ["SessionProvider"]

# Seconds for which a warning is not repeated, as clients decide how often there is reason for it.
_SILENCE = 60.0

log = Logger()


class SessionProvider(HttpServerInterface):
    r"""Gives each client its session of the site (``Ratchet\Session\SessionProvider``).

    ``conn.Session`` is there before ``onOpen`` of the application, and ``request.session`` before
    ``authenticate``; see :class:`~ratchet_py.session.Session`. Who has no session (no cookie, one
    that is unknown, forged or expired) gets an empty one. Until it is found nothing else happens to
    the client: nothing is answered, and what it sends waits.

    If the store cannot be reached, or takes longer than ``Limits.sessionTimeout``, the client is
    answered with 503. No more than ``Limits.sessionLookups`` are looked up at the same time; who
    comes meanwhile waits.

    Example:
        ::

            handler = NativeFileSessionHandler("/var/lib/php/sessions", owner="www-data")
            HttpServer(SessionProvider(WsServer(Chat()), handler, {"name": "MYSITE"}))

    Args:
        component: What is above: a ``WsServer``, an ``OriginCheck``, a ``Router``.
        sessions: A :class:`~ratchet_py.session.SessionHandlerInterface`, for a site in PHP or
            Symfony, or any :class:`~ratchet_py.session.SessionsInterface`.
        options: For a handler: those of PHP's ``session.`` settings that matter here, ``name`` for
            the cookie's and ``serialize_handler``. As in Ratchet.
        serializer: For a handler: the format, instead of ``serialize_handler``.
        limits: ``sessionTimeout`` and ``sessionLookups``.

    Raises:
        TypeError: The component, or ``sessions``, is nothing of that kind.
        LocalError: There is an option that means nothing here.

    Attributes:
        component: The component above.
        sessions: How sessions are found.
        limits: The limits.
    """

    def __init__(
        self,
        component: HttpServerInterface,
        sessions: SessionHandlerInterface | SessionsInterface,
        options: Mapping[str, Any] | None = None,
        serializer: HandlerInterface | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        if not isinstance(component, HttpServerInterface):
            raise TypeError(
                f"{type(component).__name__} is no HttpServerInterface; "
                "an application goes on a WsServer first"
            )
        if isinstance(sessions, SessionHandlerInterface):
            sessions = PhpSessions.withOptions(sessions, options or {}, serializer)
        elif not isinstance(sessions, SessionsInterface):
            raise TypeError(f"{type(sessions).__name__} is no SessionHandlerInterface")
        elif options or serializer is not None:
            raise LocalError(f"options and serializer are for handlers of PHP: {sessions!r}")
        self.component = component
        self.sessions = sessions
        self.limits = limits
        self._turns = DeferredSemaphore(limits.sessionLookups)
        # Those whose onOpen has not reached the component.
        self._unopened: set[ConnectionInterface] = set()
        # When each kind of warning was logged last.
        self._warned: dict[str, float] = {}

    @property
    def serial(self) -> bool:  # type: ignore[override]
        """What the component above says."""
        return self.component.serial

    def onOpen(self, conn: ConnectionInterface, request: Request) -> object:
        """Find the session, then open the component.

        Raises:
            HttpError: 503: there is no telling whether there is one.
        """
        cookie = request.cookies.get(self.sessions.name)
        if not cookie:
            return self._open(conn, request, None)
        self._unopened.add(conn)
        if not self._turns.tokens:
            conn.serverTally.exceeded["sessionLookups"] += 1
        turn = self._turns.acquire()
        wait = _Wait(conn, turn, self.limits.sessionTimeout)
        request.whenGone = wait.gone
        turn.addCallbacks(self._find, lambda _: None, callbackArgs=(cookie, wait))
        return wait.over.addCallback(self._found, conn, request, wait)

    def onMessage(self, conn: ConnectionInterface, msg: bytes) -> object:
        """Pass on."""
        return self.component.onMessage(conn, msg)

    def onClose(self, conn: ConnectionInterface) -> object:
        """Pass on, if the component has been opened."""
        if conn in self._unopened:
            self._unopened.discard(conn)
            return None
        return self.component.onClose(conn)

    def onError(self, conn: ConnectionInterface, exc: Exception) -> object:
        """Pass on."""
        return self.component.onError(conn, exc)

    def _find(self, _: object, cookie: str, wait: _Wait) -> None:
        finding = asked(self.sessions.find, cookie)
        finding.addErrback(self._failed, wait.conn.reactor)
        # Also if nobody waits for it any more: a thread that hangs is no free thread.
        finding.addBoth(self._release, wait.conn.reactor)
        finding.addCallbacks(wait.end, wait.fail)

    def _release(self, result: Session | Failure | None, reactor: Any) -> Any:
        if self._turns.waiting:
            # In a later turn of the reactor: many whose lookups take no time would be a recursion
            # as deep as they are many.
            reactor.callLater(0, self._turns.release)
        else:
            self._turns.release()
        return result

    def _failed(self, failure: Failure, reactor: Any) -> object:
        if failure.check(HttpError):
            return failure
        if failure.check(MalformedSession):
            self._warn(failure, reactor, "cannot be read, and counts as empty")
            return None
        self._warn(failure, reactor, "cannot be looked up, and the client gets 503")
        raise HttpError(503, "the session cannot be looked up", {"Retry-After": "5"})

    def _warn(self, failure: Failure, reactor: Any, what: str) -> None:
        now = reactor.seconds()
        if now - self._warned.get(what, -_SILENCE) < _SILENCE:
            return
        self._warned[what] = now
        log.warn(
            "a session of cookie {name} {what}: {type}: {reason}",
            name=self.sessions.name,
            what=what,
            type=type(failure.value).__name__,
            reason=" ".join(failure.getErrorMessage().split()),
        )

    def _found(
        self, session: Session | None, conn: ConnectionInterface, request: Request, wait: _Wait
    ) -> object:
        if wait.isGone:
            return None
        self._unopened.discard(conn)
        request.whenGone = None
        return toDeferred(self._open(conn, request, session))

    def _open(self, conn: ConnectionInterface, request: Request, session: Session | None) -> object:
        if session is None:
            session = Session(name=self.sessions.name)
        conn.Session = request.session = session
        return self.component.onOpen(conn, request)


class _Wait:
    """One client that waits for its session.

    Attributes:
        conn: The client.
        over: Fires with the session, with None if the client is gone, and fails with ``HttpError``.
        isGone: Whether the client is gone.
    """

    __slots__ = ("_timer", "_turn", "conn", "isGone", "over")

    def __init__(
        self, conn: ConnectionInterface, turn: Deferred[DeferredSemaphore], timeout: float
    ) -> None:
        self.over: Deferred[Session | None] = Deferred()
        self.isGone = False
        self.conn = conn
        self._turn = turn
        self._timer: IDelayedCall | None = conn.reactor.callLater(timeout, self._timedOut)

    def end(self, session: Session | None) -> None:
        """The session is there, or there is none."""
        if self._stop():
            self.over.callback(session)

    def fail(self, failure: Failure) -> None:
        """It could not be looked up."""
        if self._stop():
            self.over.errback(failure)

    def gone(self) -> None:
        """The client has gone."""
        self.isGone = True
        self.end(None)

    def _timedOut(self) -> None:
        error = HttpError(
            503,
            "the session takes too long to look up",
            {"Retry-After": "5"},
            limit="sessionTimeout",
        )
        self._timer = None
        self.fail(Failure(error))

    def _stop(self) -> bool:
        """Stop waiting; False if that was over already."""
        if self.over.called:
            return False
        if self._timer is not None:
            self._timer.cancel()
        # If it has not come. One that has come goes on, and nobody asks for what it finds.
        self._turn.cancel()
        return True
