"""A run of the benchmark of several nodes that is too short to say anything."""

from __future__ import annotations

import csv
import json

from benchmarks.cluster import Engine, main
from tests.broker import redis_server


def test_all_of_it_is_measured_and_written(tmp_path, capsys):
    redis_server.command()
    assert main(["--tiny", "--output", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["found"]
    fanOut = found["fan-out, two nodes"]
    assert fanOut["subscribers"] == 8
    assert fanOut["messages"] > fanOut["events"] > 0
    # Who is not there costs nothing.
    assert fanOut["engine"] > 0 == found["fan-out, one node, no Redis"]["engine"]
    assert found["topics"]["topics"] == 300
    assert found["topics"]["back"] > 0
    said = capsys.readouterr().out
    for name in ("spread", "hop", "costs", "topics"):
        with (tmp_path / f"{name}.csv").open(encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert len({len(row) for row in rows}) == 1
        assert all(row[0] in said for row in rows)


def test_without_a_redis_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.cluster.shutil.which", lambda name: None)
    assert main(["--tiny"]) == 1
    assert "apt install redis-server" in capsys.readouterr().err


def test_the_engine_can_be_started_again():
    redis_server.command()
    with Engine(None) as engine:
        engine.ask("SET", "a", "1")
        engine.stop()
        engine.start()
        assert engine.ask("GET", "a") is None
