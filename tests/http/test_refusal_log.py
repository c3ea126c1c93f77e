from __future__ import annotations

from twisted.logger import Logger, formatEvent

from ratchet_py.http.refusal_log import RefusalLog


def logging(most):
    lines = []
    return RefusalLog(Logger(observer=lambda event: lines.append(formatEvent(event))), most), lines


def test_each_kind_is_logged_once():
    refusals, lines = logging(10)
    for path in ("/a", "/b", "/a", "/a"):
        refusals.warn(path, "no {path!r}", path=path)

    assert lines == ["no '/a'", "no '/b'"]


def test_what_a_client_sends_does_not_break_the_line():
    refusals, lines = logging(10)
    refusals.warn(1, "no {path!r}", path="/\n{x}")

    assert lines == [r"no '/\n{x}'"]


def test_the_log_does_not_grow_without_end():
    refusals, lines = logging(3)
    for path in range(1000):
        refusals.warn(path, "no {path}", path=path)

    assert lines == ["no 0", "no 1", "no 2", "refusals of further kinds are not logged"]
