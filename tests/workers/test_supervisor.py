"""When workers are started again, and when not; their processes are not real."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogLevel, formatEvent, globalLogPublisher

from ratchet_py.workers.supervisor import Supervisor


class Transport:
    """Stands for a process."""

    def __init__(self):
        self.told = []
        self.signals = []

    def writeToChild(self, fd, data):
        self.told.append(data)

    def signalProcess(self, name):
        self.signals.append(name)

    def closeChildFD(self, fd):
        pass


class Nursery:
    """A supervisor, and the processes that it has spawned."""

    def __init__(self, count=2):
        self.clock = Clock()
        self.spawned = []
        self.events = []
        self.refuses = 0
        self.supervisor = Supervisor(
            self.clock,
            count,
            self._spawn,
            lambda: self.events.append("up"),
            lambda reason: self.events.append(reason),
            lambda worker: self.events.append(f"{worker.number} gone"),
        )

    def _spawn(self, worker):
        if self.refuses:
            self.refuses -= 1
            raise OSError("no more processes")
        worker.makeConnection(Transport())
        self.spawned.append(worker)

    def up(self, worker):
        worker.childDataReceived(4, b'{"is": "up"}\n')

    def exit(self, worker, signal=9, status=None):
        """Its process has ended; another one holds its pipes, perhaps."""
        reason = SimpleNamespace(value=SimpleNamespace(signal=signal, exitCode=status))
        worker.processExited(reason)
        return reason

    def end(self, worker, signal=9, status=None):
        worker.processEnded(self.exit(worker, signal, status))

    @property
    def pause(self):
        """How long until the next one is started."""
        [call] = self.clock.getDelayedCalls()
        return call.getTime() - self.clock.seconds()


@pytest.fixture
def nursery(monkeypatch):
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    made = Nursery()
    made.supervisor.start()
    return made


@pytest.fixture
def running(nursery):
    for worker in nursery.spawned:
        nursery.up(worker)
    assert nursery.events == ["up"]
    nursery.events.clear()
    return nursery


@pytest.fixture
def warnings():
    lines = []

    def observe(event):
        if event.get("log_level") == LogLevel.warn:
            lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


def test_one_that_dies_is_logged_once_and_replaced(running, warnings):
    first = running.spawned[0]
    running.end(first)
    assert warnings == ["worker 1 has ended by SIGKILL; another one starts in 0.1 s"]
    running.clock.advance(0.1)
    assert [worker.number for worker in running.spawned] == [1, 2, 1]
    assert running.supervisor.workers == [running.spawned[2], running.spawned[1]]
    assert running.supervisor.restarts == 1
    running.up(running.spawned[2])
    # All of them are up once more, which is no news.
    assert running.events == ["1 gone"]


def test_the_pause_doubles_up_to_a_bound_and_is_short_again_after_a_while(running):
    pauses = []
    for _ in range(11):
        running.end(running.supervisor.workers[0], signal=None, status=1)
        pauses.append(running.pause)
        running.clock.advance(running.pause)
        running.up(running.spawned[-1])
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30])
    running.clock.advance(Supervisor.HEALTHY + 1)
    running.end(running.supervisor.workers[0])
    assert running.pause == pytest.approx(0.1)


def test_each_has_its_own_pause(running):
    for _ in range(3):
        running.end(running.supervisor.workers[0])
        running.clock.advance(running.pause)
    running.end(running.supervisor.workers[1])
    assert running.pause == pytest.approx(0.1)


def test_the_pause_is_not_the_same_for_all(running, monkeypatch):
    asked = []
    monkeypatch.setattr(random, "uniform", lambda low, high: asked.append((low, high)) or high)
    running.end(running.supervisor.workers[0])
    assert asked == [(0.5, 1)]


def test_when_none_can_serve_none_is_started_again(nursery):
    one, two = nursery.spawned
    one.childDataReceived(4, b'{"is": "failed", "why": "it is broken"}\n')
    nursery.end(one, None, 1)
    assert nursery.events == ["1 gone"]
    nursery.end(two, None, 1)
    assert nursery.events == ["1 gone", "2 gone", "it is broken"]
    assert not nursery.clock.getDelayedCalls()


def test_without_a_word_how_it_has_ended_is_the_reason(nursery):
    for worker in nursery.spawned:
        nursery.end(worker, 11)
    assert nursery.events[-1] == "a worker has ended by SIGSEGV"


def test_when_no_process_can_be_made_that_is_said_once():
    nursery = Nursery()
    nursery.refuses = 2
    nursery.supervisor.start()
    nursery.clock.advance(0)
    reason = "a worker has ended before it began: no more processes"
    assert nursery.events == ["1 gone", "2 gone", reason]


def test_one_that_cannot_serve_yet_is_started_again_when_another_one_does(nursery, warnings):
    one, two = nursery.spawned
    one.childDataReceived(4, b'{"is": "failed", "why": "no room"}\n')
    nursery.end(one, None, 1)
    assert not warnings
    nursery.up(two)
    assert warnings == ["worker 1 has ended with status 1: no room; another one starts in 0.1 s"]
    nursery.clock.advance(0.1)
    nursery.up(nursery.spawned[2])
    assert nursery.events == ["1 gone", "up"]


def test_one_whose_last_words_are_awaited_is_replaced_once(nursery):
    one, two = nursery.spawned
    reason = nursery.exit(one)
    nursery.up(two)
    assert not nursery.supervisor._timers
    one.processEnded(reason)
    nursery.clock.advance(0.1)
    assert len(nursery.spawned) == 3


def test_the_last_words_of_all_are_awaited(running):
    stopped = running.supervisor.stop(9)
    reasons = [running.exit(worker, None, 0) for worker in running.spawned]
    for worker, reason in zip(running.spawned, reasons, strict=True):
        assert not stopped.called
        worker.processEnded(reason)
    assert stopped.called


def test_a_process_that_could_not_be_made_while_none_served():
    nursery = Nursery()
    nursery.refuses = 1
    nursery.supervisor.start()
    nursery.clock.advance(0)
    nursery.up(nursery.spawned[0])
    nursery.clock.advance(0.1)
    assert sorted(worker.number for worker in nursery.spawned) == [1, 2]


def test_a_process_that_cannot_even_be_made(running, warnings):
    running.refuses = 1
    running.end(running.spawned[0])
    running.clock.advance(0.1)
    running.clock.advance(0)
    assert "ended before it began: no more processes" in warnings[1]
    running.clock.advance(running.pause)
    assert len(running.spawned) == 3


def test_all_are_told_to_stop_at_once(running):
    stopped = running.supervisor.stop(9)
    assert [worker.transport.told[-1] for worker in running.spawned] == [b'{"do": "stop"}\n'] * 2
    running.end(running.spawned[0], None, 0)
    assert not stopped.called
    running.end(running.spawned[1], None, 0)
    assert stopped.called
    assert not running.clock.getDelayedCalls()


def test_who_has_not_ended_in_time_is_killed(running, warnings):
    stopped = running.supervisor.stop(9)
    running.end(running.spawned[0], None, 0)
    running.clock.advance(9)
    assert warnings == ["worker 2 does not end: it is killed"]
    assert [worker.transport.signals for worker in running.spawned] == [[], ["KILL"]]
    running.end(running.spawned[1])
    assert stopped.called


def test_a_second_wish_cuts_the_wait_short(running):
    stopped = running.supervisor.stop(3600)
    running.supervisor.abort()
    assert running.spawned[0].transport.told[-1] == b'{"do": "abort"}\n'
    running.end(running.spawned[0], None, 0)
    running.clock.advance(Supervisor.CUT)
    assert running.spawned[1].transport.signals == ["KILL"]
    running.end(running.spawned[1])
    assert stopped.called


def test_who_is_about_to_be_replaced_is_not(running):
    running.end(running.spawned[0])
    stopped = running.supervisor.stop(9)
    running.end(running.spawned[1], None, 0)
    assert stopped.called
    assert not running.clock.getDelayedCalls()
    assert len(running.spawned) == 2


def test_one_that_comes_up_while_all_stop_starts_nobody(nursery):
    one, two = nursery.spawned
    nursery.end(one, None, 1)
    stopped = nursery.supervisor.stop(9)
    nursery.up(two)
    nursery.end(two, None, 0)
    assert stopped.called
    assert not nursery.clock.getDelayedCalls()


def test_one_of_them_leads_and_when_it_is_gone_another_one(nursery):
    def led():
        leads = [b'{"do": "lead"}\n' in worker.transport.told for worker in nursery.spawned]
        return [number for number, leads in enumerate(leads) if leads]

    one, two = nursery.spawned
    nursery.up(two)
    assert led() == [1]
    nursery.up(one)
    assert led() == [1]
    nursery.end(two)
    assert led() == [0, 1]
    nursery.clock.advance(0.1)
    nursery.up(nursery.spawned[2])
    assert led() == [0, 1]
    nursery.end(one)
    assert led() == [0, 1, 2]
