"""How a process says goodbye; the integration tests send the signals to whole processes."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from twisted.internet.defer import Deferred

from ratchet_py.server.shutdown import closeOnShutdown, cutShortBySignal

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Reactor:
    """Keeps what it is given."""

    def __init__(self):
        self.triggers = []
        self.calls = []

    def addSystemEventTrigger(self, *trigger):
        self.triggers.append(trigger)

    def callFromThread(self, function):
        self.calls.append(function)


@pytest.fixture
def handlers():
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

    waited = cutShortBySignal(reactor, lambda: closing, abort)
    assert signal.getsignal(number) not in handlers
    os.kill(os.getpid(), number)
    assert reactor.calls == [abort]
    abort()
    assert waited.called


def test_in_another_thread_signals_are_nobodys_business(handlers):
    closing, results = Deferred(), []
    thread = threading.Thread(
        target=lambda: results.append(cutShortBySignal(Reactor(), lambda: closing, lambda: None))
    )
    thread.start()
    thread.join()
    assert results == [closing]
