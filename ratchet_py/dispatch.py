"""How every layer calls up: one way to catch, one way to wait.

The layer that calls up catches. A callback that fails reaches ``onError`` of the component that
was called, once, and goes no further down. A callback may be plain, return a Deferred, or be a
coroutine; a plain one costs no Deferred.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from types import CoroutineType
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ratchet_py.interfaces import ConnectionInterface

__all__ = ["CANCELLATIONS", "Gate", "call", "callClose", "toDeferred"]

log = Logger()

CANCELLATIONS = (CancelledError, asyncio.CancelledError)
"""How a callback ends that was cancelled: one that waits for Twisted, and one for asyncio."""


class _HandlesErrors(Protocol):
    serial: bool

    def onClose(self, conn: ConnectionInterface) -> object: ...

    def onError(self, conn: ConnectionInterface, exc: Exception) -> object: ...


class _TakesMessages(_HandlesErrors, Protocol):
    def onMessage(self, conn: ConnectionInterface, msg: Any) -> object: ...


def toDeferred(result: object) -> Deferred[Any] | None:
    """The Deferred of what a callback returned, or None if it returned nothing to wait for."""
    if isinstance(result, Deferred):
        return result
    if isinstance(result, (CoroutineType, Coroutine)):
        return Deferred.fromCoroutine(result)
    if isinstance(result, asyncio.Future):
        return Deferred.fromFuture(result)
    return None


def call(
    component: _HandlesErrors,
    callback: Callable[..., object],
    conn: ConnectionInterface,
    *args: Any,
) -> Deferred[None] | None:
    """Call ``callback(conn, *args)`` of a component above; what it raises goes to its ``onError``.

    Args:
        component: Whose callback it is.
        callback: The bound method.
        conn: The connection the event belongs to.
        args: What else the callback takes.

    Returns:
        None if the callback has finished, else a Deferred that fires when it has. It never fails.
    """
    try:
        result = callback(conn, *args)
    except Exception as exc:
        return _report(component, conn, exc)
    if result is None:
        return None
    return _pending(result, lambda failure: _failed(component, conn, failure))


def callClose(component: _HandlesErrors, conn: ConnectionInterface) -> Deferred[None] | None:
    """Call ``onClose`` of a component above; a failure is logged, too.

    An ``onError`` that only tells the client would tell nobody.

    Returns:
        As :func:`call`.
    """
    return call(component, partial(_logged, component.onClose), conn)


def _logged(onClose: Callable[..., object], conn: ConnectionInterface) -> object:
    try:
        result = onClose(conn)
    except Exception:
        log.failure("onClose failed")
        raise
    pending = None if result is None else toDeferred(result)
    return None if pending is None else pending.addErrback(_logFailure)


def _logFailure(failure: Failure) -> Failure:
    log.failure("onClose failed", failure)
    return failure


def _pending(result: object, errback: Callable[[Failure], object]) -> Deferred[None] | None:
    deferred = toDeferred(result)
    if deferred is None:
        return None
    deferred.addErrback(errback)
    deferred.addCallback(lambda _: None)
    if deferred.called and not deferred.paused and not isinstance(deferred.result, Deferred):
        return None
    return deferred


def _failed(component: _HandlesErrors, conn: ConnectionInterface, failure: Failure) -> object:
    if isinstance(failure.value, Exception):
        return _report(component, conn, failure.value)
    _drop(component, conn, failure)
    return None


def _report(
    component: _HandlesErrors, conn: ConnectionInterface, exc: Exception
) -> Deferred[None] | None:
    conn.serverTally.fail(exc)
    try:
        result = component.onError(conn, exc)
    except Exception:
        _drop(component, conn, Failure())
        return None
    if result is None:
        return None
    return _pending(result, lambda failure: _drop(component, conn, failure))


def _drop(component: _HandlesErrors, conn: ConnectionInterface, failure: Failure) -> None:
    conn.serverTally.fail(failure.value)
    log.failure(
        "onError of {component} failed; connection {resourceId} is dropped",
        failure,
        component=type(component).__name__,
        resourceId=conn.resourceId,
    )
    conn.abort()


class Gate:
    """One connection's way up to one component: nothing passes before what it must wait for.

    Messages and the close wait for ``onOpen``; with ``serial`` a message also waits for the one
    before it. While something is held back, reading is paused, so what is held is one read's worth.
    """

    __slots__ = ("_closed", "_component", "_conn", "_deaf", "_held", "_opened", "_opening")

    _held: list[Any] | None

    def __init__(self, component: _TakesMessages, conn: ConnectionInterface) -> None:
        self._component = component
        self._conn = conn
        self._held = None
        self._opened = False
        self._opening = False
        self._deaf = False
        self._closed = False

    def open(self, onOpen: Callable[..., object], *args: Any) -> Deferred[None] | None:
        """Call ``onOpen(conn, *args)``.

        Args:
            onOpen: The component's own, or a function of the calling layer around it.
            args: What it takes beyond the connection.

        Returns:
            None if it has finished, else a Deferred that fires when it has, for the layer below.
        """
        self._opened = True
        pending = self._call(onOpen, *args)
        if pending is not None:
            self._opening = True
            self._hold(pending)
        return pending

    def message(self, msg: Any) -> None:
        """Call ``onMessage``, now or when its turn comes."""
        if self._held is not None:
            self._held.append(msg)
            return
        component = self._component
        try:
            result = component.onMessage(self._conn, msg)
        except Exception as exc:
            pending = _report(component, self._conn, exc)
        else:
            if result is None:
                return
            conn = self._conn
            pending = _pending(result, lambda failure: _failed(component, conn, failure))
        if pending is not None and component.serial:
            self._hold(pending)

    def inTurn(self, turn: partial[None]) -> None:
        """Call ``turn()`` when the messages that came before it have been delivered."""
        if self._held is None or self._deaf:
            turn()
        else:
            self._held.append(turn)

    def discard(self) -> None:
        """Deliver no message that is held back; what else waits for its turn still gets it."""
        self._deaf = True

    def close(self) -> None:
        """Call ``onClose``, after ``onOpen`` has finished. Nothing is delivered any more.

        Nothing is called if :meth:`open` was not.
        """
        self._closed = True
        if self._opened and not self._opening:
            self._callClose()

    def _call(self, callback: Callable[..., object], *args: Any) -> Deferred[None] | None:
        return call(self._component, callback, self._conn, *args)

    def _callClose(self) -> None:
        callClose(self._component, self._conn)

    def _hold(self, pending: Deferred[None]) -> None:
        self._held = []
        self._conn.pauseReading()
        pending.addCallback(self._release)

    def _release(self, _: None) -> None:
        held, self._held = self._held or [], None
        opening, self._opening = self._opening, False
        if self._closed:
            if opening:
                self._callClose()
            return
        for index, msg in enumerate(held):
            if isinstance(msg, partial):
                msg()
            elif not self._deaf:
                self.message(msg)
            if self._held is not None:
                self._held.extend(held[index + 1 :])
                break
        self._conn.resumeReading()
