"""Nodes that are processes of their own, and a Redis that is treated badly; all is counted outside.

Each node has a client of either version of WAMP. One client publishes numbers without a pause;
nobody may hear one twice, or after a later one, and who is on the publisher's node hears them all.
"""

import json
import re
import signal

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.broker.redis_server import RedisServer
from tests.integration.wire import PATIENCE, PING, PONG, frame, patient, text

PROGRAM = """
from ratchet_py.wamp import Component
class News(Component):
    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event, exclude, eligible)
"""
HELLO = [1, "realm", {"roles": {"subscriber": {}, "publisher": {}}}]
CHANNEL = "ratchet:/:news"
BACK = r"Redis at \S+ is back"


@pytest.fixture
def redisServer(freePort, tmp_path):
    server = RedisServer(freePort, tmp_path)
    server.start()
    yield server
    server.kill()


async def turn(seconds=0.0):
    from twisted.internet import reactor

    await deferLater(reactor, seconds)


async def until(isSo, during=turn):
    """Wait for what nobody announces."""
    from twisted.internet import reactor

    deadline = reactor.seconds() + PATIENCE
    while not isSo():
        assert reactor.seconds() < deadline, "waited too long"
        await during()


class Listener:
    """A client that notes what it hears."""

    def __init__(self, client, isNew):
        self.client = client
        self.heard = []
        self._isNew = isNew
        self._done = Deferred.fromCoroutine(self._listen())

    async def _listen(self):
        while self.client.lost is None:
            if (received := self.client._parse()) is None:
                self.client._waiting = Deferred()
                await self.client._waiting
                self.client._waiting = None
                continue
            if received.opcode == PING:
                self.client.send(frame(PONG, received.payload))
                continue
            message = json.loads(received.payload)
            if message[0] in (8, 36):
                self.heard.append(message[4][0] if self._isNew else message[2])

    async def stop(self):
        if self.client.lost is None:
            self.client.reset()
        await patient(self._done, "the end of a client")


class Cluster:
    """The nodes, their listeners, and who publishes."""

    def __init__(self, spawn, redisServer):
        self._spawn = spawn
        self._redis = redisServer
        self.processes = []
        self.nodes = []
        self.listeners = []
        self._all = []
        self._publisher = None
        self.number = 0

    async def add(self):
        """One more node, with a listener of each version."""
        command = (
            *("-c", "from twisted.scripts.twistd import run; run()"),
            *("--nodaemon", "--pidfile=", "ratchet", "--listen", "tcp:0:interface=127.0.0.1"),
            *("--route", "/=server:News", "--broker", self._redis.url),
        )
        process, node = await self._spawn(
            PROGRAM, command, r"Ratchet serves http://127.0.0.1:(\d+)/"
        )
        self.processes.append(process)
        self.nodes.append(node)
        self.listeners.append([await self.listener(node, isNew) for isNew in (False, True)])
        return process

    async def listener(self, node, isNew, *topics):
        if not isNew:
            client = await node.wamp()
            for topic in ("news", *topics):
                client.say(5, topic)
            client.say(2, "done", "anything")
            assert (await client.heard())[1] == "done"
        else:
            client = await node.open("/", Sec_WebSocket_Protocol="wamp.2.json")
            client.say(*HELLO)
            assert (await client.heard())[0] == 2
            client.say(32, 1, {}, "news")
            assert (await client.heard())[:2] == [33, 1]
        self._all.append(Listener(client, isNew))
        return self._all[-1]

    async def joined(self, count):
        """Wait until so many nodes have told Redis that they listen."""
        expected = b":%d\r\n" % count
        await until(lambda: self._redis.ask("PUBSUB", "NUMSUB", CHANNEL).endswith(expected))

    async def publisher(self):
        self._publisher = await self.nodes[0].wamp()

    async def publish(self, times=1):
        for _ in range(times):
            frames = [text(json.dumps([7, "news", self.number + i])) for i in range(20)]
            self._publisher.send(*frames)
            self.number += 20
            await turn(0.001)

    async def arrived(self, *listeners):
        """Wait until what was published last has been heard."""
        for each in listeners:
            await until(lambda each=each: each.heard and each.heard[-1] == self.number - 1)

    async def stop(self):
        for each in self._all:
            await each.stop()
        if self._publisher is not None:
            self._publisher.reset()
            await self._publisher.gone()


def check(heard, first, last):
    """Nothing twice, nothing out of order, and from ``first`` to ``last`` all of it."""
    assert heard == sorted(set(heard))
    assert heard[-(last - first) :] == list(range(first, last))


@pytest.fixture
def cluster(spawn, redisServer):
    return Cluster(spawn, redisServer)


@ensureDeferred
async def test_redis_is_paused_and_killed_under_load(cluster, redisServer):
    for _ in range(2):
        await cluster.add()
    await cluster.joined(2)
    await cluster.publisher()
    (here, there) = cluster.listeners
    await cluster.publish(20)

    # A pause, and nobody misses anything.
    redisServer.send(signal.SIGSTOP)
    await cluster.publish(50)
    await cluster.arrived(*here)
    redisServer.send(signal.SIGCONT)
    await cluster.publish(20)
    await cluster.arrived(*here, *there)
    for each in (*here, *there):
        assert each.heard == list(range(cluster.number))

    # The end: who is here misses nothing, who is there what is said until it is back.
    redisServer.kill()
    for process in cluster.processes:
        await until(lambda process=process: "is lost" in process.output, cluster.publish)
    await cluster.arrived(*here)
    redisServer.start()
    for process in cluster.processes:
        await until(lambda process=process: re.search(BACK, process.output), cluster.publish)
    begin = cluster.number
    await cluster.publish(50)
    await cluster.arrived(*here, *there)
    for each in here:
        assert each.heard == list(range(cluster.number))
    for each in there:
        check(each.heard, begin, cluster.number)
        assert len(each.heard) < cluster.number
    assert there[0].heard == there[1].heard
    for process in cluster.processes:
        assert process.output.count("is lost") == len(re.findall(BACK, process.output)) == 1
        assert "Traceback" not in process.output
    await cluster.stop()


@ensureDeferred
async def test_a_node_is_killed_under_load_and_comes_back(cluster, redisServer):
    for _ in range(3):
        await cluster.add()
    await cluster.joined(3)
    await cluster.publisher()
    await cluster.publish(20)
    cluster.processes[1].send("KILL")
    await until(lambda: cluster.processes[1].status is not None, cluster.publish)
    # Redis has noticed, too.
    await cluster.publish(20)
    await cluster.joined(2)
    await cluster.add()
    await cluster.joined(3)
    begin = cluster.number
    await cluster.publish(50)
    here, gone, there, late = cluster.listeners
    await cluster.arrived(*here, *there, *late)
    for each in (*here, *there):
        assert each.heard == list(range(cluster.number)), "the death of one was felt by another"
    for each in late:
        assert each.heard == list(range(begin, cluster.number))
    for each in gone:
        assert each.heard == list(range(len(each.heard)))
    await cluster.stop()


@ensureDeferred
async def test_clients_come_and_go_while_another_program_publishes(cluster, redisServer):
    for _ in range(2):
        await cluster.add()
    await cluster.joined(2)
    staying = [each for pair in cluster.listeners for each in pair]
    visits = []
    for _ in range(40):
        for number in range(50):
            event = cluster.number + number
            assert redisServer.ask("PUBLISH", CHANNEL, f'{{"event":{event}}}') == b":2\r\n"
        cluster.number += 50
        node = cluster.nodes[len(visits) % 2]
        visits.append(await cluster.listener(node, len(visits) % 3 == 0))
        if len(visits) > 5:
            await visits[-6].stop()
    await cluster.arrived(*staying)
    for each in staying:
        assert each.heard == list(range(cluster.number))
    for each in visits:
        assert not each.heard or each.heard == list(range(each.heard[0], each.heard[-1] + 1))
    assert sum(bool(each.heard) for each in visits) > 30
    await cluster.stop()


@ensureDeferred
async def test_ten_thousand_topics_are_subscribed_to_again(cluster, redisServer):
    process = await cluster.add()
    for half in range(2):
        topics = [f"{half} {number}" for number in range(5000)]
        await cluster.listener(cluster.nodes[0], False, *topics)

    def know():
        return b"pubsub_channels:10001\r\n" in redisServer.ask("INFO", "stats")

    await until(know)
    redisServer.kill()
    await process.said("is lost")
    redisServer.start()
    await process.said(BACK)
    assert know(), "back is said when all subscriptions are"
    assert redisServer.ask("PUBLISH", "ratchet:/:1 4999", '{"event":1}') == b":1\r\n"
    await cluster.stop()
