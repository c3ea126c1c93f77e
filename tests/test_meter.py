"""What counts and times: plain numbers."""

from __future__ import annotations

import pytest

from ratchet_py.meter import BLOCKED, Meter, Slowest, Tally, Timing


@pytest.mark.parametrize(
    ("by", "code", "counted"),
    [
        ("client", 1000, "1000"),
        ("client", 2999, "2999"),
        ("client", 3000, "3xxx"),
        ("client", 4999, "4xxx"),
        ("server", 3000, "3000"),
        ("nobody", 1006, "1006"),
    ],
)
def test_codes(by, code, counted):
    tally = Tally()
    tally.close(by, code)
    assert tally.closed == {(by, counted): 1}


def test_a_timing_counts_up_to_and_with_the_bound():
    timing = Timing()
    for seconds in (0.0, 0.0001, 0.00011, 5.0, 5.1):
        timing.observe(seconds)
    assert timing.counts[:2] == [2, 1]
    assert timing.counts[-2:] == [1, 1]
    assert timing.count == 5
    assert timing.sum == pytest.approx(10.10021)


def test_the_slowest_are_kept_and_the_floor_rises():
    now = [100.0]
    slowest = Slowest(size=2, now=lambda: now[0])
    assert slowest.floor == 0.001
    assert not slowest.note("a", 0.2)
    assert not slowest.note("b", 0.1)
    assert slowest.floor == 0.001
    now[0] = 200.0
    assert slowest.note("b", 0.05)
    assert not slowest.note("c", 0.3)
    assert slowest.list() == [("c", 0.3, 1, 200.0), ("a", 0.2, 1, 100.0)]
    # What takes no longer than the fastest of them is not even asked for its name.
    assert slowest.floor == 0.2


def test_only_slow_callbacks_are_asked_for_their_name():
    meter = Meter()
    asked = []

    def describe():
        asked.append(True)
        return "x" * 5000

    meter.called(0.0001, describe)
    assert not asked
    meter.called(BLOCKED / 2, describe)
    assert len(asked) == 1
    assert meter.blocked == 0
    assert meter.callbacks.count == 2
    (slow,) = meter.slowest.list()
    assert len(slow.what) == 200
