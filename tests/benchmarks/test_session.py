"""A run of the benchmark that is too short to say anything, but takes every path of it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from benchmarks import report, wire
from benchmarks.__main__ import main
from benchmarks.load import Ask, Broadcast, LoadError, connect
from benchmarks.peers import PEERS, named
from benchmarks.process import Cores, Server
from benchmarks.scenarios import SCENARIOS, TOPIC, Settings, say, selected
from benchmarks.session import Session

# What is there wherever this package is.
ALWAYS = ["ratchet_py", "autobahn", "floor-direct"]

SETTINGS = replace(Settings.tiny(), rounds=2)


@pytest.fixture(scope="module")
def results():
    found = Session(named(ALWAYS), SCENARIOS, SETTINGS, say=lambda line: None).run()
    assert found["failed"] == []
    return found


@pytest.fixture(scope="module")
def summary(results):
    return report.Summary(results)


def test_every_peer_is_measured_in_every_round_at_all_that_it_can(results):
    measured = {(run["peer"], run["scenario"], run["round"]) for run in results["runs"]}

    common = {"echo", "echo-16", "echo-16k", "chat", "connect"}
    own = common | {"publish", "call", "layers", "no-layers"}
    own |= {"publish2", "publish-mixed", "call2"}
    wanted = {(peer, key, round) for peer in ALWAYS for key in common for round in range(2)}
    assert measured == wanted | {("ratchet_py", key, round) for key in own for round in range(2)}


def test_a_run_is_consistent_in_itself(results):
    for run in results["runs"]:
        assert run["messages"] > 0
        assert run["cpu"] >= 0
        # The account of the system may lag by a tick or two.
        assert run["cpu"] <= run["wall"] + 0.05
        assert run["generator"] <= run["wall"] + 0.05
        assert 0 < run["p50"] <= run["p99"] <= run["max"]


def test_memory_and_closing_are_of_so_many_connections(results):
    kinds = {(found["peer"], found["kind"]) for found in results["memory"]}

    assert kinds == {(peer, "websocket") for peer in ALWAYS} | {
        ("ratchet_py", "common"),
        ("ratchet_py", "own"),
    }
    assert {found["connections"] for found in results["memory"]} == {SETTINGS.idle}
    assert all(found["process"] > 0 for found in results["memory"])
    heard = [found["heard"] for found in results["memory"] if found["kind"] != "websocket"]
    assert len(heard) == 4
    assert all(time > 0 for time in heard)
    assert [found["topics"] for found in results["closing"]] == [0, SETTINGS.topics] * 2


def test_the_reference_is_as_fast_as_itself(summary):
    for run in summary.results["runs"]:
        run["cpu"] = max(run["cpu"], 1e-6)  # the shortest of them may have had no tick
    assert summary.ratio("echo", "autobahn") == report.Spread(1, 1, 1)


def test_all_of_it_is_written(results, tmp_path):
    report.write(results, tmp_path)

    written = json.loads((tmp_path / "results.json").read_text())
    tables = (tmp_path / "tables.txt").read_text()
    assert written == results
    assert report.Summary(written).peers == ALWAYS
    charts = {path.name for path in tmp_path.glob("*.svg")}
    assert charts == {
        f"{name}.svg" for name in ("echo", "echo-16", "echo-16k", "chat", "connect", "memory")
    }
    for name in charts:
        assert f".. image:: {name}" in tables
        ElementTree.parse(tmp_path / name)
    for goal in ("echo 64 B text, 1 in flight", "one more pass-through component"):
        assert goal in tables


@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer.missing() is None])
def test_every_peer_that_is_here_answers_what_it_is_asked(peer):
    able = [scenario for scenario in SCENARIOS if scenario.app in peer.apps]

    results = Session([peer], able, Settings.tiny(), extras=False, say=lambda line: None).run()

    assert results["failed"] == []
    assert [run["scenario"] for run in results["runs"]] == [scenario.key for scenario in able]


def test_a_peer_that_is_not_here_is_named_as_skipped(capsys, tmp_path):
    absent = replace(PEERS[0], name="absent", needs=("no-such-distribution",))

    session = Session([absent, PEERS[0]], [], Settings.tiny(), extras=False)

    assert list(session.results["skipped"]) == ["absent"]
    assert "no-such-distribution is not installed" in session.results["skipped"]["absent"]
    assert [peer.name for peer in session.peers] == ["ratchet_py"]


def test_what_fails_is_named_and_the_others_are_measured(tmp_path):
    deaf = replace(PEERS[0], name="deaf", apps={"echo": "wamp"})

    results = Session([deaf, PEERS[0]], selected(["echo"]), Settings.tiny(), extras=False).run()

    (failure,) = results["failed"]
    assert failure.startswith("deaf, echo: ")
    assert [run["peer"] for run in results["runs"]] == ["ratchet_py"]
    assert f"Failed: {failure.splitlines()[0]}" in report.asText(report.Summary(results))


def test_another_answer_than_the_right_one_ends_the_measurement():
    (floor,) = named(["floor-write"])
    asked = wire.masked(wire.TEXT, b"y" * 64)
    with Server(floor, "echo") as server:
        clients = connect(server.port, 2, canned=True)
        load = Ask(clients, [[(asked, wire.plain(wire.TEXT, b"y" * 64))]] * 2)
        with pytest.raises(LoadError, match="xxxx"):
            load.run(0.01)
        for client in clients:
            client.close()


@pytest.mark.parametrize("due", [[b"\x81\x01?"], [re.compile(b"\\?")], [re.compile(b".*")] * 2])
def test_another_event_than_the_right_one_ends_the_measurement(due):
    """A pattern stands for one event; whoever gets another one has heard something else."""
    (scenario,) = selected(["publish-mixed" if len(due) > 1 else "publish2"])
    with Server(PEERS[0], scenario.app) as server:
        loaded = scenario.load(server, SETTINGS)
        loaded.poller.close()
        request = say([16, 1, {"exclude_me": False}, TOPIC, ["event"]])
        load = Broadcast(loaded.clients, [(request, due[:1])])
        with pytest.raises(LoadError, match="event"):
            load.run(0.01)
        load.close()


def test_a_server_that_does_not_start_says_why():
    broken = replace(PEERS[0], arguments=(), apps={"echo": "echo+some"})
    with Server(broken, "echo") as server, pytest.raises(RuntimeError, match="invalid literal"):
        _ = server.port


def test_the_command_writes_where_it_is_told(tmp_path, capsys):
    command = ["--tiny", "--peers", *ALWAYS[:2], "--scenarios", "echo", "--output", str(tmp_path)]

    assert main(command) == 0

    assert "TIMES AS FAST AS AUTOBAHN" in capsys.readouterr().out
    assert json.loads((tmp_path / "results.json").read_text())["runs"]


def test_the_server_and_the_generator_do_not_share_a_core():
    cores = Cores.choose()

    assert cores.server is None or cores.server != cores.generator


def test_frames_are_read_back_as_they_were_made():
    for size in (0, 125, 126, 65535, 65536):
        payload = wire.binary(size, size)
        framed = wire.plain(wire.BINARY, payload)
        assert wire.unframe(framed + b"more") == (wire.BINARY, payload, b"more")
        assert wire.unframe(framed[:-1]) is None
        masked = wire.masked(wire.BINARY, payload)
        assert len(masked) == len(framed) + 4
        key, body = masked[len(framed) - size :][:4], masked[len(masked) - size :]
        assert bytes(byte ^ key[at % 4] for at, byte in enumerate(body)) == payload
