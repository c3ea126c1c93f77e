"""WampClient against our own WampServer, on real sockets."""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults

from ratchet_py.client import BackOff, ConnectionClosed, HandshakeError, WampClient
from ratchet_py.errors import CallError
from ratchet_py.wamp import Authenticator, Component, User
from tests.integration.wire import patient

QUICK = BackOff(initialDelay=0.01, maxDelay=0.05, stableAfter=0)


class PubSub(Component):
    """Broadcasts what is published, adds, and says what has happened."""

    def __init__(self):
        super().__init__()
        self.conns = []
        self.subscribed = Deferred()

    def onOpen(self, conn):
        self.conns.append(conn)

    def onSubscribe(self, conn, topic):
        if not self.subscribed.called:
            self.subscribed.callback(str(topic))

    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event, exclude, eligible)

    async def onCall(self, conn, id, topic, params):
        if str(topic) == "http://example.com/add":
            return sum(params)
        if str(topic) == "slow":
            await Deferred()
        raise CallError("http://example.com/error#none", "no such procedure", [str(topic)])


def collector():
    """A handler, and a function to wait for its next event."""
    waiting, events = [], []

    def handler(topic, event):
        events.append((topic, event))
        if waiting:
            waiting.pop().callback(None)

    async def some(count):
        while len(events) < count:
            waiting.append(Deferred())
            await patient(waiting[-1], f"{count} events; there are {events}")
        return events

    return handler, some


@pytest_twisted.ensureDeferred
async def test_a_session(serve):
    served = await serve({"/w": PubSub()})
    url = f"ws://localhost:{served.port}/w"
    async with WampClient(url) as one, WampClient(url) as two:
        handler, some = collector()
        for client in (one, two):
            client.prefix("ex", "http://example.com/")
            client.subscribe("ex:news", handler)
        assert await one.call("ex:add", 1, 2) == 3
        assert await two.call("ex:add", 2, 3) == 5
        one.publish("ex:news", {"title": "grüße"})
        one.publish("ex:news", "not to me", excludeMe=True)
        one.publish("ex:news", "nor to him", exclude=[two.sessionId])
        one.publish("ex:news", "to him", eligible=[two.sessionId])
        events = await some(5)
        assert {topic for topic, _ in events} == {"http://example.com/news"}
        both = str({"title": "grüße"})
        said = sorted(str(event) for _, event in events)
        assert said == ["nor to him", "not to me", "to him", both, both]
        with pytest.raises(CallError, match="no such procedure") as caught:
            await one.call("ex:nothing")
        assert caught.value.details == ["http://example.com/nothing"]
        slow = one.call("slow")
    with pytest.raises(ConnectionClosed):
        await slow
    assert one.conn is None


@pytest_twisted.ensureDeferred
async def test_a_thousand_calls_at_once(serve):
    served = await serve({"/w": PubSub()})
    async with WampClient(f"ws://localhost:{served.port}/w") as client:
        calls = [client.call("http://example.com/add", n, 1) for n in range(3000)]
        assert await patient(gatherResults(calls), "the answers") == [*range(1, 3001)]


@pytest_twisted.ensureDeferred
async def test_it_comes_back_after_a_loss(serve):
    app = PubSub()
    served = await serve({"/w": app})
    async with WampClient(f"ws://localhost:{served.port}/w", reconnect=QUICK) as client:
        handler, some = collector()
        client.subscribe("news", handler)
        assert await patient(app.subscribed, "the subscription") == "news"
        first = client.sessionId
        app.subscribed = Deferred()
        app.conns[0].abort()
        assert await patient(app.subscribed, "the subscription again") == "news"
        assert client.sessionId != first
        client.publish("news", 1)
        assert await some(1) == [("news", 1)]


@pytest_twisted.ensureDeferred
async def test_it_waits_for_a_server_that_is_not_there_yet(serve, freePort):
    client = WampClient(f"ws://localhost:{freePort}/w", reconnect=QUICK)
    failed = Deferred()
    client.on("error", lambda exc: None if failed.called else failed.callback(exc))
    opening = client.start().whenOpen()
    await patient(failed, "a failure")
    served = await serve({"/w": PubSub()}, port=freePort)
    assert served.port == freePort
    assert await patient(opening, "a session") is client.conn
    await client.stop()


USERS = Authenticator({"ann": User.salted("ann", "secret"), "joe": "geheim"}, delay=0)


@pytest.mark.parametrize(("name", "secret"), [("ann", "secret"), ("joe", "geheim")])
@pytest_twisted.ensureDeferred
async def test_users(serve, name, secret):
    from ratchet_py.wamp import WampServer

    app = PubSub()
    served = await serve({"/w": WampServer(app, auth=USERS)})
    url = f"ws://localhost:{served.port}/w"
    async with WampClient(url, auth=(name, secret)) as client:
        assert await client.call("http://example.com/add", 1, 2) == 3
        assert app.conns[0].WAMP.authid == name
        with pytest.raises(CallError, match="already-authenticated"):
            await client.authenticate(name, secret)
    with pytest.raises(CallError, match="invalid-signature"):
        await WampClient(url, auth=(name, "wrong")).open()
    async with WampClient(url) as client:
        with pytest.raises(CallError, match="not-authorized"):
            await client.call("http://example.com/add", 1, 2)
        assert (await client.authenticate(name, secret)).keys() == {"pubsub", "rpc"}
        assert await client.call("http://example.com/add", 1, 2) == 3


@pytest_twisted.ensureDeferred
async def test_a_server_that_speaks_no_wamp(serve, echo):
    served = await serve(echo)
    with pytest.raises(HandshakeError) as caught:
        await WampClient(f"ws://localhost:{served.port}/", reconnect=None).open()
    assert caught.value.status == 426
