"""What RedisBroker does beyond the contract, against a real Redis."""

import re
import signal
import socket
from pathlib import Path

import pytest
import pytest_twisted
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from ratchet_py.broker import Publication, Reach, RedisBroker
from ratchet_py.errors import LocalError
from ratchet_py.wamp import Payload
from tests.broker.redis_server import OverRedis, RedisServer
from tests.integration.wire import PATIENCE, patient

ROOT = Path(__file__).parent.parent.parent


class Node:
    """A process with a broker: what it has received, and what it was told of Redis."""

    def __init__(self, engine, *topics, **options):
        self.states = []
        self._waiting = []
        self.broker = engine.connect(
            onEngineLost=lambda reason: self._note("lost", reason),
            onEngineBack=lambda: self._note("back"),
            **options,
        )
        self.publications = []
        self.broker.setReceiver(lambda *args: self.publications.append(args))
        for topic in topics:
            self.broker.subscribe(topic)

    @property
    def events(self):
        return [publication.event for _, publication in self.publications]

    def publish(self, topic, event, **rest):
        self.broker.publish(topic, Publication(event, **rest))

    async def told(self, states):
        while [state for state, *_ in self.states] != states:
            self._waiting.append(Deferred())
            await patient(self._waiting[-1], f"{states}; there were {self.states}")

    def _note(self, *state):
        self.states.append(state)
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)


@pytest.fixture
def engine(redisServer):
    engine = OverRedis(redisServer)
    yield engine
    pytest_twisted.blockon(Deferred.fromCoroutine(engine.close()))


async def turn(seconds=0):
    from twisted.internet import reactor

    await deferLater(reactor, seconds)


async def until(isSo, during=turn):
    """Wait for what nobody announces."""
    from twisted.internet import reactor

    deadline = reactor.seconds() + PATIENCE
    while not isSo():
        assert reactor.seconds() < deadline, "waited too long"
        await during()


@ensureDeferred
async def test_every_node_gets_what_one_publishes(engine):
    nodes = [Node(engine, "news") for _ in range(3)]
    await engine.settle()
    nodes[0].publish("news", "rain", exclude=["a"], eligible=["b", "c"])
    assert nodes[0].events == ["rain"]
    await engine.settle()
    received = [node.publications for node in nodes]
    assert received[0] == received[1] == received[2]
    assert len({publications[0][1].id for publications in received}) == 1
    publication = received[1][0][1]
    assert publication.id > 0
    assert (publication.exclude, publication.eligible) == (["a"], ["b", "c"])


@ensureDeferred
async def test_an_id_that_there_is_already_is_kept(engine):
    here, there = Node(engine), Node(engine, "news")
    await engine.settle()
    here.broker.publish("news", Publication("rain", id=47))
    await engine.settle()
    assert [publication.id for _, publication in there.publications] == [47]


@pytest.mark.parametrize(
    "event",
    [Payload([21.5], {"unit": "C"}), Payload(), b"\x00\xff", {"a": [b"bytes", 2**70, 1.0]}, None],
    ids=repr,
)
@ensureDeferred
async def test_every_kind_of_event_arrives_as_it_was(engine, event):
    here, there = Node(engine), Node(engine, "news")
    await engine.settle()
    here.publish("news", event)
    await engine.settle()
    assert there.events == [event]
    assert type(there.events[0]) is type(event)


@ensureDeferred
async def test_what_has_no_form_reaches_nobody(engine):
    here, there = Node(engine, "news"), Node(engine, "news")
    await engine.settle()
    with pytest.raises(LocalError, match="JSON"):
        here.publish("news", float("nan"))
    await engine.settle()
    assert here.events == there.events == []


@ensureDeferred
async def test_the_order_of_each_publisher_is_kept_in_a_burst(engine):
    nodes = [Node(engine, "a", "b") for _ in range(2)]
    await engine.settle()
    for number in range(5000):
        for sender, node in enumerate(nodes):
            node.publish("ab"[number % 2], [sender, number])
    await engine.settle()
    for node in nodes:
        for sender in range(2):
            for topic in "ab":
                events = [p.event for name, p in node.publications if name == topic]
                numbers = [number for who, number in events if who == sender]
                assert numbers == list(range("ab".index(topic), 5000, 2))
    assert nodes[0].broker.tally.published == 5000
    # The marks of the tests, too.
    assert nodes[0].broker.tally.received >= 5000
    assert nodes[0].broker.tally.lost == 0


@ensureDeferred
async def test_redis_knows_only_what_somebody_here_wants(engine, redisServer):
    node = Node(engine, "kept", "left")
    for number in range(3000):
        node.broker.subscribe(f"many {number}")
    await engine.settle()
    for number in range(3000):
        node.broker.unsubscribe(f"many {number}")
    node.broker.unsubscribe("left")
    # Changes that undo each other before Redis has answered.
    node.broker.unsubscribe("kept")
    node.broker.subscribe("kept")
    node.broker.subscribe("gone at once")
    node.broker.unsubscribe("gone at once")
    await engine.settle()
    assert redisServer.ask("PUBSUB", "CHANNELS", "ratchet::*") == b"*1\r\n$13\r\nratchet::kept\r\n"


@ensureDeferred
async def test_any_program_may_publish(engine, redisServer):
    broker = engine.connect(prefix="shop").scoped("/pub sub:1")
    received = []
    broker.setReceiver(lambda *args: received.append(args))
    broker.subscribe("price:of:tea")
    await engine.settle()
    message = '{"event": {"€": 3}, "exclude": ["x"], "sent": "by PHP"}'
    told = redisServer.ask("PUBLISH", "shop:/pub%20sub%3A1:price:of:tea", message)
    assert told == b":1\r\n"
    await engine.settle()
    assert received == [("price:of:tea", Publication({"€": 3}, ["x"], []))]


@ensureDeferred
async def test_what_is_no_publication_is_dropped_and_counted(engine, redisServer, logged):
    node = Node(engine, "news")
    await engine.settle()
    for message in "", "[]", b"\xff", "{}", '{"event":1,"exclude":"a"}', '{"event":1,"id":"a"}':
        redisServer.ask("PUBLISH", "ratchet::news", message)
    redisServer.ask("PUBLISH", "ratchet::news", '{"event":"good"}')
    await engine.settle()
    assert node.events == ["good"]
    assert node.broker.tally.malformed == 6
    assert len(logged) == 1
    assert "cannot be delivered" in logged[0]


@ensureDeferred
async def test_a_receiver_that_fails_takes_nothing_else_with_it(
    engine, redisServer, loggedFailures
):
    broker = engine.connect()
    received = []

    def receive(topic, publication):
        received.append(publication.event)
        raise RuntimeError("the receiver")

    broker.setReceiver(receive)
    broker.subscribe("news")
    await engine.settle()
    for number in range(2):
        redisServer.ask("PUBLISH", "ratchet::news", f'{{"event":{number}}}')
    await engine.settle()
    assert received == [0, 1]
    assert len(loggedFailures.flush(RuntimeError)) == 2


@ensureDeferred
async def test_what_a_client_cannot_be_told_is_counted_too(engine, redisServer, logged):
    broker = engine.connect()

    def receive(topic, publication):
        raise LocalError("has no form in msgpack")

    broker.setReceiver(receive)
    broker.subscribe("news")
    await engine.settle()
    for _ in range(3):
        redisServer.ask("PUBLISH", "ratchet::news", f'{{"event":{2**70}}}')
    await engine.settle()
    assert broker.tally.malformed == 3
    assert len(logged) == 1


@ensureDeferred
async def test_what_is_published_at_the_start_is_sent_when_redis_is_there(engine):
    there = Node(engine, "news")
    await engine.settle()
    here = Node(engine)
    here.publish("news", "first")
    await engine.settle()
    assert there.events == ["first"]


@ensureDeferred
async def test_redis_is_killed_under_load_and_comes_back(engine, redisServer, logged):
    nodes = [Node(engine, "news") for _ in range(2)]
    here, there = nodes
    await engine.settle()
    number = 0

    async def publish(times):
        nonlocal number
        for _ in range(times):
            for _ in range(50):
                here.publish("news", number)
                number += 1
            await turn()

    await publish(20)
    redisServer.kill()
    await publish(20)
    for node in nodes:
        await node.told(["lost"])
    await publish(20)
    redisServer.start()
    for node in nodes:
        await node.told(["lost", "back"])
    begin = number
    await publish(20)
    await engine.settle()

    assert here.events == list(range(number)), "those who are here have missed something"
    assert there.events == sorted(set(there.events)), "out of order, or twice"
    assert there.events[-(number - begin) :] == list(range(begin, number))
    tally = here.broker.tally
    assert tally.lost >= number - len(there.events) > 0
    assert tally.lost + tally.published == number
    assert (tally.outages, there.broker.tally.outages) == (1, 1)
    assert len(logged) == 2, logged
    assert all("is lost" in line for line in logged)


@ensureDeferred
async def test_redis_is_paused_and_counts_as_lost(engine, redisServer):
    # So long no Redis is silent that only has to wait for its turn.
    here, there = Node(engine, "news", timeout=2.0), Node(engine, "news", timeout=2.0)
    await engine.settle()
    redisServer.send(signal.SIGSTOP)
    here.publish("news", "while it sleeps")
    for node in here, there:
        await node.told(["lost"])
    assert "silent" in str(here.states[0][1])
    here.publish("news", "while it is lost")
    redisServer.send(signal.SIGCONT)
    for node in here, there:
        await node.told(["lost", "back"])
    here.publish("news", "afterwards")
    await engine.settle()
    assert here.events == ["while it sleeps", "while it is lost", "afterwards"]
    assert there.events[-1] == "afterwards"
    assert here.broker.tally.lost == 2


@ensureDeferred
async def test_a_redis_that_is_far_behind_is_sent_no_more(engine, redisServer):
    node = Node(engine, "news", buffer=10_000)
    await engine.settle()
    redisServer.send(signal.SIGSTOP)
    for _ in range(100):
        node.publish("news", "x" * 1000)
    tally = node.broker.tally
    assert len(node.events) == 100
    assert tally.lost > 90
    redisServer.send(signal.SIGCONT)
    await engine.settle()
    assert tally.lost + tally.published == 100
    node.publish("news", "again")
    await engine.settle()
    assert tally.published == 101 - tally.lost


@ensureDeferred
async def test_how_many_processes_have_been_told(engine):
    nodes = [Node(engine, "news"), Node(engine, "news", "sport"), Node(engine)]
    await engine.settle()
    for node in nodes:
        assert await node.broker.publishConfirmed("news", Publication(1)) == Reach(2)
    assert await nodes[0].broker.publishConfirmed("sport", Publication(2)) == Reach(1)
    # Who has subscribed only just now was told, too, whether Redis knows of it or not.
    nodes[2].broker.subscribe("late")
    assert await nodes[2].broker.publishConfirmed("late", Publication(3)) == Reach(1)
    assert [node.broker.tally.published for node in nodes] == [2, 1, 2]


@ensureDeferred
async def test_who_waits_to_hear_whom_it_has_reached_hears_of_the_loss(engine, redisServer):
    here, there = Node(engine, "news"), Node(engine)
    await engine.settle()
    redisServer.send(signal.SIGSTOP)
    waiting = [
        each.broker.publishConfirmed("news", Publication("in doubt")) for each in (here, there)
    ]
    closing = there.broker.publishConfirmed("news", Publication("in doubt"))
    redisServer.kill()
    await here.told(["lost"])
    await there.told(["lost"])
    assert await waiting[0] == Reach(1, isConfirmed=False)
    assert await waiting[1] == Reach(0, isConfirmed=False)
    assert await closing == Reach(0, isConfirmed=False)
    for node, nodes in (here, 1), (there, 0):
        lost = node.broker.publishConfirmed("news", Publication("lost"))
        assert await lost == Reach(nodes, isConfirmed=False)
    redisServer.start()
    await engine.settle()
    assert await there.broker.publishConfirmed("news", Publication("back")) == Reach(1)


@ensureDeferred
async def test_nobody_waits_for_a_broker_that_is_closed(engine, redisServer):
    node = Node(engine)
    await engine.settle()
    redisServer.send(signal.SIGSTOP)
    waiting = node.broker.publishConfirmed("news", Publication("in doubt"))
    await node.broker.close()
    assert await waiting == Reach(0, isConfirmed=False)
    redisServer.send(signal.SIGCONT)


@ensureDeferred
async def test_a_giant_from_outside(engine, redisServer):
    node, other = Node(engine, "news"), Node(engine, "sport")
    await engine.settle()
    redisServer.ask("PUBLISH", "ratchet::news", '{"event":"' + "x" * 20_000_000 + '"}')
    await engine.settle()
    assert len(node.events[0]) == 20_000_000
    # More than Redis keeps for a subscriber who reads slowly: it drops the node, which comes back.
    redisServer.ask("PUBLISH", "ratchet::news", '{"event":"' + "x" * 40_000_000 + '"}')
    await node.told(["lost", "back"])
    redisServer.ask("PUBLISH", "ratchet::news", '{"event":"small"}')
    await engine.settle()
    assert node.events[-1] == "small"
    assert other.states == []


@ensureDeferred
async def test_a_redis_that_is_not_there_yet(freePort, tmp_path, logged):
    server = RedisServer(freePort, tmp_path)
    engine = OverRedis(server)
    node = Node(engine, "news")
    node.publish("news", "early")
    await node.told(["lost"])
    node.publish("news", "late")
    try:
        server.start()
        await node.told(["lost", "back"])
        await engine.settle()
        assert node.events == ["early", "late"]
        assert node.broker.tally.lost == 2
        assert len(logged) == 1
        server.ask("PUBLISH", "ratchet::news", '{"event":"now"}')
        await engine.settle()
        assert node.events[-1] == "now"
    finally:
        await engine.close()
        server.kill()


@ensureDeferred
async def test_it_can_be_closed_where_there_is_no_redis(freePort):
    from twisted.internet import reactor

    broker = RedisBroker(f"redis://127.0.0.1:{freePort}", reactor=reactor)
    await patient(broker.close(), "what was never used")
    broker.subscribe("news")
    settled = broker.settled()
    await patient(broker.close(), "what is connecting")
    await patient(settled, "what waits")
    await patient(broker.close(), "what is closed")
    broker.publish("news", Publication("rain"))
    assert broker.tally.lost == 1


@ensureDeferred
async def test_a_hook_that_fails_is_logged(engine, redisServer, loggedFailures):
    def onEngineLost(reason):
        raise RuntimeError("the hook")

    broker = engine.connect(onEngineLost=onEngineLost)
    await engine.settle()
    node = Node(engine, "news")
    await engine.settle()
    redisServer.kill()
    await node.told(["lost"])
    redisServer.start()
    await node.told(["lost", "back"])
    await engine.settle()
    assert broker.tally.outages == 1
    assert len(loggedFailures.flush(RuntimeError)) == 1


@ensureDeferred
async def test_passwords_and_users(freePort, tmp_path, logged):
    server = RedisServer(freePort, tmp_path, "--requirepass", "p@ss word")
    server.start()
    engine = OverRedis(server)
    address = f"127.0.0.1:{freePort}"
    try:
        good = f"redis://:p%40ss%20word@{address}/3"
        node = Node(engine, "news", url=good)
        other = Node(engine, url=good)
        for each in node, other:
            await patient(each.broker.settled(), "to be let in")
        other.publish("news", "rain")
        await patient(other.broker.settled(), "what is published")
        while not node.events:
            await turn()
        assert node.broker.prefix == "ratchet3"
        for bad in f"redis://{address}", f"redis://:wrong@{address}", f"redis://u:x@{address}":
            refused = Node(engine, url=bad)
            await refused.told(["lost"])
        assert len(logged) == 3
        assert not any("wrong" in line for line in logged)
    finally:
        await engine.close()
        server.kill()


@ensureDeferred
async def test_who_may_not_publish_still_receives(engine, redisServer, logged):
    redisServer.ask("ACL", "SETUSER", "reader", "on", ">r", "&*", "+@all", "-publish")
    reader = Node(engine, "news", url=redisServer.url.replace("//", "//reader:r@"))
    writer = Node(engine)
    await engine.settle()
    for number in range(3):
        reader.publish("news", number)
    writer.publish("news", "heard")
    await engine.settle()
    assert reader.events == [0, 1, 2, "heard"]
    assert reader.broker.tally.lost == 3
    assert reader.states == []
    assert len(logged) == 1
    assert "refuses" in logged[0]


@ensureDeferred
async def test_who_may_not_subscribe_is_told(engine, redisServer, logged):
    redisServer.ask("ACL", "SETUSER", "writer", "on", ">w", "resetchannels", "+@all")
    node = Node(engine, "news", url=redisServer.url.replace("//", "//writer:w@"))
    await node.told(["lost"])
    assert "perm" in str(node.states[0][1]).lower()
    assert len(logged) == 1


@ensureDeferred
async def test_the_rights_that_the_documentation_gives_are_enough(engine, redisServer):
    page = (ROOT / "docs" / "howto" / "scale.rst").read_text(encoding="utf-8")
    rights = dict(re.findall(r"ACL SETUSER (\w+) (.*)", page))
    for user in "pusher", "ratchet":
        assert redisServer.ask("ACL", "SETUSER", user, *rights[user].split()) == b"+OK\r\n"
    url = redisServer.url.replace("//", "//ratchet:secret@") + "?db=1"
    here, there = [Node(engine, "news", url=url, prefix="ratchet") for _ in range(2)]
    await engine.settle()
    here.publish("news", "rain")
    await engine.settle()
    assert there.events == ["rain"]
    with socket.create_connection(("127.0.0.1", redisServer.port)) as pusher:
        pusher.sendall(b"AUTH pusher secret\r\n")
        assert pusher.recv(100) == b"+OK\r\n"
        pusher.sendall(b"""PUBLISH ratchet::news '{"event":"pushed"}'\r\n""")
        pusher.recv(100)
        pusher.sendall(b"SUBSCRIBE ratchet::news\r\n")
        assert pusher.recv(100).startswith(b"-NOPERM")


@ensureDeferred
async def test_over_a_unix_socket(freePort, tmp_path):
    server = RedisServer(freePort, tmp_path, "--unixsocket", str(tmp_path / "redis.sock"))
    server.start()
    engine = OverRedis(server, url=f"unix://{tmp_path}/redis.sock")
    try:
        here, there = Node(engine), Node(engine, "news")
        await engine.settle()
        here.publish("news", "rain")
        await engine.settle()
        assert there.events == ["rain"]
    finally:
        await engine.close()
        server.kill()


@ensureDeferred
async def test_over_tls(freePort, tmp_path, certificate):
    server = RedisServer(
        freePort,
        tmp_path,
        *("--port", "0", "--tls-port", str(freePort), "--tls-auth-clients", "no"),
        *("--tls-cert-file", str(certificate), "--tls-key-file", str(certificate)),
    )
    server.start()
    url = f"rediss://127.0.0.1:{freePort}"
    engine = OverRedis(server, url=f"{url}?ssl_ca_certs={certificate}")
    try:
        here, there = Node(engine), Node(engine, "news")
        for node in here, there:
            await patient(node.broker.settled(), "TLS")
        here.publish("news", "rain")
        while not there.events:
            await turn()
        assert there.events == ["rain"]
        stranger = Node(engine, url=url)
        await stranger.told(["lost"])
        assert "certificate" in str(stranger.states[0][1])
    finally:
        await engine.close()
        server.kill()


def test_serves_one_receiver():
    class Reactor:
        def callWhenRunning(self, call):
            pass

        nameResolver = None

    broker = RedisBroker("unix:///nowhere", reactor=Reactor())
    broker.setReceiver(print)
    with pytest.raises(LocalError, match="a broker of its own"):
        broker.setReceiver(print)
    broker.unsubscribe("never subscribed to")
    broker.scoped("/a").setReceiver(print)
    with pytest.raises(LocalError, match="a broker of its own"):
        broker.scoped("/a").setReceiver(print)


@ensureDeferred
async def test_each_process_that_has_forked_has_a_name_of_its_own(engine, monkeypatch):
    from twisted.internet import reactor

    started = []

    class Later:
        """The reactor, which begins to run only in the child."""

        def __getattr__(self, name):
            return getattr(reactor, name)

        def callWhenRunning(self, call):
            started.append(call)

    nodes = [Node(engine, "news", reactor=Later()) for _ in range(2)]
    before = [node.broker.engine().node for node in nodes]
    monkeypatch.setattr("os.getpid", lambda: 0)
    for call in started:
        call()
    after = [node.broker.engine().node for node in nodes]
    assert len({*before, *after}) == 4
    await engine.settle()
    nodes[0].publish("news", "rain")
    await engine.settle()
    assert [node.events for node in nodes] == [["rain"], ["rain"]]


@pytest.mark.parametrize("prefix", ["", "a:b"])
def test_a_prefix_that_could_be_mistaken_is_refused(prefix):
    with pytest.raises(LocalError, match="prefix"):
        RedisBroker(prefix=prefix)


def test_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr("ratchet_py.broker.redis.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"ratchet_py\[redis\]"):
        RedisBroker()
