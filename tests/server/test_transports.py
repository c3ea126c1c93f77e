"""One suite over every transport and both ways of writing, with real sockets."""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import ClientFactory, Factory, Protocol

from ratchet_py import Limits
from ratchet_py.server import IoConnection
from ratchet_py.server.io_connection import DirectIoConnection

# Twisted's own, where it makes a TLS context.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

MEBIBYTE = bytes(range(256)) * 4096


@pytest_twisted.ensureDeferred
async def test_each_transport_is_written_to_in_its_own_way(transport, serve):
    served = await serve(transport)
    client = await served.connect()
    await client.send(b"x")
    await served.app.until("onMessage")
    assert type(served.app.conns[0]) is (
        DirectIoConnection if transport.endswith("direct") else IoConnection
    )
    await served.stop()


@pytest_twisted.ensureDeferred
async def test_echo(transport, serve):
    served = await serve(transport, onMessage=lambda conn, msg: conn.send(msg) and None)
    client = await served.connect()
    for message in (b"hello", b"once more", MEBIBYTE):
        await client.send(message)
        assert await client.receive(len(message)) == message
    await served.stop()


@pytest_twisted.ensureDeferred
async def test_a_small_socket_buffer_loses_nothing(transport, serve):
    served = await serve(transport, smallBuffer=True)
    client = await served.connect()
    await client.send(b"x")
    await served.app.until("onMessage")
    conn = served.app.conns[0]
    client.transport.pauseProducing()
    pieces = [bytes([number % 256]) * (number * 37 % 9000) for number in range(400)]
    for piece in pieces:
        conn.send(piece)
    assert conn.bufferedAmount > 0
    drained = conn.whenDrained()
    assert not drained.called
    client.transport.resumeProducing()
    whole = b"".join(pieces)
    assert await client.receive(len(whole)) == whole
    await drained
    assert conn.bufferedAmount == 0
    conn.send(b"and on")
    assert await client.receive(6) == b"and on"
    await served.stop()


@pytest_twisted.ensureDeferred
async def test_one_long_message_is_sent_in_pieces(transport, serve):
    """So that a slow client does not look like one that takes nothing."""
    served = await serve(transport, smallBuffer=True)
    client = await served.connect()
    await client.send(b"x")
    await served.app.until("onMessage")
    conn = served.app.conns[0]
    client.transport.pauseProducing()
    conn.send(MEBIBYTE * 2)
    waiting = conn.bufferedAmount
    assert waiting > 1 << 20
    client.transport.resumeProducing()
    await client.receive(1 << 20)
    assert conn.bufferedAmount < waiting
    assert len(await client.receive(1 << 20)) == 1 << 20
    await served.stop()


@pytest_twisted.ensureDeferred
async def test_who_waits_for_the_drain_may_send_more(transport, serve):
    served = await serve(transport, smallBuffer=True)
    client = await served.connect()
    await client.send(b"x")
    await served.app.until("onMessage")
    conn = served.app.conns[0]
    client.transport.pauseProducing()
    done = Deferred()

    def sendMore(_, left):
        if not left:
            done.callback(None)
            return
        conn.send(MEBIBYTE)
        conn.whenDrained().addCallback(sendMore, left - 1)

    sendMore(None, 2)
    client.transport.resumeProducing()
    assert await client.receive(2 << 20) == MEBIBYTE * 2
    await done
    await served.stop()


@pytest_twisted.ensureDeferred
async def test_a_reset_in_mid_broadcast_touches_nobody_else(transport, serve):
    served = await serve(transport)
    clients = [await served.connect() for _ in range(3)]
    for number, client in enumerate(clients):
        await client.send(b"x")
        await served.app.until("onMessage", number)

    def broadcast():
        # The client's socket is gone; the server has not read that yet.
        for _ in range(4):
            for conn in served.app.conns:
                conn.send(MEBIBYTE)

    broadcast()
    clients[1].onLost = broadcast
    clients[1].transport.abortConnection()
    for client in (clients[0], clients[2]):
        assert await client.receive(8 << 20) == MEBIBYTE * 8
    await served.app.until("onClose", 1)
    assert [told for told in served.app.told if told[0] in ("onClose", "onError")] == [
        ("onClose", 1)
    ]
    await served.stop()


@pytest_twisted.ensureDeferred
async def test_close_inside_on_message_sends_what_was_sent_before(transport, serve):
    def onMessage(conn, msg):
        if msg == b"first":
            return
        conn.send(MEBIBYTE)
        conn.send(b"bye")
        conn.close()
        conn.send(b"too late")
        conn.close()

    served = await serve(transport, smallBuffer=True, onMessage=onMessage)
    client = await served.connect()
    await client.send(b"first")
    await served.app.until("onMessage")
    served.app.told.clear()
    client.transport.pauseProducing()
    await client.send(b"x")
    await served.app.until("onMessage")
    await client.send(b"y" * 1000)
    client.transport.resumeProducing()
    assert await client.end() == MEBIBYTE + b"bye"
    if transport in ("tcp-direct", "unix-direct", "ssl-buffered"):
        # With unread bytes a socket that is closed at once is reset.
        assert client.reason is ConnectionDone
    await served.app.until("onClose")
    assert served.app.told == [("onMessage", 0), ("onClose", 0)]
    await served.stop()


@pytest_twisted.ensureDeferred
async def test_abort_inside_on_message_drops_the_client(transport, serve):
    served = await serve(transport, onMessage=lambda conn, msg: conn.send(b"x").abort())
    client = await served.connect()
    await client.send(b"x")
    await client.end()
    await served.app.until("onClose")
    assert served.app.told == [("onOpen", 0), ("onMessage", 0), ("onClose", 0)]
    await served.stop()


@pytest_twisted.ensureDeferred
async def test_whatever_is_done_inside_on_close_does_nothing(transport, serve):
    def onClose(conn):
        conn.send(b"x")
        conn.send(MEBIBYTE)
        conn.pauseReading()
        conn.resumeReading()
        conn.close()
        conn.abort()

    served = await serve(transport, onClose=onClose)
    client = await served.connect()
    await client.send(b"x")
    await served.app.until("onMessage")
    client.transport.abortConnection()
    await served.app.until("onClose")
    assert [name for name, _ in served.app.told] == ["onOpen", "onMessage", "onClose"]
    conn = served.app.conns[0]
    for act in (conn.abort, conn.close, lambda: conn.send(b"x")):
        act()
    assert conn.bufferedAmount == 0
    await served.stop()


@pytest.mark.parametrize("act", ["close", "abort"])
@pytest_twisted.ensureDeferred
async def test_close_inside_on_open(act, transport, serve):
    served = await serve(transport, onOpen=lambda conn: getattr(conn.send(b"go"), act)())
    client = await served.connect()
    await client.send(b"x")
    await client.end()
    await served.app.until("onClose")
    assert served.app.told == [("onOpen", 0), ("onClose", 0)]
    await served.stop()


@pytest_twisted.ensureDeferred
async def test_an_error_at_connect_time_leaves_a_connection(transport, serve):
    served = await serve(transport, onOpen=lambda conn: 1 / 0)
    client = await served.connect()
    await client.send(b"x")
    await served.app.until("onMessage")
    assert served.app.told == [("onOpen", 0), ("onError", 0), ("onMessage", 0)]
    await served.stop()


@pytest_twisted.ensureDeferred
async def test_paused_reading_takes_nothing_and_loses_nothing(transport, serve):
    held = []

    def onMessage(conn, msg):
        held.append(msg)
        if len(held) == 1:
            conn.pauseReading()
            conn.pauseReading()
            conn.send(b"paused")

    served = await serve(transport, onMessage=onMessage)
    client = await served.connect()
    await client.send(b"1")
    await client.receive(6)
    conn = served.app.conns[0]
    assert conn.readingPaused
    await client.send(b"2" * 1000)
    # Bytes of the other direction pass meanwhile.
    conn.send(MEBIBYTE)
    await client.receive(len(MEBIBYTE))
    conn.resumeReading()
    assert conn.readingPaused
    assert held == [b"1"]
    conn.resumeReading()
    while sum(map(len, held)) < 1001:
        served.app.told.clear()
        await served.app.until("onMessage")
    await served.stop()


@pytest_twisted.ensureDeferred
async def test_a_close_ends_although_reading_is_paused(transport, serve):
    """The client's farewell has to be read."""
    served = await serve(transport)
    client = await served.connect()
    await client.send(b"x")
    await served.app.until("onMessage")
    conn = served.app.conns[0]
    conn.pauseReading()
    conn.send(b"bye")
    conn.close()
    assert await client.end() == b"bye"
    await served.app.until("onClose")
    await served.stop()


@pytest_twisted.ensureDeferred
async def test_a_drain_that_never_comes_fails(transport, serve):
    served = await serve(transport)
    client = await served.connect()
    await client.send(b"x")
    await served.app.until("onMessage")
    client.transport.pauseProducing()
    conn = served.app.conns[0]
    conn.send(MEBIBYTE * 8)
    drained = conn.whenDrained()
    client.transport.abortConnection()
    with pytest.raises((ConnectionLost, ConnectionDone)):
        await drained
    await served.stop()


@pytest_twisted.ensureDeferred
async def test_what_is_queued_is_delivered_to_who_sends_no_more(serve):
    for transport in ("tcp-direct", "unix-direct"):
        served = await serve(
            transport, smallBuffer=True, onMessage=lambda conn, msg: conn.send(MEBIBYTE) and None
        )
        client = await served.connect()
        await client.send(b"x")
        client.transport.loseWriteConnection()
        assert await client.end() == MEBIBYTE
        await served.app.until("onClose")
        await served.stop()


@pytest_twisted.ensureDeferred
async def test_the_address_is_the_one_that_the_proxy_names(serve):
    addresses = []
    served = await serve(
        "haproxy-buffered", onOpen=lambda conn: addresses.append(conn.remoteAddress)
    )
    client = await served.connect()
    await client.send(b"x")
    await served.app.until("onMessage")
    assert addresses == ["198.51.100.7"]
    await served.stop()


@pytest_twisted.ensureDeferred
async def test_who_sends_nothing_through_the_proxy_is_dropped_in_time(serve):
    served = await serve("haproxy-buffered", limits=Limits(handshakeTimeout=0))
    client = await served.connect()
    await client.end()
    assert served.app.told == []
    await served.stop()


@pytest.mark.parametrize(
    "header",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"PROXY TCP4 \xff\xfe 127.0.0.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 127.0.0.1 one two\r\n",
        b"PROXY TCP5 192.0.2.1 127.0.0.1 1 2\r\n",
        b"PROXY " + b"x" * 200,
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x02ab",
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_bad_proxy_header_ends_it_before_it_began(serve, header):
    """And is nothing to write home about: whoever reaches the port can send it."""
    served = await serve("haproxy-buffered")
    served.kind = "tcp"  # a client that does not speak the proxy's protocol
    client = await served.connect()
    await client.send(header)
    await client.end()
    assert served.app.told == []
    await served.stop()


class _Recorder(Protocol):
    """Passes everything on to the other side and keeps what passes."""

    other = None

    def __init__(self, wire):
        self.wire = wire
        self.early = []

    def dataReceived(self, data):
        self.wire += data
        if self.other is None:
            self.early.append(data)
        else:
            self.other.transport.write(data)

    def connectionLost(self, reason):
        if self.other is not None:
            self.other.transport.loseConnection()


class _RecorderFactory(Factory):
    """A TCP proxy that records."""

    noisy = False

    def __init__(self, reactor, port):
        self.reactor = reactor
        self.port = port
        self.wire = bytearray()

    def buildProtocol(self, addr):
        near, far = _Recorder(self.wire), _Recorder(self.wire)

        def connected():
            near.other, far.other = far, near
            for data in near.early:
                far.transport.write(data)

        far.connectionMade = connected
        factory = ClientFactory.forProtocol(lambda: far)
        factory.noisy = False
        self.reactor.connectTCP("127.0.0.1", self.port, factory)
        return near


@pytest.mark.parametrize("transport", ["ssl-buffered", "tcp-direct"])
@pytest_twisted.ensureDeferred
async def test_nothing_leaves_a_tls_server_in_clear(transport, serve):
    secret = b"the plain text that nobody is to see "

    def onMessage(conn, msg):
        conn.send(secret)
        conn.send(secret * 10_000)

    served = await serve(
        transport,
        smallBuffer=True,
        onOpen=lambda conn: conn.send(secret) and None,
        onMessage=onMessage,
        onClose=lambda conn: conn.send(secret) and None,
    )
    recorder = _RecorderFactory(served.reactor, served.port.getHost().port)
    proxy = served.reactor.listenTCP(0, recorder, interface="127.0.0.1")
    client = await served.connect(proxy.getHost().port)
    await client.send(secret)
    await client.receive(len(secret) * 10_002)
    # Out of any callback, too; many small ones, a long one, and what is sent while some waits.
    conn = served.app.conns[0]
    client.transport.pauseProducing()
    for _ in range(100):
        conn.send(secret)
    conn.send(secret * 10_000)
    conn.send(secret)
    client.transport.resumeProducing()
    await client.receive(len(secret) * 10_101)
    conn.send(secret)
    conn.close()
    assert await client.end() == secret
    await served.app.until("onClose")
    await served.stop()
    await proxy.stopListening()
    assert len(recorder.wire) > len(secret) * 20_000
    # That it is seen on the other transport shows that the recorder sees what there is.
    assert (b"nobody is to see" in recorder.wire) == (transport == "tcp-direct")


@pytest_twisted.ensureDeferred
async def test_a_browser_that_asks_for_a_protocol_within_tls_gets_it(serve):
    served = await serve("ssl-buffered", onMessage=lambda conn, msg: conn.send(msg) and None)
    client = await served.connect(protocols=[b"h2", b"http/1.1"])
    await client.send(b"hello")

    assert await client.receive(5) == b"hello"
    assert client.transport.negotiatedProtocol == b"http/1.1"
    await served.stop()
