"""Clients as the network makes them: many, slow, in pieces, gone."""

from __future__ import annotations

import socket
import struct

import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ConnectError

from ratchet_py.limits import Limits
from tests.integration.conftest import Echo, PubSub
from tests.integration.wire import CONTINUATION, PING, PONG, TEXT, frame, request, text


@pytest_twisted.ensureDeferred
async def test_small_messages_are_not_held_back(serve, echo):
    served = await serve(echo)
    client = await served.open()
    (connection,) = served.app.server.connections
    assert connection._transport.getTcpNoDelay()
    client.send(text("a"))
    assert await client.next() == "a"


@pytest_twisted.ensureDeferred
async def test_two_small_messages_in_two_turns(serve):
    """The second one must not wait until the client's kernel has acknowledged the first."""

    class Twice(Echo):
        def onMessage(self, conn, msg):
            conn.send("one")
            conn.reactor.callLater(0, conn.send, "two")

    served = await serve(Twice())
    client = await served.open()
    client.send(text("a"))
    assert [await client.next(), await client.next()] == ["one", "two"]


@pytest_twisted.ensureDeferred
async def test_a_thousand_clients_at_once(serve, pubsub):
    served = await serve(pubsub)
    handshake = request(Sec_WebSocket_Protocol="wamp")
    wire = handshake + text('[5,"t"]')
    clients = await gatherResults(
        [Deferred.fromCoroutine(served.client(wire)) for _ in range(1000)]
    )
    for client in clients:
        assert (await client.response()).status == 101
        assert (await client.heard())[0] == 0
    await pubsub.until(("subscribe", "t"), times=1000)
    assert len(served.app.topic("/", "t")) == 1000
    clients[0].say(7, "t", "to all")
    for client in clients:
        assert await client.heard() == [8, "t", "to all"]
    for client in clients[1:]:
        client.reset()
    await pubsub.until("close", times=999)
    assert len(served.app.topic("/", "t")) == 1
    clients[0].say(7, "t", "to one")
    assert await clients[0].heard() == [8, "t", "to one"]


FULL = """
from twisted.internet import reactor
from ratchet_py import App
from ratchet_py.server import EchoServer

app = App("localhost", 0)
app.route("/", EchoServer())
reactor.callWhenRunning(lambda: print("port", app.server.ports[0].getHost().port, flush=True))
app.run()
"""


async def _isDropped(remote):
    try:
        client = await remote.client()
    except ConnectError:
        return  # before it had seen that it was connected
    await client.gone()


@pytest_twisted.ensureDeferred
async def test_when_it_is_full_who_comes_is_told(spawn):
    """The soft limit does not count: it is raised. The hard one leaves room for a hundred."""
    process, remote = await spawn(FULL, shell="ulimit -Sn 100; ulimit -Hn 200")
    clients = [await remote.open() for _ in range(100)]
    for _ in range(20):
        late = await remote.client(request())
        assert (await late.response()).status == 503
        await late.end()
    for client in clients:
        client.send(text("still served"))
        assert await client.next() == "still served"
    clients[0].reset()
    clients[1].send(text("and the server has noticed"))
    await clients[1].next()
    assert await remote.open()
    # Far more than there are descriptors: who cannot even be refused is dropped.
    await gatherResults([Deferred.fromCoroutine(_isDropped(remote)) for _ in range(300)])
    clients[1].send(text("still served"))
    assert await clients[1].next() == "still served"
    assert process.output.count("\n") == 1, process.output


@pytest_twisted.ensureDeferred
async def test_a_client_that_sends_a_byte_at_a_time(serve, pubsub, bystander):
    served = await serve(pubsub)
    other = await bystander(served)
    client = await served.client()
    reading = client.transport.writeSomeData
    wire = request(Sec_WebSocket_Protocol="wamp") + text('[5,"t"]')
    wire += frame(TEXT, b'[7,"t",', fin=False) + frame(PING, b"between")
    wire += frame(CONTINUATION, '"grüße"]'.encode()) + text('[2,"id","p"]')
    for index in range(len(wire)):
        # Straight to the socket, which sends each at once: the server reads them one by one, or
        # in small groups.
        assert reading(wire[index : index + 1]) == 1
        if index % 40 == 0:
            await other.isServed()
    assert (await client.response()).status == 101
    assert (await client.heard())[0] == 0
    assert await client.frame() == (PONG, b"between", True, 0)
    assert await client.heard() == [8, "t", "grüße"]
    assert (await client.heard())[:2] == [4, "id"]


@pytest_twisted.ensureDeferred
async def test_slow_handshakes_hold_up_nobody(serve, pubsub, bystander):
    served = await serve(pubsub, limits=Limits(handshakeTimeout=0.3))
    other = await bystander(served)
    slow = [await served.client(request()[:size]) for size in range(0, len(request()), 2)]
    await other.isServed()
    assert (await served.wamp()).id
    for client in slow:
        assert (await client.response()).status == 408
        await client.end()
    await other.isServed()
    assert pubsub.events.count("open") == 2


@pytest_twisted.ensureDeferred
async def test_peers_that_reset_in_the_middle_of_a_broadcast(serve, bystander):
    class Resetting(PubSub):
        def onPublish(self, conn, topic, event, exclude, eligible):
            for number in range(20):
                topic.broadcast("x" * 100_000)
                if number == 10:
                    # The server's reactor does not hear of it before the end.
                    for client in doomed:
                        client.close()
            self.note("broadcast")

    resetting = Resetting()
    served = await serve(resetting)
    other = await bystander(served)
    doomed = []
    readers = [await served.wamp() for _ in range(3)]
    for number in range(12):
        if number % 4 == 0:
            readers[number // 4].say(5, "t")
        else:
            client = socket.create_connection(("127.0.0.1", served.port))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(request(Sec_WebSocket_Protocol="wamp") + text('[5,"t"]'))
            doomed.append(client)
        await resetting.until(("subscribe", "t"), times=number + 1)
    other._client.say(7, "t", None)
    await resetting.until("broadcast")
    for client in readers:
        for _ in range(20):
            assert await client.heard() == [8, "t", "x" * 100_000]
    await resetting.until("close", times=len(doomed))
    await other.isServed()
    assert len(served.app.topic("/", "t")) == 3
    assert not [event for event in resetting.events if event[0] == "error"]


@pytest_twisted.ensureDeferred
async def test_a_client_that_is_closed_by_another_one_in_the_middle_of_a_broadcast(serve):
    class Jealous(PubSub):
        def onPublish(self, conn, topic, event, exclude, eligible):
            for subscriber in topic:
                if subscriber is not conn:
                    subscriber.close(4000)
            topic.broadcast(event)

    jealous = Jealous()
    served = await serve(jealous)
    clients = [await served.wamp() for _ in range(3)]
    for client in clients:
        client.say(5, "t")
    await jealous.until(("subscribe", "t"), times=3)
    clients[0].say(7, "t", "mine alone")
    assert await clients[0].heard() == [8, "t", "mine alone"]
    for client in clients[1:]:
        await client.closing(4000)


@pytest_twisted.ensureDeferred
async def test_connections_that_say_nothing_and_go(serve, pubsub, bystander):
    served = await serve(pubsub)
    other = await bystander(served)
    for data in (b"", b"\r\n", b"GET", request(), request() + b"\x81"):
        client = await served.client(data)
        client.reset()
        client = await served.client(data)
        client.transport.loseConnection()
    await other.isServed()
