"""``python -m benchmarks.cluster``: what it costs to be several, with a Redis in the middle.

The nodes and the Redis share the cores that the load generator leaves them: on a machine with two
cores that is one, and deliveries a second do not grow with the nodes. What does not depend on that
is the CPU that each process takes for an event, by the scheduler's account; a node or an engine
with a core of its own serves as many as fit into a second of it.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, TypeAlias

import hiredis

from benchmarks import wire
from benchmarks.load import Ask, Client, Load, LoadError, Poller, clock, complete
from benchmarks.peers import ROOT, ours
from benchmarks.process import Cores, Server, memory, pin, raiseDescriptorLimit, usage
from benchmarks.scenarios import PROCEDURE, SMALL, TOPIC, say, subscribe, wampConnect

DOCS = ROOT / "docs" / "scaling"
OTHERWISE = Path(__file__).parent / "results" / "cluster"

# How many events are under way at a time where many are.
BURST = 64

# How many different events there are.
POOL = 16

ALONE, ONE, TWO, FOUR = "one node, no Redis", "one node", "two nodes", "four nodes"

CHANNEL = f"ratchet::{TOPIC}"


@dataclass(frozen=True)
class Settings:
    """How much of everything: rounds, seconds of each measurement, subscribers, topics."""

    rounds: int = 3
    warm: float = 0.3
    seconds: float = 1.5
    subscribers: int = 1000
    topics: int = 50_000


TINY = Settings(1, 0.01, 0.05, 8, 300)


class Engine:
    """A Redis of our own, that keeps nothing; use it in a ``with`` statement."""

    def __init__(self, core: int | None) -> None:
        program = _program()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        self._folder = tempfile.TemporaryDirectory()
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._core = core
        self.start()

    def start(self) -> None:
        """Start it, also again; returns when it serves."""
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, cwd=self._folder.name, text=True
        )
        self.pid = self._process.pid
        pin(self._core, self.pid)
        assert self._process.stdout is not None
        if not any("eady to accept" in line for line in self._process.stdout):
            raise LoadError("redis-server does not start")
        self._socket = socket.create_connection(("127.0.0.1", self.port))
        self._reader = hiredis.Reader()

    def stop(self) -> None:
        """End it."""
        self._socket.close()
        self._process.kill()
        self._process.communicate()

    def ask(self, *words: str) -> Any:
        """Its reply to a command."""
        self._socket.sendall(hiredis.pack_command(words))
        while (reply := self._reader.gets()) is False:
            self._reader.feed(self._socket.recv(65536))
        return reply

    def info(self, section: str) -> dict[str, str]:
        """What it says of itself."""
        lines = self.ask("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def until(self, isSo: Callable[[], bool], what: str) -> float:
        """Wait until something is so; returns how long that was, in seconds."""
        begun = time.perf_counter()
        while not isSo():
            if time.perf_counter() - begun > 60:
                raise LoadError(f"waited for {what}")
            time.sleep(0.002)
        return time.perf_counter() - begun

    def untilHeard(self, nodes: int) -> None:
        """Wait until so many nodes have subscribed to the topic."""
        self.until(lambda: self.ask("PUBSUB", "NUMSUB", CHANNEL)[1] == nodes, f"{nodes} nodes")

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._folder.cleanup()


def _program() -> str:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise LoadError("there is no redis-server: apt install redis-server")
    return program


@dataclass
class Cluster:
    """Nodes, and the engine between them; None for one node that needs none."""

    nodes: list[Server]
    engine: Engine | None

    def usage(self) -> list[float]:
        """Seconds of CPU that the engine and each node have taken."""
        pids = [node.pid for node in self.nodes]
        engine = 0.0 if self.engine is None else usage(self.engine.pid).cpu
        return [engine, *(usage(pid).cpu for pid in pids)]

    def settled(self) -> list[float]:
        """The same, when all are idle."""
        before = self.usage()
        while True:
            time.sleep(0.03)
            found = self.usage()
            if found == before:
                return found
            before = found

    def untilHeard(self, nodes: int) -> None:
        """See :class:`Engine`."""
        if self.engine is not None:
            self.engine.untilHeard(nodes)


@contextmanager
def cluster(count: int, cores: Sequence[int | None], isJoined: bool = True) -> Iterator[Cluster]:
    """So many nodes, fresh ones, on these cores in turn; joined by an engine or not."""
    with ExitStack() as stack:
        engine = stack.enter_context(Engine(cores[-1])) if isJoined else None
        peer = ours()
        if engine is not None:
            peer = replace(peer, environment={**peer.environment, "BENCHMARK_BROKER": engine.url})
        nodes = [
            stack.enter_context(Server(peer, "wamp", cores[at % len(cores)])) for at in range(count)
        ]
        yield Cluster(nodes, engine)


class Across(Load):
    """A publisher says something, all the others hear it, then it says the next.

    A latency is the time until the last has heard.

    Args:
        clients: Who hears it.
        script: What is sent, with the exact bytes that all of them get.
        publisher: Who sends it; may be one of them.
    """

    def __init__(
        self, clients: Sequence[Client], script: Sequence[tuple[bytes, bytes]], publisher: Client
    ) -> None:
        self.poller = Poller()
        self.clients = clients
        self._publisher = publisher
        self._script = cycle(script)
        self._byFd = {client.fd: client for client in clients}
        for client in clients:
            self.poller.add(client.sock)

    def pump(self, until: float, record: Callable[[float], object]) -> int:
        """See :class:`~benchmarks.load.Load`."""
        byFd, wait, count, rounds, now = self._byFd, self.poller.wait, len(self.clients), 0, 0.0
        while now < until:
            request, awaited = next(self._script)
            sent, missing = clock(), count
            self._publisher.sendAll(request)
            while missing:
                for fd, _ in wait():
                    client = byFd[fd]
                    client.awaited = awaited
                    missing -= complete(client, client.recv(262144))
            now = clock()
            record(now - sent)
            rounds += 1
        return rounds * count


def _script(burst: int) -> list[tuple[bytes, bytes]]:
    """What a publisher sends, so many events in each, and what a subscriber gets of it."""
    length = SMALL - len(_text([8, TOPIC, ""]))
    events = [wire.text(length, seed) for seed in range(POOL)]
    sent = [say([7, TOPIC, event]) for event in events]
    heard = [wire.plain(wire.TEXT, _text([8, TOPIC, event])) for event in events]
    return [
        (
            b"".join(sent[(at + i) % POOL] for i in range(burst)),
            b"".join(heard[(at + i) % POOL] for i in range(burst)),
        )
        for at in range(POOL)
    ]


def _text(message: list[Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def _run(joined: Cluster, load: Load, settings: Settings, each: int) -> dict[str, Any]:
    """Measure; ``each`` is how many of the load's messages an event is."""
    load.run(settings.warm)
    before = joined.settled()
    sample = load.run(settings.seconds)
    after = joined.settled()
    times = sorted(sample.latencies)
    events = sample.messages / each
    engine, *nodes = [(b - a) / events for a, b in zip(before, after, strict=True)]
    return {
        "events": events / sample.wall,
        "messages": sample.messages / sample.wall,
        "p50": times[len(times) // 2],
        "p99": times[min(int(len(times) * 0.99), len(times) - 1)],
        "engine": engine,
        "publishing": nodes[0],
        "receiving": statistics.mean(nodes[1:]) if nodes[1:] else 0.0,
        "nodes": sum(nodes),
    }


def fanOut(joined: Cluster, settings: Settings) -> dict[str, Any]:
    """One publishes, subscribers on all nodes hear it, and then the next: CPU for each event."""
    count = settings.subscribers // len(joined.nodes)
    clients = [client for node in joined.nodes for client in wampConnect(node.port, count)]
    subscribe(clients, lambda _: [TOPIC])
    joined.untilHeard(len(joined.nodes))
    load = Across(clients, _script(1), clients[0])
    result = _run(joined, load, settings, len(clients))
    load.close()
    return {**result, "subscribers": len(clients)}


def events(
    joined: Cluster, settings: Settings, burst: int, listening: Sequence[Server]
) -> dict[str, Any]:
    """The first node publishes, one subscriber on each of those listens: CPU for each event."""
    (publisher,) = wampConnect(joined.nodes[0].port, 1)
    clients = [client for node in listening for client in wampConnect(node.port, 1)]
    subscribe(clients, lambda _: [TOPIC])
    joined.untilHeard(len(listening))
    script = _script(burst)
    load: Load
    if clients:
        load = Across(clients, script, publisher)
        result = _run(joined, load, settings, len(clients))
    else:
        # Nobody hears it: the answer to a call says that the node has come so far.
        call = say([2, "id", PROCEDURE])
        answer = wire.plain(wire.TEXT, _text([3, "id", []]))
        load = Ask([publisher], [[(sent + call, answer) for sent, _ in script]])
        result = _run(joined, load, settings, 1)
    load.close()
    publisher.close()
    for key in ("engine", "publishing", "receiving", "nodes"):
        result[key] /= burst
    for key in ("events", "messages"):
        result[key] *= burst
    return result


def topics(joined: Cluster, settings: Settings) -> dict[str, Any]:
    """What the engine and a node take for each topic that has a subscriber on that node."""
    engine = joined.engine
    assert engine is not None
    (node,) = joined.nodes
    each = min(5000, settings.topics)
    clients = wampConnect(node.port, settings.topics // each)
    before = _memory(engine), memory(node.pid), joined.settled()
    subscribe(clients, lambda at: [f"http://example.com/{at}/{i}" for i in range(each)])
    count = each * len(clients)
    engine.until(lambda: _channels(engine) == count, "all subscriptions")
    after = _memory(engine), memory(node.pid), joined.settled()
    engine.stop()
    engine.start()
    back = engine.until(lambda: _channels(engine) == count, "all subscriptions again")
    resubscribed = joined.settled()
    for client in clients:
        client.close()
    return {
        "topics": count,
        "engineMemory": (after[0] - before[0]) / count,
        "nodeMemory": (after[1] - before[1]) / count,
        "engine": (after[2][0] - before[2][0]) / count,
        "node": (after[2][1] - before[2][1]) / count,
        "nodeAgain": (resubscribed[1] - after[2][1]) / count,
        "back": back,
    }


def _memory(engine: Engine) -> int:
    return int(engine.info("memory")["used_memory"])


def _channels(engine: Engine) -> int:
    return int(engine.info("stats")["pubsub_channels"])


def measure(settings: Settings, tell: Callable[[str], object] = print) -> dict[str, Any]:
    """All of it, each figure the middle of the rounds."""
    _program()
    chosen = Cores.choose()
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    cores: list[int | None] = [core for core in allowed if core != chosen.generator] or [None]
    raiseDescriptorLimit()
    pin(chosen.generator)
    try:
        found = _rounds(settings, cores, tell)
    finally:
        if allowed:
            os.sched_setaffinity(0, allowed)
    return {
        "machine": f"{_processor()}, {len(allowed)} cores, of which the generator has one",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "engine": _version(),
        "date": time.strftime("%Y-%m-%d"),
        "found": {
            title: {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
            for title, rounds in found.items()
        },
    }


def _rounds(
    settings: Settings, cores: Sequence[int | None], tell: Callable[[str], object]
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    kinds = ((ALONE, 1, False), (ONE, 1, True), (TWO, 2, True), (FOUR, 4, True))
    for at in range(settings.rounds):
        for title, count, isJoined in kinds:
            with cluster(count, cores, isJoined) as joined:
                for name, load in _loads(joined, settings):
                    found.setdefault(f"{name}, {title}", []).append(load())
            tell(f"round {at + 1} of {settings.rounds}: {title}")
        with cluster(1, cores) as joined:
            found.setdefault("topics", []).append(topics(joined, settings))
    return found


def _loads(
    joined: Cluster, settings: Settings
) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    yield "fan-out", lambda: fanOut(joined, settings)
    for burst in (1, BURST):
        yield f"{burst} at a time", partial(events, joined, settings, burst, joined.nodes[1:])
        if joined.engine is None:
            yield (
                f"{burst} at a time, heard",
                partial(events, joined, settings, burst, joined.nodes),
            )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(": ")[2] for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version() -> str:
    said = subprocess.run(
        [_program(), "--version"], capture_output=True, text=True, check=True
    ).stdout
    return " ".join(said.split()[:3])


def tables(results: dict[str, Any]) -> dict[str, list[list[str]]]:
    """What the documentation shows, by the name of its file."""
    found = results["found"]
    spread = [["nodes", "deliveries a second", "until the last has heard, p50", "p99",
               "CPU of the nodes for each delivery"]]  # fmt: skip
    for title in (ALONE, ONE, TWO, FOUR):
        each = found[f"fan-out, {title}"]
        spread.append([
            title,
            f"{each['messages']:,.0f}",
            _ms(each["p50"]),
            _ms(each["p99"]),
            _us(each["nodes"] / each["subscribers"]),
        ])  # fmt: skip
    hop = [["one event at a time, to", "p50", "p99"]]
    for title, key in (
        ("a subscriber of the same node", f"heard, {ALONE}"),
        ("one of another node", TWO),
        ("one on each of three other nodes", FOUR),
    ):
        each = found[f"1 at a time, {key}"]
        hop.append([title, _ms(each["p50"]), _ms(each["p99"])])
    costs = [["CPU for each event", "one at a time", f"{BURST} at a time"]]
    for title, cost in _COSTS.items():
        costs.append([title, *(_us(cost(_of(found, burst))) for burst in (1, BURST))])
    once = found["topics"]
    topicRows = [
        ["for each topic with subscribers", "Redis", "the node"],
        ["memory", f"{once['engineMemory']:.0f} bytes", f"{once['nodeMemory']:.0f} bytes"],
        ["CPU to subscribe", _us(once["engine"]), _us(once["node"])],
        ["CPU to subscribe again, after an outage", "", _us(once["nodeAgain"])],
        [f"until all {once['topics']:,.0f} are back", f"{once['back']:.2f} s", ""],
    ]
    return {"spread": spread, "hop": hop, "costs": costs, "topics": topicRows}


_Of: TypeAlias = Callable[[str, str], float]


def _of(found: dict[str, Any], burst: int) -> _Of:
    def of(title: str, key: str) -> float:
        cost: float = found[f"{burst} at a time, {title}"][key]
        return cost

    return of


_COSTS: dict[str, Callable[[_Of], float]] = {
    "one node without Redis, which publishes and delivers": lambda of: of(
        f"heard, {ALONE}", "publishing"
    ),
    "two nodes: the one that publishes": lambda of: of(TWO, "publishing"),
    "two nodes: the one that delivers": lambda of: of(TWO, "receiving"),
    "two nodes: Redis": lambda of: of(TWO, "engine"),
    "Redis, more for each further node that listens": lambda of: (
        (of(FOUR, "engine") - of(TWO, "engine")) / 2
    ),
    "Redis, if nobody listens": lambda of: of(ONE, "engine"),
    "what Redis adds for who publishes": lambda of: of(ONE, "publishing") - of(ALONE, "publishing"),
}


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} µs"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"


def write(results: dict[str, Any], folder: Path) -> None:
    """The figures as JSON, and the tables of the documentation."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1, ensure_ascii=False)
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    for name, rows in tables(results).items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def asText(results: dict[str, Any]) -> str:
    """The tables, for a terminal."""
    parts = []
    for rows in tables(results).values():
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        parts.append("\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ))  # fmt: skip
    return "\n\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="only to see that all of it works")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="where the results go (docs/scaling)"
    )
    options = parser.parse_args(arguments)
    try:
        results = measure(
            TINY if options.tiny else Settings(),
            lambda line: print(line, file=sys.stderr, flush=True),
        )
    except LoadError as error:
        print(error, file=sys.stderr)
        return 1
    folder = options.output or (OTHERWISE if options.tiny else DOCS)
    write(results, folder)
    print(asText(results))
    print(f"\nWritten to {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
