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
    answers = []
    for _ in range(2):
        worker.ask("snapshot").addCallback(answers.append)
    first, second = worker.transport.told
    assert first["do"] == "snapshot"
    report(worker, **{"is": "answer"}, id=second["id"], what="snapshot", answer={"n": 2})
    assert answers == [{"n": 2}]
    report(worker, **{"is": "answer"}, id=first["id"], what="snapshot", answer={"n": 1})
    assert answers == [{"n": 2}, {"n": 1}]
    assert not clock.getDelayedCalls()


def test_who_does_not_answer_has_said_what_it_said_last(worker, clock):
    report(worker, **{"is": "up"})
    answers = []
    worker.ask("families").addCallback(answers.append)
    clock.advance(1)
    assert answers == [None]
    report(worker, **{"is": "answer"}, id=1, what="families", answer=["late"])
    worker.ask("families").addCallback(answers.append)
    worker.processExited(ending(9))
    worker.processEnded(ending(9))
    worker.ask("families").addCallback(answers.append)
    assert answers == [None, ["late"], ["late"]]
    assert not clock.getDelayedCalls()


def test_one_that_is_about_to_end_is_not_asked_any_more(worker, clock):
    report(worker, **{"is": "up"})
    report(worker, **{"is": "answer"}, id=None, what="families", answer=["last"])
    worker.childConnectionLost(COMMANDS)
    answers = []
    worker.ask("families").addCallback(answers.append)
    worker.tell("stop")
    assert answers == [["last"]]
    assert worker.transport.told == []
    assert not clock.getDelayedCalls()


def test_who_was_waiting_for_it_is_told_after_it_has_gone(worker, events):
    report(worker, **{"is": "up"})
    worker.ask("families").addCallback(lambda _: events.append(worker.isGone))
    worker.processExited(ending(9))
    worker.processEnded(ending(9))
    assert events == ["up", "by SIGKILL", True]


@pytest.mark.parametrize(("number", "words"), [(11, "by SIGSEGV"), (41, "by signal 41")])
def test_any_signal_has_a_name(worker, number, words):
    worker.processExited(ending(number))
    worker.processEnded(ending(number))
    assert worker.ending == words


def test_what_it_says_unasked_at_the_end_is_known(worker):
    report(worker, **{"is": "answer"}, id=None, what="families", answer=["last"])
    assert worker.known == {"families": ["last"]}


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
