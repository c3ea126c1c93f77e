"""A connection without a transport, and a component that remembers what it was told."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from ratchet_py.connection import ConnectionRecord
from ratchet_py.http import HttpServerInterface


class FakeConnection(ConnectionRecord):
    """Keeps what it is sent; ``bufferedAmount`` is whatever a test says."""

    def __init__(self, clock, remoteAddress="192.0.2.7"):
        super().__init__(1, remoteAddress, clock)
        self.written = b""
        self.closed = False
        self.aborted = False
        self.pauses = 0
        self.bufferedAmount = 0
        self.draining = []

    def send(self, data):
        if not self.closed:
            self.written += data
        return self

    def close(self, code=None, reason=""):
        self.closed = True

    def abort(self):
        self.closed = self.aborted = True

    def pauseReading(self):
        self.pauses += 1

    def resumeReading(self):
        self.pauses -= 1

    def whenDrained(self):
        self.draining.append(Deferred())
        return self.draining[-1]

    def drain(self):
        self.bufferedAmount = 0
        waiting, self.draining = self.draining, []
        for deferred in waiting:
            deferred.callback(None)

    @property
    def status(self):
        """The status of the only answer."""
        assert self.written.count(b"HTTP/1.") == 1
        return int(self.written.split(b" ")[1])

    @property
    def answerHeaders(self):
        """The headers of the only answer."""
        lines = self.written.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return dict(line.split(": ", 1) for line in lines)

    @property
    def answerBody(self):
        return self.written.partition(b"\r\n\r\n")[2]


class Recorder(HttpServerInterface):
    """Writes down its events; ``on`` maps an event's name to what is done then."""

    def __init__(self, **on):
        self.on = on
        self.events = []

    def onOpen(self, conn, request):
        self.events.append(("open", str(request.uri)))
        return self._do("open", conn, request)

    def onMessage(self, conn, msg):
        self.events.append(("message", msg))
        return self._do("message", conn, msg)

    def onClose(self, conn):
        self.events.append(("close",))
        return self._do("close", conn)

    def onError(self, conn, exc):
        self.events.append(("error", exc))
        return self._do("error", conn, exc)

    def _do(self, name, *args):
        action = self.on.get(name)
        return None if action is None else action(*args)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def conn(clock):
    return FakeConnection(clock)


@pytest.fixture
def recorder():
    """Makes a component; ``recorder(open=f)`` calls ``f(conn, request)`` in its ``onOpen``."""
    return Recorder


@pytest.fixture
def connection(clock):
    """Makes another connection."""
    return lambda *args: FakeConnection(clock, *args)
