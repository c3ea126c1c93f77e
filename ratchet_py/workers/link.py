"""A worker's end of the pipes."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.logger import ILogObserver, eventAsText
from zope.interface import implementer

from ratchet_py.workers.pipes import LOG, Lines

__all__ = ["Link", "logToParent", "readLine"]

# An application may log from its threads.
_logging = threading.Lock()


def readLine(fd: int) -> bytes:
    """Wait for a line, and read no more than that.

    Returns:
        The line; empty if the other end is gone.
    """
    line = bytearray()
    while (byte := os.read(fd, 1)) not in (b"", b"\n"):
        line += byte
    return bytes(line) if byte else b""


@implementer(ILogObserver)
def logToParent(event: dict[str, Any]) -> None:
    """Hand an event to the parent, which logs it with the worker's number (ILogObserver)."""
    text = eventAsText(event, includeTimestamp=False, includeSystem=False)
    line = [event["log_level"].name, event["log_namespace"], text]
    data = json.dumps(line).encode() + b"\n"
    with _logging:
        while data:
            data = data[os.write(LOG, data) :]


class Link(Protocol):
    """Hears commands, and reports.

    Args:
        onCommand: Called with each command, an object of JSON.
        onLost: Called when the parent is gone.
    """

    def __init__(
        self, onCommand: Callable[[dict[str, Any]], object], onLost: Callable[[], object]
    ) -> None:
        self._lines = Lines()
        self._onCommand = onCommand
        self._onLost = onLost
        self._closed: Deferred[None] | None = None

    def report(self, kind: str, **more: Any) -> None:
        """Tell the parent something."""
        if self.transport is not None:
            self.transport.write(json.dumps({"is": kind, **more}).encode() + b"\n")

    def close(self) -> Deferred[None]:
        """Hand over what has been reported, and end.

        Returns:
            A Deferred that fires when it is all on its way.
        """
        self._closed = Deferred()
        if self.transport is None:
            self._closed.callback(None)
        else:
            self.transport.loseConnection()
        return self._closed

    def dataReceived(self, data: bytes) -> None:
        """Commands (IProtocol)."""
        for line in self._lines.add(data):
            self._onCommand(json.loads(line))

    def connectionLost(self, reason: Any = None) -> None:
        """The pipes are closed, by us or because the parent is gone (IProtocol)."""
        self.transport = None
        if self._closed is not None:
            self._closed.callback(None)
            return
        # Nobody reads any more, and who writes there would fail.
        nowhere = os.open(os.devnull, os.O_RDWR)
        for fd in (1, 2, LOG):
            os.dup2(nowhere, fd, inheritable=fd != LOG)
        os.close(nowhere)
        self._onLost()
