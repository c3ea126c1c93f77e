"""What is measured, and how each load is made."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import wire
from benchmarks.load import Ask, Broadcast, Client, Load, LoadError, Visit, connect
from benchmarks.load import goodbye as sayGoodbye
from benchmarks.peers import Peer
from benchmarks.process import Server, usage

# The length of the small messages, also of those of WAMP on the wire.
SMALL = 64
LARGE = 16384

TOPIC = "http://example.com/news"
PROCEDURE = "http://example.com/echo"
REALM = "benchmark"

# How many different messages are in use at a time.
POOL = 16

LAYERS = 8


@dataclass(frozen=True)
class Settings:
    """How much of everything.

    Attributes:
        rounds: How often each measurement is taken, with fresh processes.
        warm: Seconds of load before each.
        seconds: Seconds of each.
        connections: Of the scenarios of questions and answers.
        subscribers: Of those of broadcasts.
        idle: Connections whose memory is measured.
        topics: Those that are elsewhere while connections are closed.
    """

    rounds: int = 4
    warm: float = 0.25
    seconds: float = 0.6
    connections: int = 100
    subscribers: int = 1000
    idle: int = 10_000
    topics: int = 100_000

    @classmethod
    def quick(cls) -> Settings:
        """For a first look: most figures are within a tenth of those of the full run."""
        return cls(rounds=1, warm=0.2, seconds=0.4, idle=2_000, topics=20_000)

    @classmethod
    def tiny(cls) -> Settings:
        """For a test that all of it works; the figures say nothing."""
        return cls(1, 0.01, 0.02, connections=4, subscribers=6, idle=60, topics=200)


@dataclass(frozen=True)
class Scenario:
    """A load for a server.

    Attributes:
        key: Its name in the results and on the command line.
        title: The same, for people.
        app: The application that it is for.
        unit: What is counted.
        load: Makes the load.
    """

    key: str
    title: str
    app: str
    unit: str
    load: Callable[[Server, Settings], Load]


def _echo(size: int, opcode: int, inFlight: int) -> Callable[[Server, Settings], Load]:
    def load(server: Server, settings: Settings) -> Load:
        make = wire.binary if opcode == wire.BINARY else _utf8
        sent = [make(size, seed) for seed in range(POOL)]
        heard = [b"x" * size if server.peer.canned else payload for payload in sent]
        pairs = [
            (
                b"".join(wire.masked(opcode, sent[(at + i) % POOL]) for i in range(inFlight)),
                b"".join(wire.plain(opcode, heard[(at + i) % POOL]) for i in range(inFlight)),
            )
            for at in range(POOL)
        ]
        count = settings.connections
        clients = connect(server.port, count, canned=server.peer.canned)
        scripts = [pairs[at % POOL :] + pairs[: at % POOL] for at in range(count)]
        return Ask(clients, scripts, inFlight)

    return load


def _utf8(size: int, seed: object) -> bytes:
    return wire.text(size, seed).encode()


def _chat(server: Server, settings: Settings) -> Load:
    clients = connect(server.port, settings.subscribers, canned=server.peer.canned)
    sent = [_utf8(SMALL, seed) for seed in range(POOL)]
    heard = [b"x" * SMALL if server.peer.canned else payload for payload in sent]
    frames = [wire.masked(wire.TEXT, payload) for payload in sent]
    return Broadcast(
        clients, list(zip(frames, ([wire.plain(wire.TEXT, p)] for p in heard), strict=True))
    )


def _publish(server: Server, settings: Settings) -> Load:
    clients = wampConnect(server.port, settings.subscribers)
    subscribe(clients, lambda _: [TOPIC])
    return Broadcast(clients, [(say([7, TOPIC, event]), [_event(event)]) for event in _events()])


def _publish2(server: Server, settings: Settings) -> Load:
    clients = wamp2Connect(server.port, settings.subscribers)
    subscribe2(clients)
    return Broadcast(clients, [(_publication(event), [_event2(event)]) for event in _events()])


def _publishMixed(server: Server, settings: Settings) -> Load:
    half = settings.subscribers // 2
    clients = [*wamp2Connect(server.port, settings.subscribers - half)]
    subscribe2(clients)
    others = wampConnect(server.port, half)
    subscribe(others, lambda _: [TOPIC])
    script = [(_publication(event), [_event(event), _event2(event)]) for event in _events()]
    return Broadcast([*clients, *others], script)


def _events() -> list[str]:
    # As long on the wire as a message of the chat; version 2 has one character more.
    length = SMALL - len(_text([8, TOPIC, ""]))
    return [wire.text(length, seed) for seed in range(POOL)]


def _event(event: str) -> bytes:
    return wire.plain(wire.TEXT, _text([8, TOPIC, event]))


def _publication(event: str) -> bytes:
    return say([16, 1, {"exclude_me": False}, TOPIC, [event]])


def _event2(event: str) -> re.Pattern[bytes]:
    """The server chooses the ids of the subscription and of the publication."""
    return re.compile(rb'\x81.\[36,\d+,\d+,\{\},\["%s"\]\]' % event.encode(), re.DOTALL)


def _call(server: Server, settings: Settings) -> Load:
    clients = wampConnect(server.port, settings.connections)
    pairs = []
    for seed in range(POOL):
        id, argument = wire.text(8, seed), wire.text(16, seed)
        answer = wire.plain(wire.TEXT, _text([3, id, [argument]]))
        pairs.append((say([2, id, PROCEDURE, argument]), answer))
    scripts = [pairs[at % POOL :] + pairs[: at % POOL] for at in range(len(clients))]
    return Ask(clients, scripts)


def _call2(server: Server, settings: Settings) -> Load:
    clients = wamp2Connect(server.port, settings.connections)
    clients[0].sendAll(say([48, 1, {}, PROCEDURE]))
    # Crossbar says in them who has answered, each time the same; we have nothing to say.
    details = _expect(clients[0], 50)[2]
    pairs = []
    for seed in range(POOL):
        id, argument = POOL + seed, wire.text(16, seed)
        answer = wire.plain(wire.TEXT, _text([50, id, details, [[argument]]]))
        pairs.append((say([48, id, {}, PROCEDURE, [argument]]), answer))
    scripts = [pairs[at % POOL :] + pairs[: at % POOL] for at in range(len(clients))]
    return Ask(clients, scripts)


def _visit(server: Server, settings: Settings) -> Load:
    return Visit(server.port, settings.connections, server.peer.canned)


SCENARIOS = [
    Scenario("echo", "echo 64 B text, 1 in flight", "echo", "message", _echo(SMALL, wire.TEXT, 1)),
    Scenario(
        "echo-16", "echo 64 B text, 16 in flight", "echo", "message", _echo(SMALL, wire.TEXT, 16)
    ),
    Scenario(
        "echo-16k", "echo 16 KiB binary, 1 in flight", "echo", "message",
        _echo(LARGE, wire.BINARY, 1),
    ),
    Scenario("chat", "chat, one to 1,000", "chat", "delivery", _chat),
    Scenario("connect", "connect, handshake, close", "echo", "connection", _visit),
    Scenario("publish", "WAMP publish to 1,000", "wamp", "delivery", _publish),
    Scenario("call", "WAMP call and result", "wamp", "call", _call),
    Scenario("publish2", "WAMP 2 publish to 1,000", "wamp2", "delivery", _publish2),
    Scenario(
        "publish-mixed", "WAMP publish to 500 of each version", "wamp", "delivery", _publishMixed
    ),
    Scenario("call2", "WAMP 2 call and result", "wamp2", "call", _call2),
]  # fmt: skip


def selected(keys: Sequence[str] | None) -> list[Scenario]:
    """Scenarios by their keys; all, if none are named."""
    return [scenario for scenario in SCENARIOS if not keys or scenario.key in keys]


# The same load for two stacks, to see what a layer costs.
LAYERED = Scenario(
    "layers", "echo 64 B text, 16 in flight, eight more layers", f"echo+{LAYERS}", "message",
    _echo(SMALL, wire.TEXT, 16),
)  # fmt: skip


def run(scenario: Scenario, server: Server, settings: Settings) -> dict[str, Any]:
    """Measure once.

    Returns:
        In seconds: ``wall``, what the server's process had of its core (``cpu``), what of that its
        system calls took (``kernel``, to 10 ms), what the
        generator had (``generator``, without its idle polls), how long the two were kept from
        running by other processes (``disturbed``), and percentiles of the latency.
    """
    load = scenario.load(server, settings)
    try:
        load.run(settings.warm)
        before, ownBefore = server.usage(), usage(os.getpid())
        sample = load.run(settings.seconds)
        after, ownAfter = server.usage(), usage(os.getpid())
        load.finish()
    except BaseException:
        load.close()
        raise
    times = sorted(sample.latencies)
    return {
        "messages": sample.messages,
        "wall": sample.wall,
        "cpu": after.cpu - before.cpu,
        "kernel": after.kernel - before.kernel,
        "disturbed": after.waited - before.waited + ownAfter.waited - ownBefore.waited,
        "generator": sample.busy,
        "p50": _percentile(times, 0.5),
        "p99": _percentile(times, 0.99),
        "max": _percentile(times, 1.0),
    }


def _percentile(times: Sequence[float], share: float) -> float:
    return times[min(int(len(times) * share), len(times) - 1)]


def idleMemory(server: Server, settings: Settings, wamp: str | None = None) -> dict[str, Any]:
    """What an idle connection takes, in bytes.

    Args:
        server: A fresh one: what was freed before would be used again, and not be counted.
        settings: How many connections.
        wamp: None for plain WebSocket connections; ``"common"`` for WAMP with two subscriptions
            to topics that all have, ``"own"`` where one of the two is a topic of its own.
    """
    first = max(settings.idle // 20, 1)
    clients = _idlers(server, first, 0, wamp)
    before = server.memory()
    clients += _idlers(server, settings.idle, first, wamp)
    after = server.memory()
    result: dict[str, Any] = {
        "connections": settings.idle,
        "bytes": (after - before) / settings.idle,
        "process": after,
    }
    if wamp is not None:
        result |= _broadcastToAll(server, clients)
    for client in clients:
        client.close()
    return result


def _idlers(server: Server, count: int, first: int, wamp: str | None) -> list[Client]:
    if wamp is None:
        return connect(server.port, count, canned=server.peer.canned)
    clients = wampConnect(server.port, count)
    other = "http://example.com/weather"
    own = wamp == "own"
    subscribe(
        clients, lambda at: [TOPIC, f"http://example.com/user/{first + at}" if own else other]
    )
    return clients


def _broadcastToAll(server: Server, clients: list[Client]) -> dict[str, float]:
    """In seconds: of the server's CPU for a delivery, and until the last of them has heard it.

    Every one must hear every event, or this does not return.
    """
    events = wire.text(32, 0), wire.text(32, 1)
    load = Broadcast(clients, [(say([7, TOPIC, event]), [_event(event)]) for event in events])
    load.run(0.0)
    before = server.usage()
    sample = load.run(0.2)
    spent = server.usage().cpu - before.cpu
    load.poller.close()
    times = sorted(sample.latencies)
    return {"broadcast": spent / sample.messages, "heard": _percentile(times, 0.5)}


def closing(server: Server, settings: Settings, topics: int) -> dict[str, Any]:
    """What closing a connection takes that has two subscriptions, in seconds of the server's CPU.

    Args:
        server: A fresh one.
        settings: How many connections are closed.
        topics: How many topics others have subscribed to.
    """
    others = wampConnect(server.port, 20) if topics else []
    each = topics // 20
    subscribe(others, lambda at: [f"http://example.com/{at}/{i}" for i in range(each)])
    # Once for the sake of what is done once.
    for _ in range(2):
        clients = wampConnect(server.port, settings.subscribers)
        subscribe(clients, lambda at: [TOPIC, f"http://example.com/user/{at}"])
        before = server.settled()
        sayGoodbye(clients)
        spent = server.settled().cpu - before.cpu
    for client in others:
        client.close()
    return {"topics": topics, "connections": len(clients), "cpu": spent / len(clients)}


def wampConnect(port: int, count: int) -> list[Client]:
    """Clients of WAMP 1 that have had their welcome."""
    clients = connect(port, count, "wamp")
    for client in clients:
        welcome = json.loads(client.message())
        if welcome[0] != 0 or welcome[2] != 1:
            raise LoadError(f"a WAMP client was welcomed with {welcome}")
    return clients


def wamp2Connect(port: int, count: int) -> list[Client]:
    """Clients of WAMP 2, in JSON, that have had their welcome."""
    clients = connect(port, count, "wamp.2.json")
    roles = {role: {} for role in ("caller", "publisher", "subscriber")}
    for client in clients:
        client.sendAll(say([1, REALM, {"roles": roles}]))
    for client in clients:
        _expect(client, 2)
    return clients


def subscribe2(clients: Sequence[Client]) -> None:
    """Subscribe clients of WAMP 2 to the topic; returns when the server has done it."""
    for client in clients:
        client.sendAll(say([32, 1, {}, TOPIC]))
    for client in clients:
        _expect(client, 33)


def _expect(client: Client, kind: int) -> list[Any]:
    answer: list[Any] = json.loads(client.message())
    if answer[0] != kind:
        raise LoadError(f"got {answer}, not a message of type {kind}")
    return answer


def subscribe(clients: Sequence[Client], topics: Callable[[int], list[str]]) -> None:
    """Subscribe each client to the topics for its number; returns when the server has done it."""
    for at, client in enumerate(clients):
        listed = topics(at)
        # What the server is to read at a time stays below what a socket holds.
        for some in range(0, len(listed), 200):
            for topic in listed[some : some + 200]:
                client.sendAll(say([5, topic]))
            call(client, PROCEDURE, "done")


def call(client: Client, procedure: str, argument: Any = None) -> Any:
    """Call a procedure, wait, and return its result."""
    client.sendAll(say([2, "id", procedure, argument]))
    answer = json.loads(client.message())
    if answer[:2] != [3, "id"]:
        raise LoadError(f"a call was answered with {answer}")
    return answer[2]


def _text(message: list[Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def say(message: list[Any]) -> bytes:
    """A message of WAMP, as a client sends it."""
    return wire.masked(wire.TEXT, _text(message))


def servable(peer: Peer, scenario: Scenario) -> bool:
    """Whether the peer has the application that the scenario is for."""
    return scenario.app in peer.apps
