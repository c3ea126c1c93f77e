"""Whatever happens in whatever order, a component sees well-formed lives of its connections."""

from __future__ import annotations

import re

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from ratchet_py.connection import ConnectionRecord
from ratchet_py.errors import HttpError
from ratchet_py.http import HttpServer, HttpServerInterface

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Connection(ConnectionRecord):
    def __init__(self, clock):
        super().__init__(1, "192.0.2.7", clock)
        self.closed = False
        self.pauses = 0

    def send(self, data):
        return self

    def close(self, code=None, reason=""):
        self.closed = True

    def abort(self):
        self.closed = True

    def pauseReading(self):
        self.pauses += 1

    def resumeReading(self):
        self.pauses -= 1


class Component(HttpServerInterface):
    """Does what the machine has said that it does next."""

    def __init__(self):
        self.life = ""
        self.opening = "now"
        self.messaging = "now"
        self.waiting = []
        self.giveBack = None

    def _do(self, how):
        if how == "fail":
            raise ZeroDivisionError
        if how == "refuse":
            raise HttpError(403, "no")
        if how.endswith("later"):
            self.waiting.append(Deferred())
            return self.waiting[-1]
        return None

    def onOpen(self, conn, request):
        self.life += "o"
        self.giveBack = request.nextRequest
        if self.opening.startswith("give back"):
            request.nextRequest(b"")
        return self._do(self.opening)

    def onMessage(self, conn, msg):
        self.life += "m"
        return self._do(self.messaging)

    def onClose(self, conn):
        self.life += "c"
        self.giveBack = None

    def onError(self, conn, exc):
        self.life += "e"


class Lives(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.clock = Clock()
        self.conn = Connection(self.clock)
        self.component = Component()
        self.server = HttpServer(self.component)
        self.server.onOpen(self.conn)
        self.gone = False

    def isOpen(self):
        return not self.gone

    @precondition(isOpen)
    @rule(
        data=st.sampled_from([HEAD, HEAD[:9], HEAD[9:], HEAD + b"x", HEAD + HEAD, b"x", b"\n"]),
        opening=st.sampled_from(["now", "later", "fail", "refuse", "give back", "give back later"]),
        messaging=st.sampled_from(["now", "later", "fail"]),
        serial=st.booleans(),
    )
    def receives(self, data, opening, messaging, serial):
        if self.conn.closed:
            return
        self.component.opening = opening
        self.component.messaging = messaging
        self.component.serial = serial
        # What a component does with these is its own; IoServer's gate would report it.
        try:
            result = self.server.onMessage(self.conn, data)
        except ZeroDivisionError as exc:
            self.server.onError(self.conn, exc)
        else:
            if isinstance(result, Deferred):
                result.addErrback(lambda _: None)

    @rule(error=st.sampled_from([None, ZeroDivisionError(), HttpError(403, "no")]))
    def finishes(self, error):
        if self.component.waiting:
            waiting = self.component.waiting.pop(0)
            if error is None:
                waiting.callback(None)
            else:
                waiting.errback(error)

    @precondition(isOpen)
    @rule(rest=st.sampled_from([b"", HEAD, HEAD[:9], HEAD + HEAD]))
    def givesBack(self, rest):
        if self.component.giveBack is not None:
            self.component.giveBack(rest)

    @precondition(isOpen)
    @rule(seconds=st.sampled_from([1, 10]))
    def waits(self, seconds):
        self.clock.advance(seconds)

    @precondition(isOpen)
    @rule()
    def leaves(self):
        self.gone = True
        self.server.onClose(self.conn)

    @invariant()
    def theComponentSeesWholeLives(self):
        # A late failure may still be reported after the close.
        assert re.fullmatch("(o[em]*ce*)*(o[em]*)?", self.component.life), self.component.life

    @invariant()
    def readingPausesOnlyWhileSomethingIsAwaited(self):
        assert self.gone or self.component.waiting or self.conn.pauses == 0

    def teardown(self):
        if not self.gone:
            self.leaves()
        while self.component.waiting:
            self.finishes(None)
        assert re.fullmatch("(o[em]*ce*)*", self.component.life), self.component.life
        assert self.clock.getDelayedCalls() == []
        assert self.server._exchanges == {}


TestLives = Lives.TestCase
