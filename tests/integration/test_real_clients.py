"""Clients of other people: Autobahn's in this reactor, and ``websockets`` in threads."""

from __future__ import annotations

import json
import os

import pytest
import pytest_twisted
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.compress import (
    PerMessageDeflateOffer,
    PerMessageDeflateResponse,
    PerMessageDeflateResponseAccept,
)
from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.threads import deferToThread
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from ratchet_py.limits import Limits
from tests.integration.conftest import Echo
from tests.integration.wire import PATIENCE, patient

LARGE = "grüße " * 200_000

# -- Autobahn --------------------------------------------------------------------------------------


TIMEOUTS = ("openHandshakeTimeout", "closeHandshakeTimeout", "serverConnectionDropTimeout")


class AutobahnClient(WebSocketClientProtocol):
    def __init__(self):
        super().__init__()
        self.opened = Deferred()
        self.closed = Deferred()
        self.messages = DeferredQueue()
        self.pongs = DeferredQueue()

    def onOpen(self):
        self.opened.callback(self)

    def onMessage(self, payload, isBinary):
        self.messages.put(payload if isBinary else payload.decode())

    def onPong(self, payload):
        self.pongs.put(payload)

    def onClose(self, wasClean, code, reason):
        if not self.opened.called:
            self.opened.errback(ConnectionError(reason))
        self.closed.callback((wasClean, code, reason))

    def next(self):
        return patient(self.messages.get(), "a message")


def deflate(**offer):
    """Offer compression, and take whatever the server agrees to."""

    def accept(response):
        assert isinstance(response, PerMessageDeflateResponse)
        return PerMessageDeflateResponseAccept(response)

    return {
        "perMessageCompressionOffers": [PerMessageDeflateOffer(**offer)],
        "perMessageCompressionAccept": accept,
    }


OPTIONS = {
    "plain": {},
    "fragmented": {"autoFragmentSize": 1000},
    "compressed": deflate(),
    "compressed without context": deflate(request_no_context_takeover=True),
    "compressed, small window": deflate(request_max_window_bits=9),
    "compressed and fragmented": {**deflate(), "autoFragmentSize": 1000},
    "in tiny fragments": {"autoFragmentSize": 7},
}


@pytest.fixture
def autobahn():
    """``await autobahn(served, "/", "wamp", **options)``."""
    clients = []

    async def start(served, path="/", *protocols, **options):
        from twisted.internet import reactor

        factory = WebSocketClientFactory(
            f"ws://localhost:{served.port}{path}",
            origin="http://localhost",
            protocols=list(protocols),
            reactor=reactor,
        )
        factory.noisy = False
        factory.protocol = AutobahnClient
        # By itself it gives up after a second, which a busy machine may need.
        factory.setProtocolOptions(**dict.fromkeys(TIMEOUTS, PATIENCE), **options)
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", served.port)
        client = await endpoint.connect(factory)
        clients.append(client)
        return await patient(client.opened, "the handshake")

    yield start
    for client in clients:
        if not client.closed.called:
            client.transport.abortConnection()
            pytest_twisted.blockon(client.closed)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest_twisted.ensureDeferred
async def test_autobahn(serve, echo, autobahn, options):
    served = await serve(echo)
    client = await autobahn(served, **options)
    large = LARGE[:20_000] if options.get("autoFragmentSize") == 7 else LARGE
    sent = ["hello", "", "grüße 𝄞", large, large, b"\x00\xff", b"", os.urandom(100_000)]
    for message in sent:
        if isinstance(message, str):
            client.sendMessage(message.encode())
        else:
            client.sendMessage(message, isBinary=True)
        client.sendPing(b"between")
    for message in sent:
        assert await client.next() == message
        assert await patient(client.pongs.get(), "a pong") == b"between"
    compressed = client.websocket_extensions_in_use
    assert bool(compressed) == ("perMessageCompressionOffers" in options)
    client.sendClose(4000, "grüße")
    assert await patient(client.closed, "the close") == (True, 4000, None)
    await echo.until("close")
    assert echo.events == ["open", *(("message", message) for message in sent), "close"]


@pytest_twisted.ensureDeferred
async def test_autobahn_streams_a_message_with_frames_of_its_own(serve, echo, autobahn):
    served = await serve(echo)
    client = await autobahn(served)
    client.beginMessage()
    for piece in ("gr", "ü", "ß", "", "e"):
        client.sendMessageFrame(piece.encode())
        client.sendPing()
    client.endMessage()
    assert await client.next() == "grüße"


@pytest_twisted.ensureDeferred
async def test_autobahn_is_closed_by_the_application(serve, autobahn):
    class Closing(Echo):
        def onMessage(self, conn, msg):
            conn.send("goodbye")
            conn.close(3333, "enough")

    served = await serve(Closing())
    client = await autobahn(served)
    client.sendMessage(b"hello")
    assert await client.next() == "goodbye"
    assert await patient(client.closed, "the close") == (True, 3333, "enough")


@pytest_twisted.ensureDeferred
async def test_autobahn_speaks_wamp(serve, pubsub, autobahn):
    served = await serve({"/pubsub": pubsub})
    one = await autobahn(served, "/pubsub", "wamp")
    other = await autobahn(served, "/pubsub", "wamp", **deflate())
    assert one.websocket_protocol_in_use == "wamp"
    for client in (one, other):
        assert json.loads(await client.next())[0] == 0
        client.sendMessage(b'[5,"t"]')
    await pubsub.until(("subscribe", "t"), times=2)
    # A broadcast goes out once compressed and once plain.
    for event in (LARGE, "small"):
        one.sendMessage(json.dumps([7, "t", event]).encode())
        for client in (one, other):
            assert json.loads(await client.next()) == [8, "t", event]


@pytest_twisted.ensureDeferred
async def test_autobahn_is_refused(serve, echo, autobahn):
    served = await serve(echo)
    with pytest.raises(ConnectionError, match="404"):
        await autobahn(served, "/nowhere")
    with pytest.raises(ConnectionError, match="426"):
        await autobahn(served, "/", "unknown")


@pytest_twisted.ensureDeferred
async def test_autobahn_sends_too_much(serve, echo, autobahn):
    served = await serve(echo, limits=Limits(messageSize=1000))
    client = await autobahn(served)
    client.sendMessage(b"x" * 1001)
    wasClean, code, _ = await patient(client.closed, "the close")
    assert (wasClean, code) == (True, 1009)


@pytest_twisted.ensureDeferred
async def test_autobahn_pings_by_itself(serve, echo, autobahn):
    served = await serve(echo, limits=Limits(keepAlive=0.05))
    client = await autobahn(served, autoPingInterval=0.02, autoPingTimeout=5)
    assert len(await patient(client.pongs.get(), "a pong")) >= 4
    client.sendMessage(b"hello")
    assert await client.next() == "hello"


# -- websockets ------------------------------------------------------------------------------------


async def inThread(talk, served, path="/", **options):
    """Run ``talk(client)`` in a thread, where it may block."""
    options = {"compression": None, "origin": "http://localhost", **options}

    def run():
        with connect(
            f"ws://localhost:{served.port}{path}", max_size=None, close_timeout=10, **options
        ) as client:
            return talk(client)

    return await patient(deferToThread(run), "websockets")


@pytest.mark.parametrize("compression", [None, "deflate"], ids=["plain", "compressed"])
@pytest_twisted.ensureDeferred
async def test_websockets(serve, echo, compression):
    sent = ["hello", "", "grüße 𝄞", LARGE, LARGE, b"\x00\xff", b"", os.urandom(100_000)]

    def talk(client):
        answered = client.ping(b"payload")
        for message in sent:
            client.send(message)
        assert [client.recv(timeout=60) for _ in sent] == sent
        assert answered.wait(10)
        # A message in fragments: text, and binary.
        client.send(iter(["gr", "üß", "", "e"]))
        client.send(iter([b"a" * 70_000, b"b", b""]))
        assert client.recv(timeout=60) == "grüße"
        assert client.recv(timeout=60) == b"a" * 70_000 + b"b"
        client.close(4001, "done")
        return client.close_code, [type(each).__name__ for each in client.protocol.extensions]

    served = await serve(echo)
    code, extensions = await inThread(talk, served, compression=compression)
    assert code == 4001
    assert extensions == ([] if compression is None else ["PerMessageDeflate"])
    await echo.until("close")


@pytest_twisted.ensureDeferred
async def test_websockets_is_closed_by_the_application(serve):
    class Closing(Echo):
        def onMessage(self, conn, msg):
            conn.close(3333, "enough")

    def talk(client):
        client.send("hello")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=60)
        return closed.value.rcvd.code, closed.value.rcvd.reason

    served = await serve(Closing())
    assert await inThread(talk, served) == (3333, "enough")


@pytest_twisted.ensureDeferred
async def test_websockets_is_told_that_the_server_goes(serve, echo):
    served = await serve(echo)

    def talk(client):
        client.send("hello")
        client.recv(timeout=60)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=60)
        return closed.value.rcvd.code

    talking = Deferred.fromCoroutine(inThread(talk, served))
    await echo.until(("message", "hello"))
    await served.app.close()
    assert await talking == 1001


@pytest_twisted.ensureDeferred
async def test_websockets_speaks_wamp(serve, pubsub):
    def talk(client):
        assert client.subprotocol == "wamp"
        assert json.loads(client.recv(timeout=60))[0] == 0
        client.send('[5,"t"]')
        client.send('[7,"t",{"a":1.0}]')
        return client.recv(timeout=60)

    served = await serve(pubsub)
    event = await inThread(talk, served, subprotocols=["other", "wamp"])
    assert event == '[8,"t",{"a":1.0}]'


@pytest_twisted.ensureDeferred
async def test_websockets_is_refused(serve, echo):
    served = await serve(echo)
    with pytest.raises(InvalidStatus, match="403"):
        await inThread(None, served, origin="http://evil.example")
