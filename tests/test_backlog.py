"""What waits to be sent, byte for byte, and the clock that ends a stall."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from ratchet_py.backlog import CHUNK, Backlog


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stalls():
    return []


@pytest.fixture
def backlog(clock, stalls):
    return Backlog(clock, 60, lambda: stalls.append(clock.seconds()))


@given(
    st.lists(st.one_of(st.binary(max_size=50), st.integers(0, 3 * CHUNK).map(bytes)), max_size=8)
)
def test_what_goes_in_comes_out_in_pieces_that_a_transport_can_buffer(pieces):
    backlog = Backlog(Clock(), 60, lambda: None)
    for piece in pieces:
        backlog.add(memoryview(piece) if len(piece) % 2 else piece)
    whole = b"".join(pieces)
    out = b""
    assert backlog.size == len(whole)
    while data := backlog.next():
        assert type(data) is bytes
        assert len(data) <= CHUNK
        out += data
        assert backlog.size == len(whole) - len(out) + len(data)  # until it is taken
        backlog.taken()
        assert backlog.size == len(whole) - len(out)
    assert out == whole
    backlog.stop()


def test_pieces_are_filled(backlog):
    for _ in range(1000):
        backlog.add(b"x" * 100)
    assert len(backlog.next()) == CHUNK
    backlog.stop()


def test_a_stall_is_told_once(backlog, clock, stalls):
    backlog.add(b"x")
    clock.advance(59)
    assert stalls == []
    clock.advance(1)
    assert stalls == [60]
    clock.pump([60] * 10)
    assert stalls == [60]


def test_whatever_is_taken_is_no_stall(backlog, clock, stalls):
    backlog.add(bytes(10 * CHUNK))
    for _ in range(5):
        backlog.next()
        clock.advance(50)
        backlog.taken()
    assert stalls == []
    clock.advance(59)
    assert stalls == []
    clock.advance(1)
    assert stalls == [310]


def test_a_stopped_clock_leaves_nothing(backlog, clock, stalls):
    backlog.stop()
    backlog.stop()
    assert clock.getDelayedCalls() == []
    clock.advance(100)
    assert stalls == []
