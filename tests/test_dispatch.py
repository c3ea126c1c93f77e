"""Calling up: what fails is told once, what takes time is waited for."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from ratchet_py.dispatch import Gate, call, callClose, toDeferred
from ratchet_py.meter import Tally


class Boom(Exception):
    """What fails here."""


class Conn:
    resourceId = 7

    def __init__(self):
        self.serverTally = Tally()
        self.aborted = 0
        self.paused = 0

    def abort(self):
        self.aborted += 1

    def pauseReading(self):
        self.paused += 1

    def resumeReading(self):
        self.paused -= 1


class Component:
    """Notes what it is told; ``answers`` are what its callbacks do."""

    def __init__(self, serial=False, **answers):
        self.serial = serial
        self.answers = answers
        self.told = []

    def _tell(self, name, *args):
        self.told.append((name, *args))
        answer = self.answers.get(name)
        return answer() if callable(answer) else answer

    def onOpen(self, conn, *args):
        return self._tell("onOpen", *args)

    def onMessage(self, conn, msg):
        return self._tell("onMessage", msg)

    def onClose(self, conn):
        return self._tell("onClose")

    def onError(self, conn, exc):
        return self._tell("onError", type(exc))


def boom():
    raise Boom


async def asyncBoom():
    raise Boom


async def after(deferred):
    await deferred


FAILURES = {"plain": boom, "Deferred": lambda: fail(Boom()), "async": asyncBoom}


@pytest.fixture
def conn():
    return Conn()


# -- what a callback may return --------------------------------------------------------------------


def test_what_is_nothing_to_wait_for():
    for result in (None, 1, "x", object(), [], Conn()):
        assert toDeferred(result) is None


def test_what_is_to_be_waited_for():
    deferred = Deferred()
    assert toDeferred(deferred) is deferred
    coroutine = toDeferred(after(deferred))
    assert not coroutine.called
    deferred.callback(None)
    assert coroutine.called


def test_a_future_is_waited_for():
    loop = asyncio.new_event_loop()
    try:
        future = loop.create_future()
        deferred = toDeferred(future)
        future.set_result("done")
        loop.run_until_complete(asyncio.sleep(0))
        assert deferred.result == "done"
    finally:
        loop.close()


# -- call ------------------------------------------------------------------------------------------


def test_a_callback_that_has_finished_costs_no_deferred(conn):
    component = Component()
    for result in (None, 1, conn, succeed("x"), after(succeed(None))):
        component.answers["onOpen"] = result
        assert call(component, component.onOpen, conn, "a", "b") is None
    assert component.told == [("onOpen", "a", "b")] * 5


@pytest.mark.parametrize("style", FAILURES)
def test_a_failure_goes_to_on_error_once(style, conn):
    component = Component(onOpen=FAILURES[style])
    assert call(component, component.onOpen, conn) is None
    assert component.told == [("onOpen",), ("onError", Boom)]
    assert not conn.aborted


def test_a_callback_that_takes_its_time_is_waited_for(conn):
    until = Deferred()
    component = Component(onOpen=until)
    pending = call(component, component.onOpen, conn)
    seen = []
    pending.addCallback(seen.append)
    until.callback("a value that is nobody's business")
    assert seen == [None]


def test_one_that_fails_later_is_finished_when_on_error_is(conn):
    until, handled = Deferred(), Deferred()
    component = Component(onOpen=until, onError=handled)
    pending = call(component, component.onOpen, conn)
    until.errback(Boom())
    assert component.told[-1] == ("onError", Boom)
    assert not pending.called or pending.paused
    handled.callback(None)
    assert pending.result is None


@pytest.mark.parametrize("style", FAILURES)
def test_an_on_error_that_fails_is_logged_and_drops_the_connection(style, conn, loggedFailures):
    component = Component(onOpen=boom, onError=FAILURES[style])
    assert call(component, component.onOpen, conn) is None
    assert [name for name, *_ in component.told] == ["onOpen", "onError"]
    assert conn.aborted == 1
    assert len(loggedFailures.flush(Boom)) == 1


def test_what_is_no_exception_drops_the_connection(conn, loggedFailures):
    component = Component(onOpen=lambda: fail(GeneratorExit()))
    call(component, component.onOpen, conn)
    assert component.told == [("onOpen",)]
    assert conn.aborted == 1
    assert len(loggedFailures.flush(GeneratorExit)) == 1


def test_what_ends_the_process_is_not_caught(conn):
    def stop():
        raise KeyboardInterrupt

    component = Component(onOpen=stop)
    with pytest.raises(KeyboardInterrupt):
        call(component, component.onOpen, conn)


@pytest.mark.parametrize("style", FAILURES)
def test_a_failing_on_close_is_logged_and_reported(style, conn, loggedFailures):
    component = Component(onClose=FAILURES[style])
    assert callClose(component, conn) is None
    assert component.told == [("onClose",), ("onError", Boom)]
    assert len(loggedFailures.flush(Boom)) == 1


# -- Gate ------------------------------------------------------------------------------------------


@pytest.fixture
def gateOf(conn):
    return lambda component: Gate(component, conn)


def test_messages_pass_an_open_gate_at_once(conn, gateOf):
    component = Component(onMessage=Deferred)
    gate = gateOf(component)
    assert gate.open(component.onOpen, "request") is None
    gate.message(1)
    gate.message(2)
    assert component.told == [("onOpen", "request"), ("onMessage", 1), ("onMessage", 2)]
    assert conn.paused == 0


@pytest.mark.parametrize("fails", [False, True])
def test_messages_wait_for_on_open(fails, conn, gateOf):
    until = Deferred()
    component = Component(onOpen=until)
    gate = gateOf(component)
    pending = gate.open(component.onOpen)
    gate.message(1)
    gate.message(2)
    assert component.told == [("onOpen",)]
    assert conn.paused == 1
    if fails:
        until.errback(Boom())
    else:
        until.callback(None)
    assert pending.called
    told = component.told[1:]
    assert told == [("onError", Boom)] * fails + [("onMessage", 1), ("onMessage", 2)]
    assert conn.paused == 0
    gate.message(3)
    assert component.told[-1] == ("onMessage", 3)


def test_the_close_waits_for_on_open_and_what_was_kept_is_forgotten(conn, gateOf):
    until = Deferred()
    component = Component(onOpen=until)
    gate = gateOf(component)
    gate.open(component.onOpen)
    gate.message(1)
    gate.close()
    assert component.told == [("onOpen",)]
    until.callback(None)
    assert component.told == [("onOpen",), ("onClose",)]


def test_a_gate_that_was_never_opened_closes_in_silence(gateOf):
    component = Component()
    gateOf(component).close()
    assert component.told == []


def test_a_serial_component_gets_one_message_after_the_other(conn, gateOf):
    waiting = []

    def wait():
        waiting.append(Deferred())
        return waiting[-1]

    component = Component(serial=True, onMessage=wait)
    gate = gateOf(component)
    gate.open(component.onOpen)
    for number in (1, 2, 3):
        gate.message(number)
    assert component.told[1:] == [("onMessage", 1)]
    assert conn.paused == 1
    waiting[0].callback(None)
    assert component.told[1:] == [("onMessage", 1), ("onMessage", 2)]
    assert conn.paused == 1
    waiting[1].errback(Boom())
    assert component.told[3:] == [("onError", Boom), ("onMessage", 3)]
    gate.message(4)
    waiting[2].callback(None)
    assert component.told[-1] == ("onMessage", 4)
    waiting[3].callback(None)
    assert conn.paused == 0


def test_the_close_does_not_wait_for_a_message(gateOf):
    until = Deferred()
    component = Component(serial=True, onMessage=until)
    gate = gateOf(component)
    gate.open(component.onOpen)
    gate.message(1)
    gate.message(2)
    gate.close()
    assert component.told[-1] == ("onClose",)
    until.callback(None)
    assert component.told[1:] == [("onMessage", 1), ("onClose",)]


@pytest.mark.parametrize("style", FAILURES)
def test_a_failing_message_lets_the_next_one_through(style, conn, gateOf):
    component = Component(serial=True, onMessage=FAILURES[style])
    gate = gateOf(component)
    gate.open(component.onOpen)
    gate.message(1)
    gate.message(2)
    assert component.told[1:] == [
        ("onMessage", 1),
        ("onError", Boom),
        ("onMessage", 2),
        ("onError", Boom),
    ]
    assert conn.paused == 0


def test_a_turn_comes_after_the_messages_before_it(gateOf):
    until = Deferred()
    component = Component(onOpen=until)
    gate = gateOf(component)
    gate.open(component.onOpen)
    gate.message(1)
    gate.inTurn(partial(component.told.append, "turn"))
    until.callback(None)
    assert component.told == [("onOpen",), ("onMessage", 1), "turn"]
    gate.inTurn(partial(component.told.append, "at once"))
    assert component.told[-1] == "at once"


def test_a_turn_of_a_serial_component_waits_for_each_message(gateOf):
    waiting = []

    def wait():
        waiting.append(Deferred())
        return waiting[-1]

    component = Component(serial=True, onMessage=wait)
    gate = gateOf(component)
    gate.open(component.onOpen)
    gate.message(1)
    gate.message(2)
    gate.inTurn(partial(component.told.append, "turn"))
    waiting[0].callback(None)
    assert component.told[-1] == ("onMessage", 2)
    waiting[1].callback(None)
    assert component.told[-1] == "turn"


def test_what_is_discarded_is_not_delivered_but_turns_come(gateOf):
    until = Deferred()
    component = Component(onOpen=until)
    gate = gateOf(component)
    gate.open(component.onOpen)
    gate.message(1)
    gate.inTurn(partial(component.told.append, "turn"))
    gate.discard()
    gate.inTurn(partial(component.told.append, "with nothing to wait for"))
    until.callback(None)
    assert component.told == [("onOpen",), "with nothing to wait for", "turn"]
    gate.close()
    assert component.told[-1] == ("onClose",)


def test_a_message_that_discards_the_rest(gateOf):
    until = Deferred()
    component = Component(onOpen=until)
    gate = gateOf(component)
    component.answers["onMessage"] = gate.discard
    gate.open(component.onOpen)
    gate.message(1)
    gate.message(2)
    until.callback(None)
    assert component.told == [("onOpen",), ("onMessage", 1)]
