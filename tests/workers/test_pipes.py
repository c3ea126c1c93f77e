"""Lines through pipes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ratchet_py.workers.pipes import Lines


@given(st.lists(st.binary()))
def test_any_split_gives_the_same_lines(pieces):
    lines = Lines()
    got = [line for piece in pieces for line in lines.add(piece)]
    assert [*got, *lines.end()] == [*b"".join(pieces).split(b"\n")[:-1], *lastOf(pieces)]


def lastOf(pieces):
    last = b"".join(pieces).split(b"\n")[-1]
    return [last] if last else []


def test_who_never_ends_a_line_costs_no_more_than_the_longest():
    lines = Lines(longest=10)
    assert list(lines.add(b"x" * 10)) == []
    assert list(lines.add(b"x")) == [b"x" * 11]
    assert list(lines.add(b"y\n")) == [b"y"]
