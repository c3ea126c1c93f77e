"""Several Apps over one Redis, with real clients of both versions of WAMP on each."""

import signal

import pytest
import pytest_twisted
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from ratchet_py import Limits
from ratchet_py.push import PushClient, PushCredentials, PushResource
from tests.broker.redis_server import OverRedis, RedisServer
from tests.integration.conftest import PubSub
from tests.integration.wire import patient

HELLO = [1, "realm", {"roles": {"subscriber": {}, "publisher": {}}}]


@pytest.fixture
def redisServer(freePort, tmp_path):
    server = RedisServer(freePort, tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def engine(redisServer):
    engine = OverRedis(redisServer)
    yield engine
    pytest_twisted.blockon(Deferred.fromCoroutine(engine.close()))


async def aTurn():
    from twisted.internet import reactor

    await deferLater(reactor, 0)


class Cluster:
    """Two Apps that share a Redis."""

    def __init__(self, engine, serve):
        self._engine = engine
        self._serve = serve
        self.brokers = []
        self.nodes = []
        self.applications = []

    async def add(self, **options):
        broker = self._engine.connect(**options)
        application = PubSub()
        served = await self._serve({"/": application, "/other": PubSub()}, broker=broker)
        self.brokers.append(broker)
        self.nodes.append(served)
        self.applications.append(application)
        return served

    async def subscriber(self, number, *topics, path="/"):
        """A client of version 1 of one node, whose subscriptions Redis knows."""
        client = await self.nodes[number].wamp(path)
        for topic in topics:
            client.say(5, topic)
        # What is answered comes after what was asked before.
        client.say(2, "done", "anything")
        assert (await client.heard())[1] == "done"
        await self._engine.settle()
        return client

    async def subscriber2(self, number, topic):
        """One of version 2."""
        client = await self.nodes[number].open("/", Sec_WebSocket_Protocol="wamp.2.json")
        client.say(*HELLO)
        assert (await client.heard())[0] == 2
        client.say(32, 1, {}, topic)
        assert (await client.heard())[:2] == [33, 1]
        await self._engine.settle()
        return client

    async def settle(self):
        await self._engine.settle()


@pytest.fixture
def cluster(engine, serve):
    cluster = Cluster(engine, serve)
    pytest_twisted.blockon(Deferred.fromCoroutine(_two(cluster)))
    return cluster


async def _two(cluster):
    for _ in range(2):
        await cluster.add()


@ensureDeferred
async def test_a_broadcast_reaches_the_subscribers_of_both(cluster):
    clients = [await cluster.subscriber(number, "news") for number in (0, 0, 1, 1)]
    other = await cluster.subscriber(1, "news", path="/other")
    clients[0].say(7, "news", {"title": "rain"})
    for client in clients:
        assert await client.heard() == [8, "news", {"title": "rain"}]
    await cluster.settle()
    other.say(2, "id", "anything")
    assert (await other.heard())[1] == "id"


@ensureDeferred
async def test_routes_of_one_path_for_two_hosts_are_apart(engine, serve):
    served = await serve({}, broker=engine.connect())
    # The one that was added first is asked first, and is for one host alone.
    clients = []
    for host in ("a.example.com", "b.example.com"):
        served.app.route("/", PubSub(), ["*"], httpHost=host)
        clients.append(await served.open("/", Host=host, Sec_WebSocket_Protocol="wamp"))
    for client in clients:
        await client.heard()
        client.say(5, "news")
    for number, client in enumerate(clients):
        client.say(7, "news", number)
        assert await client.heard() == [8, "news", number]
    await engine.settle()


@ensureDeferred
async def test_exclude_and_eligible_hold_on_every_node(cluster):
    here, there, third = [await cluster.subscriber(number, "news") for number in (0, 1, 1)]
    here.say(7, "news", "not for there", [there.id])
    here.say(7, "news", "for there and third", [], [there.id, third.id])
    here.say(7, "news", "for there", [third.id], [there.id, third.id])
    here.say(7, "news", "not for me", True)
    here.say(7, "news", "for all")
    expected = {
        here: ["not for there", "for all"],
        there: ["for there and third", "for there", "not for me", "for all"],
        third: ["not for there", "for there and third", "not for me", "for all"],
    }
    for client, events in expected.items():
        for event in events:
            assert await client.heard() == [8, "news", event]


@ensureDeferred
async def test_clients_of_both_versions_on_both(cluster):
    old = [await cluster.subscriber(number, "news") for number in (0, 1)]
    new = [await cluster.subscriber2(number, "news") for number in (0, 1)]
    old[0].say(7, "news", [1.0, None])
    ids = set()
    for client in new:
        kind, _, id, _, args = await client.heard()
        assert (kind, args) == (36, [[1.0, None]])
        ids.add(id)
    assert len(ids) == 1, "one publication has one id"
    # More than one value: those of version 1 get an object, those of version 2 what was said.
    new[1].say(16, 2, {"exclude_me": False}, "news", [1, 2], {"unit": "C"})
    for client in new:
        assert (await client.heard())[4:] == [[1, 2], {"unit": "C"}]
    for client in old:
        assert await client.heard() == [8, "news", [1.0, None]]
        assert await client.heard() == [8, "news", {"args": [1, 2], "kwargs": {"unit": "C"}}]


@ensureDeferred
async def test_the_order_of_a_publisher_is_kept(cluster):
    listeners = [await cluster.subscriber(number, "news") for number in (0, 1)]
    publishers = [await cluster.subscriber(number) for number in (0, 1)]
    for number in range(300):
        for sender, publisher in enumerate(publishers):
            publisher.say(7, "news", [sender, number])
    for listener in listeners:
        events = [(await listener.heard())[2] for _ in range(600)]
        for sender in range(2):
            assert [event[1] for event in events if event[0] == sender] == list(range(300))


@ensureDeferred
async def test_only_topics_with_subscribers_are_asked_for(cluster, redisServer):
    client = await cluster.subscriber(0, "a", "b")
    client.say(6, "a")
    client.say(2, "done", "anything")
    await client.heard()
    await cluster.settle()
    known = redisServer.ask("PUBSUB", "CHANNELS", "ratchet:*")
    assert b"ratchet:/:b" in known
    assert b"ratchet:/:a\r" not in known
    client.reset()
    await client.gone()
    await cluster.applications[0].until("close")
    await cluster.settle()
    assert redisServer.ask("PUBSUB", "CHANNELS", "ratchet:/:b") == b"*0\r\n"


@ensureDeferred
async def test_a_program_elsewhere_pushes_to_every_client(cluster, redisServer):
    clients = [await cluster.subscriber(number, "news") for number in (0, 1)]
    told = redisServer.ask("PUBLISH", "ratchet:/:news", '{"event":{"title":"It works"}}')
    assert told == b":2\r\n"
    for client in clients:
        assert await client.heard() == [8, "news", {"title": "It works"}]


@ensureDeferred
async def test_what_is_pushed_to_one_reaches_both(cluster, redisServer):
    one = cluster.nodes[0].app
    path = {"path": "/"}
    # Two, as what is to be confirmed must have its time, and what cannot be need have none.
    one.route("/publish", PushResource(one, PushCredentials("token")))
    one.route("/soon", PushResource(one, PushCredentials("token"), Limits(pushTimeout=0.05)))
    url = f"http://localhost:{cluster.nodes[0].port}"
    with (
        PushClient(f"{url}/publish", "token") as client,
        PushClient(f"{url}/soon", "token") as soon,
    ):
        assert await deferToThread(client.push, "news", "nobody", **path) == (0, True)
        clients = [await cluster.subscriber(0, "news"), await cluster.subscriber2(1, "news")]
        assert await deferToThread(client.push, "news", "both", **path) == (2, True)
        assert (await clients[0].heard())[2] == "both"
        assert (await clients[1].heard())[4] == ["both"]
        redisServer.send(signal.SIGSTOP)
        events = [{"topic": topic, "event": "here"} | path for topic in ("news", "nobody")]
        assert await deferToThread(soon.pushAll, events) == ([1, 0], False)
        assert (await clients[0].heard())[2] == "here"
        redisServer.send(signal.SIGCONT)
        assert (await clients[1].heard())[4] == ["here"]
        await cluster.settle()
        assert await deferToThread(client.push, "news", "both", **path) == (2, True)


@ensureDeferred
async def test_clients_notice_nothing_of_redis_but_what_is_missing(engine, serve, redisServer):
    cluster = Cluster(engine, serve)
    lost, back = [Deferred(), Deferred()], [Deferred(), Deferred()]
    for number in range(2):
        await cluster.add(
            onEngineLost=lost[number].callback,
            onEngineBack=lambda number=number: back[number].callback(None),
        )
    here, there = [await cluster.subscriber(number, "news") for number in (0, 1)]
    redisServer.kill()
    for deferred in lost:
        await patient(deferred, "the loss")
    for client in here, there:
        client.say(7, "news", "only here")
        assert await client.heard() == [8, "news", "only here"]
    redisServer.start()
    for deferred in back:
        await patient(deferred, "the return")
    here.say(7, "news", "everywhere")
    for client in here, there:
        assert await client.heard() == [8, "news", "everywhere"]


@ensureDeferred
async def test_two_processes_of_the_command(spawn, redisServer):
    program = """
from ratchet_py.wamp import Component
class News(Component):
    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event, exclude, eligible)
"""
    command = (
        *("-c", "from twisted.scripts.twistd import run; run()"),
        *("--nodaemon", "--pidfile=", "ratchet", "--listen", "tcp:0:interface=127.0.0.1"),
        *("--route", "/=server:News", "--broker", redisServer.url),
    )
    spawned = [
        await spawn(program, command, r"Ratchet serves http://127.0.0.1:(\d+)/") for _ in range(2)
    ]
    here, there = clients = [await remote.wamp() for _, remote in spawned]
    for client in clients:
        client.say(5, "news")
    # Until Redis knows of both it is asked again: nobody says when.
    while (told := redisServer.ask("PUBLISH", "ratchet:/:news", '{"event":"?"}')) != b":2\r\n":
        assert told in (b":0\r\n", b":1\r\n")
        await aTurn()
    here.say(7, "news", "rain")
    for client in here, there:
        while (event := (await client.heard())[2]) == "?":
            pass
        assert event == "rain"
    for client in clients:
        client.reset()
        await client.gone()
    for process, _ in spawned:
        process.send("TERM")
        await process.end()
        assert "is lost" not in process.output
