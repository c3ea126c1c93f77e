"""Connections come and go: nothing may stay of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.peers import ours
from benchmarks.process import Server
from benchmarks.soak import Census, Soak, faults, main


def test_nothing_stays_of_connections_that_came_and_went(capsys):
    assert main(["--connections", "120", "--wave", "40"]) == 0, capsys.readouterr().out


@pytest.fixture(scope="module")
def asked():
    with Server(ours(), "soak") as server:
        soaked = Soak(server, say=lambda line: None)
        yield soaked
        soaked.close()


@pytest.fixture
def flat(asked):
    (census,) = asked.waves(1, 20)
    return census


def test_the_census_finds_what_is_alive(asked, flat):
    # The connection that asks, and the topic that it calls.
    for name in ("WsConnection", "WampConnection", "Request", "Topic"):
        assert flat.objects[name] == 1
    assert asked.left(flat) == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"objects": {"WsConnection": 2}}, "still {'WsConnection': 1}"),
        ({"resident": 200 << 20}, "the process grew"),
    ],
)
def test_what_stays_is_reported(asked, flat, change, said):
    flat = replace(flat, resident=100 << 20)

    (fault,) = faults(asked, [flat, flat, replace(flat, **change)], [])

    assert said in fault


def test_what_tracemalloc_sees_is_reported(asked, flat):
    grown = replace(flat, traced=1 << 20)

    (fault,) = faults(asked, [flat], [flat, flat, grown])

    assert "tracemalloc has seen 1,048,576 bytes grow" in fault


def test_no_growth_is_no_fault(asked, flat):
    assert isinstance(flat, Census)
    assert faults(asked, [flat] * 3, [flat] * 3) == []
