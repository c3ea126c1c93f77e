"""Nothing of a connection is alive when it is gone, however it went."""

from __future__ import annotations

import gc
from collections import Counter

import pytest
from twisted.internet.task import Clock

from ratchet_py import App, Limits
from ratchet_py.interfaces import MessageComponentInterface
from ratchet_py.server import IpBlackList, Limiter
from ratchet_py.testing import RawClient, WampClient, WebSocketClient, connect
from ratchet_py.wamp import WampServerInterface


class Chat(MessageComponentInterface):
    def __init__(self):
        self.clients = set()

    async def onOpen(self, conn):
        self.clients.add(conn)
        conn.anything = {"that": ["an", "application", conn]}

    def onMessage(self, conn, msg):
        if msg == "fail":
            raise RuntimeError("on purpose")
        for client in self.clients:
            client.send(msg)

    def onClose(self, conn):
        self.clients.discard(conn)

    def onError(self, conn, exc):
        conn.lastError = exc


class PubSub(WampServerInterface):
    def onOpen(self, conn):
        pass

    async def onCall(self, conn, id, topic, params):
        return params

    def onSubscribe(self, conn, topic):
        topic.broadcast("here is one")

    def onUnSubscribe(self, conn, topic):
        pass

    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event)

    def onClose(self, conn):
        pass

    def onError(self, conn, exc):
        pass


def chatting(server):
    client = WebSocketClient(server, "/chat")
    client.send("hello")
    client.send("fail")
    client.ping(b"x")
    return client


def subscribed(server):
    client = WampClient(server, "/wamp")
    client.send('[1, "p", "http://example.com/"]')
    client.subscribe("p:news")
    client.subscribe("sports")
    client.call("p:add", 1, 2)
    client.publish("sports", {"goal": 1})
    return client


def stalled(server):
    client = WebSocketClient(server, "/chat")
    client.stall()
    client.send("x" * 300_000)
    return client


def halfARequest(server):
    client = RawClient(server)
    client.sendBytes(b"GET /chat HT")
    return client


def refused(server):
    return WebSocketClient(server, "/nowhere")


def broken(server):
    client = WebSocketClient(server, "/chat")
    client.sendBytes(b"\xff\xff\xff")
    return client


CLIENTS = [chatting, subscribed, stalled, halfARequest, refused, broken]

ENDS = {
    "it goes": lambda client: client.disconnect(),
    "it closes": lambda client: client.close() if hasattr(client, "close") else client.halfClose(),
    "we close": lambda client: [
        (conn.outermost or conn).close() for conn in tuple(client.server.connections)
    ],
    "we drop it": lambda client: client.server.abort(),
    "the server ends": lambda client: client.server.close(),
}


@pytest.fixture(scope="module", autouse=True)
def onlyWhatIsNew():
    """Leave out what earlier tests have on the heap: to go through it took seconds each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def census():
    """How many objects of each class of ours are alive."""
    # What dies may let others die.
    while gc.collect():
        pass
    return Counter(
        type(thing).__qualname__
        for thing in gc.get_objects()
        if str(type(thing).__module__).startswith("ratchet_py.")
    )


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("begin", CLIENTS)
def test_nothing_stays(begin, end):
    clock = Clock()
    app = App(None, reactor=clock, limits=Limits(keepAlive=7))
    app.route("/chat", Limiter(Chat(), messages=1000, lifetime=3600), ["*"])
    app.route("/wamp", PubSub(), ["*"])
    app.server.app = IpBlackList(Limiter(app.server.app, connectionsPerAddress=100))
    # Somebody stays, and what is sent to both must not be what holds the other one.
    other = chatting(app.server)
    before = census()
    client = begin(app.server)
    if begin is chatting:
        assert {"WsConnection", "WebSocket", "Request"} <= set(census() - before)
    for _ in range(3):
        clock.advance(1)
    ENDS[end](client)
    for _ in range(100):
        clock.advance(1)
    assert client.isClosed
    del client
    assert census() - before == {}
    if not other.isClosed:
        other.send("still here")
        assert other.received[-1] == "still here"
        other.disconnect()
    for _ in range(10):
        clock.advance(1)
    assert not clock.getDelayedCalls()


def test_the_census_finds_a_connection_that_is_kept():
    before = census()
    client = connect(Chat())
    (conn,) = client.server.connections
    client.disconnect()
    del client
    assert (census() - before)["IoConnection"] == 1
    assert not conn.outermost
