"""How a server says goodbye when the process is asked to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

__all__ = ["Shutdown", "closeOnShutdown"]

log = Logger()

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def closeOnShutdown(
    reactor: Any, close: Callable[[], Deferred[None]], abort: Callable[[], object]
) -> None:
    """Let the reactor end only when every client has been closed, or a second signal comes.

    Args:
        reactor: The reactor that serves.
        close: Closes every client; its Deferred fires when the last one is gone.
        abort: Drops every client.
    """
    shutdown = Shutdown(reactor, close, abort)
    shutdown.watch()
    reactor.addSystemEventTrigger("before", "shutdown", shutdown.begin)


class Shutdown:
    """Closes every client, and meanwhile lets SIGINT and SIGTERM drop who is still there.

    Twisted's own handlers would ask the reactor to stop once more: an error, and a traceback. So
    they get the first signal alone. One that comes before the clients have been told is the same
    wish once more: ``timeout`` sends its signal to the process and to the group that it is in.

    Args:
        reactor: What runs ``abort``, in a turn of its own.
        close: Closes every client; its Deferred fires when the last one is gone.
        abort: Drops every client.
    """

    def __init__(
        self, reactor: Any, close: Callable[[], Deferred[None]], abort: Callable[[], object]
    ) -> None:
        self._reactor = reactor
        self._close = close
        self._abort = abort
        self._asked = False
        self._closing = False
        self._cut = False
        self._before: dict[int, Any] = {}

    def watch(self) -> None:
        """Take over from Twisted's handlers as soon as they are there."""
        self._reactor.callWhenRunning(self._install)

    def begin(self) -> Deferred[Any]:
        """Close every client.

        Returns:
            What ``close`` has returned; it fires when the last client is gone.
        """
        self._install()
        # Before the first client learns of it: the second signal may be its answer.
        self._closing = True
        return self._close().addBoth(self._restore)

    def _install(self) -> None:
        if not self._before and threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._signal) for number in _SIGNALS}

    def _cutShort(self) -> None:
        log.warn("second signal: dropping the clients that are still there")
        self._abort()

    def _restore(self, _: object) -> None:
        self._closing = self._cut = False
        if self._asked:
            # The process ends. One more signal has nothing to say, and Twisted's handler would ask
            # a reactor to stop that has stopped.
            return
        for number, handler in tuple(self._before.items()):
            # Unless another one has taken over from us, and hands on to us what it gets.
            if signal.getsignal(number) == self._signal:
                signal.signal(number, handler)
                del self._before[number]

    def _signal(self, number: int, frame: Any) -> None:
        before = self._before[number]
        if self._closing:
            if self._cut:
                return
            # Once, and not here: signals may come faster than a handler can log.
            self._cut = True
            self._reactor.callFromThread(self._cutShort)
            if isinstance(getattr(before, "__self__", None), Shutdown):
                before(number, frame)
        elif not self._asked:
            self._asked = True
            if callable(before):
                before(number, frame)
            elif before == signal.SIG_DFL:
                signal.signal(number, before)
                signal.raise_signal(number)
