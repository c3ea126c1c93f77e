"""One figure of those of several workers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from prometheus_client.multiprocess import MultiProcessCollector
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from ratchet_py import App
from ratchet_py.admin.figures import LocalFigures
from ratchet_py.server import EchoServer
from ratchet_py.testing import connect
from ratchet_py.workers.figures import WorkersFigures
from ratchet_py.workers.merge import mergedSnapshot
from ratchet_py.workers.mirror import Mirror
from ratchet_py.workers.watch import Watch
from tests.workers.test_mirror import application, samples


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path)


class Workers:
    """Stands for the processes."""

    def __init__(self, folder, *processes):
        self.countsFolder = folder
        self.processes = processes
        self.isClosing = False
        self.restarts = 3
        self.loop = Clock()
        self.onGone = None


def process(folder, number, counted):
    mirror = Mirror(folder, number)
    worker = SimpleNamespace(
        number=number,
        isUp=True,
        ending=None,
        isGone=False,
        heard=0.0,
        health=(True, "ok"),
        row=[0, counted, 10, 20, counted / 100],
        snapshot=None,
        asked=[],
    )

    def ask(what):
        worker.asked.append(what)
        if what == "write":
            mirror.write(application(counted).collect())
        else:
            worker.snapshot = LocalSnapshot.of(counted)
        return succeed(None)

    def end():
        worker.isUp, worker.ending, worker.isGone = False, "by SIGKILL", True
        mirror.close()

    worker.ask = ask
    worker.end = end
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
def workers(folder):
    made = Workers(folder, process(folder, 1, 1), process(folder, 2, 2))
    yield made
    for each in made.processes:
        each.end()


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
    figures = WorkersFigures(Workers(None))
    assert figures.health() == (False, "starting")
    assert samples(figures.families().result)["ratchet_workers",] == 0


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


def test_nothing_that_has_been_counted_is_forgotten(figures, workers, folder):
    def found():
        told = samples(figures.families().result)
        return told["orders_total", "a"], told["open_orders",]

    assert found() == (3, 3)
    one, other = workers.processes
    one.end()
    workers.onGone(one)
    workers.processes = (other,)
    assert found() == (3, 2)
    workers.processes = (process(folder, 1, 4), other)
    assert found() == (7, 6)


def test_one_that_goes_while_it_is_asked_counts_once(figures, workers):
    figures.families()
    one = workers.processes[0]
    answer = Deferred()
    one.ask = lambda what: answer
    asked = figures.families()
    one.end()
    workers.onGone(one)
    answer.callback(None)
    assert samples(asked.result)["orders_total", "a"] == 3


def test_what_is_counted_is_looked_at_also_if_nobody_asks(figures, workers):
    one = workers.processes[0]
    for worker in workers.processes:
        worker.heard = 5.0
    workers.loop.advance(5)
    assert one.asked == ["write"]
    one.end()
    workers.onGone(one)
    workers.processes = workers.processes[1:]
    assert samples(figures.families().result)["orders_total", "a"] == 3


def test_one_that_is_stuck_is_not_asked(figures, workers):
    figures.families()
    one = workers.processes[0]
    one.heard = -3.0
    assert samples(figures.families().result)["orders_total", "a"] == 3
    assert one.asked == ["write"]


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


def test_what_a_worker_says_of_itself(folder):
    app = App("localhost", reactor=Clock())
    app.route("/echo", EchoServer())
    said = []
    link = SimpleNamespace(report=lambda kind, **more: said.append((kind, more)))
    watch = Watch(app, link, Mirror(folder, 1))

    def written():
        return samples(MultiProcessCollector(None, folder).collect())

    watch.start(app.loop)
    connect(app, "/echo")
    app.loop.pump([0.25] * 4)
    (_, first), (_, second) = said
    assert first["health"] == second["health"] == (True, "ok")
    assert second["row"][:2] == [1, 1]
    said.clear()
    watch.answer("snapshot", 7)
    [(kind, answer)] = said
    assert (kind, answer["id"], answer["snapshot"]["connections"]) == ("answer", 7, 1)
    assert written() == {}
    watch.answer("write", 8)
    assert said[1:] == [("answer", {"id": 8, "snapshot": None})]
    assert written()["ratchet_connections_total",] == 1
    connect(app, "/echo")
    watch.stop()
    assert written()["ratchet_connections_total",] == 2
    # Who goes on from there shall not find it doubled.
    watch.answer("write", 9)
    assert written()["ratchet_connections_total",] == 2
    said.clear()
    app.loop.advance(10)
    assert not said
