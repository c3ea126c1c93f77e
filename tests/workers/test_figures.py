"""One figure of those of several workers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, Summary
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openMetrics
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from ratchet_py import App
from ratchet_py.admin.figures import LocalFigures
from ratchet_py.server import EchoServer
from ratchet_py.testing import connect
from ratchet_py.workers.figures import WorkersFigures
from ratchet_py.workers.merge import Totals, mergedSnapshot, pack
from ratchet_py.workers.watch import Watch


class Families(list):
    """Families, as a registry."""

    def collect(self):
        return self


def samples(families):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def application(number):
    """A worker's registry, with every kind that an application may have."""
    registry = CollectorRegistry()
    Counter("orders", "Orders.", ["shop"], registry=registry).labels("a").inc(number)
    Gauge("open_orders", "Open.", registry=registry).set(number)
    Histogram("price", "Prices.", buckets=[1, 10], registry=registry).observe(number)
    Summary("weight", "Weights.", registry=registry).observe(number)
    Info("build", "Build.", registry=registry).info({"version": "1"})
    Gauge("python_info", "A gauge that says something.", registry=registry).set(1)
    for name in "ratchet_reactor_lag_seconds", "process_start_time_seconds":
        Gauge(name, "One of several.", registry=registry).set(number)
    return registry


def test_each_kind_is_added_up_in_its_way():
    totals = Totals()
    for number in 2, 5:
        totals.add(pack(application(number).collect()))
    found = samples(totals.families())
    assert found == {
        ("orders_total", "a"): 7,
        ("open_orders",): 7,
        ("price_bucket", "1.0"): 0,
        ("price_bucket", "10.0"): 2,
        ("price_bucket", "+Inf"): 2,
        ("price_count",): 2,
        ("price_sum",): 7,
        ("weight_count",): 2,
        ("weight_sum",): 7,
        ("build_info", "1"): 1,
        ("python_info",): 1,
        ("ratchet_reactor_lag_seconds",): 5,
        ("process_start_time_seconds",): 2,
    }
    assert b'orders_total{shop="a"} 7.0' in generate_latest(Families(totals.families()))
    assert b'orders_total{shop="a"} 7.0' in openMetrics(Families(totals.families()))


def test_of_one_that_is_gone_only_what_grows_goes_on_to_count():
    totals = Totals()
    totals.add(pack(application(2).collect()), isGone=True)
    names = {name for name, *_ in samples(totals.families())}
    assert names == {
        *("orders_total", "price_bucket", "price_count", "price_sum"),
        *("weight_count", "weight_sum"),
    }


class Workers:
    """Stands for the processes."""

    def __init__(self, *processes):
        self.processes = processes
        self.isClosing = False
        self.restarts = 3
        self.loop = Clock()
        self.onGone = None


def process(number, **more):
    answers = {
        "families": pack(application(number).collect()),
        "snapshot": LocalSnapshot.of(number),
    }
    worker = SimpleNamespace(
        number=number,
        isUp=True,
        ending=None,
        isGone=False,
        heard=0.0,
        health=(True, "ok"),
        row=[0, number, 10, 20, number / 100],
        known={},
        asked=[],
    )

    def ask(what):
        worker.asked.append(what)
        worker.known[what] = answers[what]
        return succeed(answers[what])

    worker.ask = ask
    vars(worker).update(more)
    return worker


class LocalSnapshot:
    """What a worker would say of itself."""

    @staticmethod
    def of(number):
        app = App("localhost", reactor=Clock())
        app.route("/echo", EchoServer())
        figures = LocalFigures(app)
        figures.start(app.loop)
        for _ in range(number):
            connect(app, "/echo").send("x")
        connect(app, "/nowhere")
        figures.row()
        return figures.snapshot().result


@pytest.fixture
def workers():
    return Workers(process(1), process(2))


@pytest.fixture
def figures(workers):
    made = WorkersFigures(workers)
    made.start(workers.loop)
    yield made
    made.stop()
    assert not workers.loop.getDelayedCalls()


def test_all_is_well_if_each_of_them_is(figures, workers):
    assert figures.health() == (True, "ok")
    workers.loop.advance(1.9)
    assert figures.health() == (True, "ok")


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ({"ending": "by SIGKILL", "isUp": False}, "worker 1 is not there"),
        ({"isUp": False, "health": (False, "starting")}, "worker 1: starting"),
        ({"heard": -2.5}, "worker 1 has said nothing for 2.5 s"),
        ({"health": (False, "draining")}, "worker 1: draining"),
        (
            {"health": (False, "the reactor was stuck for 1.2 s")},
            "worker 1: the reactor was stuck for 1.2 s",
        ),
    ],
)
def test_what_is_wrong_with_one_of_them(figures, workers, faults, reason):
    vars(workers.processes[0]).update(faults)
    assert figures.health() == (False, reason)
    vars(workers.processes[1]).update(faults)
    assert figures.health() == (False, f"{reason}; {reason.replace('1', '2', 1)}")


def test_before_they_are_started():
    figures = WorkersFigures(Workers())
    assert figures.health() == (False, "starting")


def test_draining(figures, workers):
    figures.drain()
    assert figures.health() == (False, "draining")
    assert samples(figures.families().result)["ratchet_draining",] == 1
    figures.resume()
    assert figures.health().isWell
    assert samples(figures.families().result)["ratchet_draining",] == 0
    workers.isClosing = True
    assert figures.health() == (False, "draining")


def test_a_second_of_all_of_them(figures, workers):
    workers.loop.advance(1)
    assert figures.row() == [1, 3, 20, 40, 0.02]
    # One that is stuck has its clients, and nothing goes on there.
    workers.processes[1].heard = -2
    assert figures.row() == [1, 3, 10, 20, 3]
    workers.processes[1].isUp = False
    assert figures.row() == [1, 1, 10, 20, 0.01]


def test_what_prometheus_is_told(figures):
    found = samples(figures.families().result)
    assert found["orders_total", "a"] == 3
    assert found["ratchet_workers",] == 2
    assert found["ratchet_worker_restarts_total",] == 3
    assert found["ratchet_worker_open_connections", "2"] == 2
    assert found["process_resident_memory_bytes",] > 0


def test_nothing_that_has_been_counted_is_forgotten(figures, workers):
    def orders():
        return samples(figures.families().result)["orders_total", "a"]

    assert orders() == 3
    one = workers.processes[0]
    one.isUp, one.ending, one.isGone = False, "by SIGKILL", True
    workers.onGone(one)
    assert orders() == 3
    workers.processes = (process(4), workers.processes[1])
    assert orders() == 7


def test_one_that_goes_while_it_is_asked_counts_once(figures, workers):
    figures.families()
    one = workers.processes[0]
    answer = Deferred()
    one.ask = lambda what: answer
    asked = figures.families()
    one.isUp, one.ending, one.isGone = False, "by SIGKILL", True
    workers.onGone(one)
    answer.callback(None)
    assert samples(asked.result)["orders_total", "a"] == 3


def test_what_is_counted_is_looked_at_also_if_nobody_asks(figures, workers):
    one = workers.processes[0]
    for worker in workers.processes:
        worker.heard = 5.0
    workers.loop.advance(5)
    assert one.asked == ["families"]
    one.isUp, one.ending, one.isGone = False, "by SIGKILL", True
    workers.onGone(one)
    assert samples(figures.families().result)["orders_total", "a"] == 3


def test_one_that_is_stuck_is_not_asked(figures, workers):
    figures.families()
    one = workers.processes[0]
    one.heard = -3.0
    assert samples(figures.families().result)["orders_total", "a"] == 3
    assert one.asked == ["families"]


def test_what_the_page_shows(figures, workers):
    workers.loop.advance(1)
    now = figures.snapshot().result
    assert (now["time"], now["uptime"], now["isWell"], now["health"]) == (1, 1, True, "ok")
    assert (now["connections"], now["connectionsInAll"]) == (3, 5)
    assert now["routes"] == [
        {"path": "/echo", "connections": 3, "received": 3, "sent": 3, "blocked": 0}
    ]
    assert now["refused"] == [{"status": 404, "count": 2}]
    assert {*now, "broker"} == set(LocalSnapshot.of(1))


def test_topics_and_the_slowest_of_all_of_them():
    def one(topics, slowest):
        return {
            **{key: [] for key in ("closed", "exceeded", "refused", "routes")},
            "lag": len(topics) / 10,
            "broker": {"isUp": len(topics) > 2, "lost": len(topics)},
            "topics": [{"id": id, "path": "/", "subscribers": n} for id, n in topics],
            "slowest": [{"what": w, "seconds": s, "times": 1, "at": s} for w, s in slowest],
        }

    many = [(f"topic {n}", 1) for n in range(50)]
    merged = mergedSnapshot(
        [one([("a", 3), ("b", 2)], [("f", 0.5)]), one([("b", 2), *many], [("g", 0.9), ("f", 0.1)])]
    )
    assert [topic["id"] for topic in merged["topics"][:3]] == ["b", "a", "topic 0"]
    assert merged["topics"][0] == {"id": "b", "path": "/", "subscribers": 4}
    assert len(merged["topics"]) == 50
    assert merged["slowest"] == [
        {"what": "g", "seconds": 0.9, "times": 1, "at": 0.9},
        {"what": "f", "seconds": 0.5, "times": 2, "at": 0.5},
    ]
    assert merged["lag"] == 5.1
    assert merged["broker"] == {"isUp": False, "lost": 53}


def test_without_workers_there_is_nothing_to_show():
    shown = mergedSnapshot([])
    assert shown["connections"] == shown["lag"] == 0
    assert shown["topics"] == shown["closed"] == []
    left = set(LocalSnapshot.of(1)) - set(shown)
    assert left == {"version", "time", "uptime", "isWell", "health", "isDraining", "broker"}


def test_what_a_worker_says_of_itself():
    app = App("localhost", reactor=Clock())
    app.route("/echo", EchoServer())
    said = []
    link = SimpleNamespace(report=lambda kind, **more: said.append((kind, more)))
    watch = Watch(app, link)
    watch.start(app.loop)
    connect(app, "/echo")
    app.loop.pump([0.25] * 4)
    (_, first), (_, second) = said
    assert first["health"] == second["health"] == (True, "ok")
    assert second["row"][:2] == [1, 1]
    said.clear()
    watch.answer("snapshot", 7)
    [(kind, answer)] = said
    assert (kind, answer["id"], answer["answer"]["connections"]) == ("answer", 7, 1)
    said.clear()
    watch.stop()
    [(kind, last)] = said
    totals = Totals()
    totals.add(last["answer"])
    assert samples(totals.families())["ratchet_open_connections",] == 1
    app.loop.advance(10)
    assert len(said) == 1
