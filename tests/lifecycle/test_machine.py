"""Any path through the life of connections, against three stacks, with Hypothesis."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.defer import Deferred

STYLES = st.sampled_from(["plain", "Deferred", "async"])
# What a callback does before it ends, and how it ends.
ACTS = st.sampled_from(["nothing", "nothing", "send", "close", "abort"])
ENDS = st.sampled_from(["returns", "returns", "fails", "waits"])
PLANS = st.tuples(ACTS, ENDS, STYLES)
QUIET = ("nothing", "returns", "plain")


class Record:
    """What must be so of one connection, and what has been."""

    def __init__(self):
        self.told = []
        self.failures = 0
        self.opened = False
        self.ended = False  # the application has closed or aborted it, or it is gone
        self.running = 0


class LifeMachine(RuleBasedStateMachine):
    """Clients come, speak, break off and go, while callbacks succeed, fail and take their time."""

    def __init__(self, stack):
        super().__init__()
        self.stack = stack
        self.app = stack.app
        self.clients = []
        self.records = {}
        self.waiting = []
        self.wrong = []
        self.next = {"onOpen": QUIET, "onMessage": QUIET, "onClose": QUIET, "onError": QUIET}
        for name in self.next:
            self.app.plans[name] = partial(self.called, name)

    # -- the application --------------------------------------------------------------------------

    def called(self, name, conn, msg):
        """A callback: what it is told is checked, then it does what is next for it."""
        record = self.records.setdefault(conn, Record())
        self.check(name, record, msg)
        record.told.append(name)
        act, end, style = self.next[name]
        if name == "onOpen":
            self.next = dict(self.next, onOpen=QUIET)
        self.act(act, conn)
        self.app.style = style
        if end == "waits" and style != "plain":
            return self.wait(name, record, style)
        if name == "onOpen":
            record.opened = True
        if end == "fails":
            record.failures += name != "onError"
            if name == "onError":
                record.ended = True
            return self.app.fails()
        return self.app.returns()

    def wait(self, name, record, style):
        until = Deferred()
        self.waiting.append((until, name, record))
        record.running += 1
        until.addBoth(self.finished, name, record)
        return self.app.waits(until)

    def finished(self, result, name, record):
        record.running -= 1
        if name == "onOpen":
            record.opened = True
        return result

    def check(self, name, record, msg):
        told = record.told
        rules = {
            "onOpen": not told,
            "onMessage": record.opened and not record.ended,
            "onClose": record.opened and "onClose" not in told,
            "onError": told.count("onError") < record.failures,
        }
        if name == "onMessage" and self.app.serial and record.running:
            self.wrong.append("a message before the callback of the last one had finished")
        if not rules[name]:
            self.wrong.append(f"{name} after {told}, {vars(record)}")
        if name == "onClose":
            record.ended = True

    def act(self, act, conn):
        if act == "send":
            self.stack.send(conn)
        elif act != "nothing":
            getattr(conn, act)()
            self.records[conn].ended = True

    # -- what can happen --------------------------------------------------------------------------

    @rule(onOpen=PLANS, onClose=PLANS)
    def connect(self, onOpen, onClose):
        """A client comes."""
        self.next.update(onOpen=onOpen, onClose=onClose)
        self.clients.append(self.stack.connect())

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), plan=PLANS, count=st.integers(1, 3))
    def say(self, data, plan, count):
        """A client sends messages, all in one read."""
        self.next["onMessage"] = plan
        client = self.draw(data)
        sent, client.sendBytes = [], lambda data: sent.append(data)
        for number in range(count):
            self.stack.message(client, number)
        del client.sendBytes
        client.sendBytes(b"".join(sent))

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), how=st.sampled_from(["disconnect", "halfClose", "stall", "unstall"]))
    def transport(self, data, how):
        """Something happens to a client's end of the transport."""
        getattr(self.draw(data), how)()

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def closeFrame(self, data):
        """A client closes, as well as it can."""
        self.stack.peerCloses(self.draw(data))

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def rubbish(self, data):
        """A client sends what breaks the protocol, where there is one."""
        self.draw(data).sendBytes(b"\xff\xff")

    @precondition(lambda self: self.records)
    @rule(data=st.data(), act=st.sampled_from(["send", "close", "abort"]))
    def outOfTheBlue(self, data, act):
        """The application acts on a connection outside of any callback."""
        self.act(act, data.draw(st.sampled_from(list(self.records))))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), fails=st.booleans())
    def finish(self, data, fails):
        """A callback that takes its time ends."""
        index = data.draw(st.integers(0, len(self.waiting) - 1))
        until, name, record = self.waiting.pop(index)
        self.end(until, name, record, fails)

    @rule(fails=st.booleans())
    def onErrorFails(self, fails):
        """From now on ``onError`` fails, or no more."""
        self.next["onError"] = ("nothing", "fails" if fails else "returns", "plain")

    @rule(seconds=st.sampled_from([0, 1, 5, 30, 60]))
    def time(self, seconds):
        """Time passes."""
        self.stack.clock.advance(seconds)

    @rule()
    def shutDown(self):
        """The server closes who is there; it could go on."""
        for record in self.records.values():
            record.ended = True
        self.stack.server.close()

    def draw(self, data):
        return data.draw(st.sampled_from(self.clients))

    def end(self, until, name, record, fails):
        if not fails:
            until.callback(None)
        elif name == "onError":
            record.ended = True
            until.errback(ZeroDivisionError("boom"))
        else:
            record.failures += 1
            until.errback(ZeroDivisionError("boom"))

    # -- what must be so --------------------------------------------------------------------------

    @invariant()
    def nothingWrong(self):
        """No callback came when it must not, and none was left out."""
        assert not self.wrong
        for record in self.records.values():
            assert record.told.count("onError") == record.failures
        for client in self.clients:
            assert not (client.isClosed and client.connection in self.stack.server.connections)

    def teardown(self):
        """When all have gone and every callback has ended, nothing is left."""
        self.next["onError"] = QUIET
        for client in self.clients:
            client.disconnect()
        while self.waiting:
            self.end(*self.waiting.pop(), False)
        self.nothingWrong()
        for record in self.records.values():
            assert record.told.count("onOpen") == record.told.count("onClose") == 1
        assert not self.stack.left()


@pytest.mark.parametrize("serial", [False, True], ids=["", "serial"])
@pytest.mark.parametrize("kind", ["raw", "websocket", "wamp"])
def test_any_life(kind, serial, makeStack, loggedFailures):
    run_state_machine_as_test(
        lambda: LifeMachine(makeStack(kind, serial=serial)),
        settings=settings(max_examples=60, stateful_step_count=30),
    )
    loggedFailures.flush(ZeroDivisionError)
