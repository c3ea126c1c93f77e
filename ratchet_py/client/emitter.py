r"""Events and who listens to them, as in PHP's Evenement, which Pawl uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

from twisted.logger import Logger
from twisted.python.failure import Failure

from ratchet_py.dispatch import toDeferred
from ratchet_py.errors import LocalError, RatchetError

__all__ = ["Emitter"]

log = Logger()


class Emitter:
    """Something with events.

    A listener may be plain, return a Deferred, or be ``async def``; nobody waits for it. What it
    raises goes to the listeners of ``error``, and to the log if there are none.

    Attributes:
        events: The names of the events.
    """

    events: ClassVar[tuple[str, ...]] = ("error",)

    def __init__(self) -> None:
        self._listeners: dict[str, list[Callable[..., object]]] = {name: [] for name in self.events}

    def on(self, event: str, listener: Callable[..., object]) -> Self:
        """Call a function whenever something happens.

        Args:
            event: What.
            listener: The function; the class says what it is called with.

        Raises:
            LocalError: There is no such event.
        """
        if event not in self._listeners:
            raise LocalError(f"there is no event {event!r}, but {', '.join(self.events)}")
        self._listeners[event].append(listener)
        return self

    def once(self, event: str, listener: Callable[..., object]) -> Self:
        """Call a function the next time that something happens, and not again."""
        return self.on(event, _Once(self, event, listener))

    def removeListener(self, event: str, listener: Callable[..., object]) -> None:
        """Call it no more; nothing happens if it is not called anyway."""
        listeners = self._listeners[event]
        for each in listeners:
            if listener in (each, each.listener if isinstance(each, _Once) else None):
                listeners.remove(each)
                return

    def _emit(self, event: str, *args: Any) -> None:
        for listener in tuple(self._listeners[event]):
            self._call(self._report, listener, *args)

    def _report(self, exc: BaseException) -> None:
        """Tell the listeners of ``error``, or the log."""
        listeners = tuple(self._listeners["error"])
        if not listeners:
            _log(exc)
        for listener in listeners:
            self._call(_log, listener, exc)

    @staticmethod
    def _call(
        failed: Callable[[BaseException], None], listener: Callable[..., object], *args: Any
    ) -> None:
        try:
            result = listener(*args)
        except Exception as exc:
            failed(exc)
            return
        pending = None if result is None else toDeferred(result)
        if pending is not None:
            pending.addErrback(_unwrapped, failed)


class _Once:
    """A listener that is called the next time, and not again."""

    def __init__(self, emitter: Emitter, event: str, listener: Callable[..., object]) -> None:
        self.listener = listener
        self._emitter = emitter
        self._event = event

    def __call__(self, *args: Any) -> object:
        self._emitter.removeListener(self._event, self)
        return self.listener(*args)


def _unwrapped(failure: Failure, failed: Callable[[Any], None]) -> None:
    failed(failure.value)


def _log(exc: BaseException) -> None:
    if isinstance(exc, RatchetError):
        log.error("{exc!r}, and nobody listens to errors", exc=exc)
    else:
        log.failure("a listener has failed", Failure(exc))
