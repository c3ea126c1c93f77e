"""What the parent makes of what a worker says."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher

from ratchet_py.workers import process
from ratchet_py.workers.pipes import COMMANDS, LOG, REPORTS
from ratchet_py.workers.process import WorkerProcess


class Transport:
    """Stands for a process."""

    def __init__(self):
        self.told = []
        self.closed = []
        self.signals = []

    def writeToChild(self, fd, data):
        assert fd == COMMANDS
        self.told.append(json.loads(data))

    def closeChildFD(self, fd):
        self.closed.append(fd)

    def signalProcess(self, name):
        self.signals.append(name)
        if name == "KILL":
            raise ProcessExitedAlready


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def events():
    return []


@pytest.fixture
def worker(clock, events):
    observer = SimpleNamespace(
        workerUp=lambda worker: events.append("up"),
        workerEnded=lambda worker: events.append(worker.ending),
    )
    one = WorkerProcess(clock, 2, observer)
    one.makeConnection(Transport())
    return one


def report(worker, **message):
    worker.childDataReceived(REPORTS, json.dumps(message).encode() + b"\n")


def ending(number=None, status=None):
    return SimpleNamespace(value=SimpleNamespace(signal=number, exitCode=status))


@pytest.fixture
def logged():
    lines = []

    def observe(event):
        line = event["log_level"].name, event["log_namespace"], formatEvent(event)
        lines.append(line)

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


def test_its_log_is_ours_with_its_number(worker, logged):
    worker.childDataReceived(LOG, b'["warn", "shop.orders", "one {two}\\nthree"]\n["info", "x"')
    worker.childDataReceived(LOG, b', "y"]\n')
    worker.childDataReceived(1, b"printed {braces}\n")
    worker.childDataReceived(2, b"\xff\n")
    assert logged == [
        ("warn", "shop.orders", "worker 2: one {two}\nthree"),
        ("info", "x", "worker 2: y"),
        ("info", "stdout", "worker 2: printed {braces}"),
        ("error", "stderr", "worker 2: \ufffd"),
    ]


def test_its_last_words(worker, logged, events):
    worker.childDataReceived(2, b"Fatal Python error")
    # Killed in the middle of a line: of what is not for people, nothing is left.
    worker.childDataReceived(LOG, b'["info", "x"')
    worker.childDataReceived(REPORTS, b'{"is": "be')
    worker.processExited(ending(11))
    assert events == []
    worker.processEnded(ending(11))
    assert events == ["by SIGSEGV"]
    assert logged == [("error", "stderr", "worker 2: Fatal Python error")]


def test_pipes_that_another_process_holds_are_not_waited_for(worker, clock):
    worker.processExited(ending(None, 1))
    clock.advance(1)
    assert set(worker.transport.closed) == {1, 2, COMMANDS, REPORTS, LOG}
    worker.processEnded(ending(None, 1))


def test_its_end_is_seen_without_a_signal(worker, clock, monkeypatch):
    """A loop of uvloop takes the signal."""
    looks = []
    monkeypatch.setattr(process, "reapAllProcesses", lambda: looks.append(clock.seconds()))
    worker.childConnectionLost(1)
    assert looks == []
    worker.childConnectionLost(REPORTS)
    clock.pump([0.1, 0.1])
    assert len(looks) == 3
    worker.processExited(ending(None, 0))
    worker.processEnded(ending(None, 0))
    assert not clock.getDelayedCalls()


def test_what_it_reports(worker, clock, events):
    clock.advance(3)
    report(worker, **{"is": "up"})
    assert (events, worker.isUp, worker.began, worker.heard) == (["up"], True, 3, 3)
    clock.advance(1)
    report(worker, **{"is": "beat"}, row=[1, 2, 3, 4, 5], health=[True, "ok"])
    assert (worker.row, worker.health, worker.heard) == ([1, 2, 3, 4, 5], (True, "ok"), 4)


def test_a_question_and_its_answer(worker, clock):
    report(worker, **{"is": "up"})
    seen = []
    for _ in range(2):
        worker.ask("snapshot").addCallback(lambda _: seen.append(worker.snapshot))
    worker.ask("write").addCallback(lambda _: seen.append("written"))
    first, second, third = worker.transport.told
    assert (first["do"], third["do"]) == ("snapshot", "write")
    report(worker, **{"is": "answer"}, id=second["id"], snapshot={"n": 2})
    assert seen == [{"n": 2}]
    report(worker, **{"is": "answer"}, id=first["id"], snapshot={"n": 1})
    report(worker, **{"is": "answer"}, id=third["id"], snapshot=None)
    assert seen == [{"n": 2}, {"n": 1}, "written"]
    assert worker.snapshot == {"n": 1}
    assert not clock.getDelayedCalls()


def test_who_does_not_answer_has_said_what_it_said_last(worker, clock):
    report(worker, **{"is": "up"})
    seen = []
    worker.ask("snapshot").addCallback(lambda _: seen.append(worker.snapshot))
    clock.advance(1)
    assert seen == [None]
    report(worker, **{"is": "answer"}, id=1, snapshot={"n": "late"})
    worker.ask("snapshot").addCallback(lambda _: seen.append(worker.snapshot))
    worker.processExited(ending(9))
    worker.processEnded(ending(9))
    worker.ask("snapshot").addCallback(lambda _: seen.append(worker.snapshot))
    assert seen == [None, {"n": "late"}, {"n": "late"}]
    assert not clock.getDelayedCalls()


def test_one_that_is_about_to_end_is_not_asked_any_more(worker, clock):
    report(worker, **{"is": "up"})
    worker.childConnectionLost(COMMANDS)
    answers = []
    worker.ask("write").addCallback(answers.append)
    worker.tell("stop")
    assert answers == [None]
    assert worker.transport.told == []
    assert not clock.getDelayedCalls()


def test_who_was_waiting_for_it_is_told_after_it_has_gone(worker, events):
    report(worker, **{"is": "up"})
    worker.ask("write").addCallback(lambda _: events.append(worker.isGone))
    worker.processExited(ending(9))
    worker.processEnded(ending(9))
    assert events == ["up", "by SIGKILL", True]


@pytest.mark.parametrize(("number", "words"), [(11, "by SIGSEGV"), (41, "by signal 41")])
def test_any_signal_has_a_name(worker, number, words):
    worker.processExited(ending(number))
    worker.processEnded(ending(number))
    assert worker.ending == words


def test_one_that_does_not_serve_yet_stops_at_once_and_in_silence(worker, logged):
    worker.stop()
    worker.childDataReceived(2, b"Traceback\n")
    assert worker.transport.told == [{"do": "stop"}]
    assert worker.transport.signals == ["TERM"]
    assert logged == []


def test_one_that_serves_takes_its_time(worker, logged):
    report(worker, **{"is": "up"})
    worker.stop()
    worker.childDataReceived(2, b"a warning\n")
    assert worker.transport.told == [{"do": "stop"}]
    assert worker.transport.signals == []
    assert logged != []
    worker.kill()


def test_who_is_gone_is_not_told_anything(worker, clock):
    worker.processExited(ending(9))
    worker.processEnded(ending(9))
    worker.tell("stop")
    worker.kill()
    assert worker.transport.told == []
    assert not clock.getDelayedCalls()
