"""How a process says goodbye; the integration tests send the signals to whole processes."""

from __future__ import annotations

import os
import signal
import threading

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from ratchet_py.server.shutdown import Shutdown, closeOnShutdown

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Reactor:
    """Keeps what it is given."""

    def __init__(self):
        self.triggers = []
        self.calls = []
        self.started = []

    def callWhenRunning(self, function):
        self.started.append(function)

    def addSystemEventTrigger(self, *trigger):
        self.triggers.append(trigger)

    def callFromThread(self, function):
        self.calls.append(function)


@pytest_twisted.async_fixture
async def running():
    """The tests' own reactor has installed its handlers, also if this is the first test of all."""


@pytest.fixture
def handlers(running):
    """The handlers of both signals; they are the same again after the test."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield before
    after = [signal.getsignal(number) for number in SIGNALS]
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)
    assert after == before


def test_the_reactor_ends_when_everybody_is_gone(handlers):
    reactor, closing = Reactor(), Deferred()
    closeOnShutdown(reactor, lambda: closing, lambda: None)
    [(phase, event, trigger)] = reactor.triggers
    assert (phase, event) == ("before", "shutdown")
    waited = trigger()
    assert not waited.called
    closing.callback(None)
    assert waited.called


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_drops_who_is_still_there(number, handlers):
    reactor, closing = Reactor(), Deferred()

    def abort():
        closing.callback(None)

    waited = Shutdown(reactor, lambda: closing, abort).begin()
    assert signal.getsignal(number) not in handlers
    # However many come before the reactor has its turn, they are one wish.
    for _ in range(3):
        os.kill(os.getpid(), number)
    [turn] = reactor.calls
    assert not waited.called
    turn()
    assert waited.called


def test_in_another_thread_signals_are_nobodys_business(handlers):
    closing, results = Deferred(), []
    shutdown = Shutdown(Reactor(), lambda: closing, lambda: None)
    thread = threading.Thread(target=lambda: results.append(shutdown.begin()))
    thread.start()
    thread.join()
    assert results == [closing]


@pytest.fixture
def twisteds(handlers):
    """What reaches the handlers that stand for Twisted's."""
    got = []
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: got.append(number))
    yield got
    for number, handler in zip(SIGNALS, handlers, strict=True):
        signal.signal(number, handler)


def test_until_the_clients_are_told_all_signals_are_one(twisteds):
    reactor, aborted = Reactor(), []
    shutdown = Shutdown(reactor, Deferred, lambda: aborted.append(True))
    shutdown.watch()
    [install] = reactor.started
    install()
    for _ in range(3):
        signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert twisteds == [signal.SIGTERM]
    assert reactor.calls == []
    shutdown.begin()
    signal.raise_signal(signal.SIGTERM)
    assert twisteds == [signal.SIGTERM]
    assert len(reactor.calls) == 1


def test_after_the_end_signals_are_silent(twisteds):
    reactor, closing = Reactor(), Deferred()
    shutdown = Shutdown(reactor, lambda: closing, lambda: None)
    shutdown.watch()
    reactor.started[0]()
    signal.raise_signal(signal.SIGTERM)
    shutdown.begin()
    closing.callback(None)
    signal.raise_signal(signal.SIGTERM)
    assert twisteds == [signal.SIGTERM]
    assert reactor.calls == []


def test_a_service_that_stops_without_a_signal_gives_them_back(twisteds):
    reactor, closing = Reactor(), Deferred()
    before = [signal.getsignal(number) for number in SIGNALS]
    shutdown = Shutdown(reactor, lambda: closing, lambda: None)
    shutdown.begin()
    assert [signal.getsignal(number) for number in SIGNALS] != before
    closing.callback(None)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_two_servers_in_one_process(twisteds):
    reactor = Reactor()
    aborted = []
    shutdowns = [
        Shutdown(reactor, Deferred, lambda name=name: aborted.append(name))
        for name in ("one", "two")
    ]
    for shutdown in shutdowns:
        shutdown.watch()
    for install in reactor.started:
        install()
    signal.raise_signal(signal.SIGTERM)
    assert twisteds == [signal.SIGTERM]
    for shutdown in shutdowns:
        shutdown.begin()
    signal.raise_signal(signal.SIGTERM)
    for turn in reactor.calls:
        turn()
    assert sorted(aborted) == ["one", "two"]
