"""How a server says goodbye when the process is asked to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

__all__ = ["closeOnShutdown", "cutShortBySignal"]

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
    reactor.addSystemEventTrigger(
        "before", "shutdown", lambda: cutShortBySignal(reactor, close, abort)
    )


def cutShortBySignal(
    reactor: Any, close: Callable[[], Deferred[None]], abort: Callable[[], object]
) -> Deferred[None]:
    """Close every client, and meanwhile let SIGINT and SIGTERM drop who is still there.

    Twisted's own handlers would ask the reactor to stop once more: an error, and a traceback.

    Args:
        reactor: What runs ``abort``, in a turn of its own.
        close: Closes every client; its Deferred fires when the last one is gone.
        abort: Drops every client.

    Returns:
        What ``close`` has returned.
    """
    if threading.current_thread() is not threading.main_thread():
        return close()

    def cut(number: int, frame: object) -> None:
        log.warn("second signal: dropping the clients that are still there")
        reactor.callFromThread(abort)

    # Before the first client learns of it: the second signal may be its answer.
    before = {number: signal.signal(number, cut) for number in _SIGNALS}

    def restore(result: None) -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return close().addBoth(restore)
