"""A WebSocket client as an application sees it."""

from __future__ import annotations

import zlib
from types import SimpleNamespace

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from ratchet_py import Limits, MessageComponentInterface
from ratchet_py.errors import LocalError
from ratchet_py.http import HttpServer
from ratchet_py.rfc6455 import Frame, Message, PreparedMessage
from ratchet_py.rfc6455.message import PreparedBytes
from ratchet_py.server import IoServer
from ratchet_py.testing import WebSocketClient
from ratchet_py.websocket import WsConnection, WsServer

DEFLATE = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
MEBIBYTE = "x" * (1 << 20)


class App(MessageComponentInterface):
    def __init__(self):
        self.told = []
        self.conns = []
        self.onMessageDo = None

    def onOpen(self, conn):
        self.told.append("onOpen")
        self.conns.append(conn)

    def onMessage(self, conn, msg):
        self.told.append(msg)
        return None if self.onMessageDo is None else self.onMessageDo(conn)

    def onClose(self, conn):
        self.told.append("onClose")

    def onError(self, conn, exc):
        self.told.append(type(exc))


@pytest.fixture
def join():
    """Connect a client that does not answer of its own accord: (client, app, conn)."""

    def join(answers=False, limits=Limits(), **options):  # noqa: B008
        app = App()
        clock = Clock()
        server = IoServer(HttpServer(WsServer(app, limits, **options)), clock, limits)
        client = WebSocketClient(server)
        if not answers:
            client.sendLater = lambda data: None
        return client, app, app.conns[0]

    return join


def frames(client):
    """What has come since the answer to the handshake."""
    return client.data.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    ("msg", "received"),
    [
        ("text", "text"),
        (b"binary", b"binary"),
        (bytearray(b"binary"), b"binary"),
        (Message("text"), "text"),
        (Message(b"binary"), b"binary"),
        (PreparedMessage("text"), "text"),
        (PreparedBytes(b"binary"), b"binary"),
        ("", ""),
        (b"", b""),
    ],
    ids=repr,
)
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "deflate"])
def test_what_may_be_sent(msg, received, compressed):
    app = App()
    server = IoServer(HttpServer(WsServer(app)), Clock())
    client = WebSocketClient(server, headers=DEFLATE if compressed else {})
    conn = app.conns[0]
    assert isinstance(conn, WsConnection)
    assert (conn.WebSocket.extension is not None) is compressed
    assert conn.send(msg) is conn
    conn.send(msg)
    assert client.received == [received] * 2


def test_who_agreed_on_compression_is_sent_compressed_frames():
    app = App()
    server = IoServer(HttpServer(WsServer(app)), Clock())
    plain = WebSocketClient(server)
    client = WebSocketClient(server, headers=DEFLATE)
    taken = []
    client._take = taken.append  # it does not speak it
    client._buffer = SimpleNamespace(receive=lambda data: [data])
    msg = "to all " * 1000
    for conn in app.conns:
        conn.send(msg)
    assert plain.received == [msg]
    [frame] = taken
    assert frame[0] == 0xC1
    assert len(frame) < 100
    inflater = zlib.decompressobj(-15)
    assert inflater.decompress(frame[2:] + b"\x00\x00\xff\xff") == msg.encode()


def test_what_is_no_message_is_the_senders_error(join):
    client, _app, conn = join()
    with pytest.raises(TypeError):
        conn.send(["x"])
    assert frames(client) == b""


def test_a_frame_goes_out_as_it_is(join):
    client, _app, conn = join()
    conn.send(Frame(b"x", opcode=Frame.OP_PONG))
    assert client.pongs == [b"x"]


def test_ping(join):
    client, _app, conn = join()
    assert conn.ping(b"x" * 125) is conn
    conn.ping()
    assert client.pings == [b"x" * 125, b""]
    with pytest.raises(LocalError, match="125"):
        conn.ping(b"x" * 126)


@pytest.mark.parametrize(
    ("args", "code", "reason"),
    [
        ((), 1000, ""),
        ((4000, "own"), 4000, "own"),
        ((None,), 1005, ""),
        ((1001, "\xe9" * 100), 1001, "\xe9" * 61),
        ((Frame(b"\x0f\xa0why", opcode=Frame.OP_CLOSE),), 4000, "why"),
    ],
)
def test_close(args, code, reason, join):
    client, app, conn = join()
    conn.close(*args)
    assert (client.closeCode, client.closeReason) == (code, reason)
    assert not client.isClosed  # the client's answer is awaited
    client.close()
    assert client.isClosed
    assert app.told == ["onOpen", "onClose"]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2000, 2999, 5000, -1])
def test_a_code_that_may_not_be_sent_is_the_callers_error(code, join):
    client, _app, conn = join()
    with pytest.raises(LocalError):
        conn.close(code)
    assert frames(client) == b""
    conn.send("still here")
    assert client.received == ["still here"]


def test_after_a_close_nothing_goes_out_and_nothing_comes_in(join):
    client, app, conn = join()
    conn.close()
    before = client.data
    conn.send("x")
    conn.ping()
    conn.close(1001)
    client.send("too late")
    client.ping()
    assert client.data == before
    assert app.told == ["onOpen"]


@pytest.mark.parametrize("act", ["close", "abort"])
def test_who_ends_it_in_a_message_gets_no_other_of_the_same_read(act, join):
    client, app, _conn = join()
    app.onMessageDo = lambda conn: getattr(conn, act)()
    sent, client.sendBytes = [], lambda data: sent.append(data)
    for number in range(3):
        client.send(str(number))
    del client.sendBytes
    client.sendBytes(b"".join(sent))
    assert app.told[:2] == ["onOpen", "0"]
    assert app.told[2:] == (["onClose"] if act == "abort" else [])


@pytest.mark.parametrize("act", ["close", "abort"])
def test_what_waits_for_its_turn_is_not_delivered_after_a_close(act, join):
    client, app, conn = join()
    until = Deferred()
    app.serial = True
    app.onMessageDo = lambda conn: until
    sent, client.sendBytes = [], lambda data: sent.append(data)
    for number in range(3):
        client.send(str(number))
    del client.sendBytes
    client.sendBytes(b"".join(sent))
    getattr(conn, act)()
    until.callback(None)
    assert app.told == ["onOpen", "0"]


def test_an_abort_is_told_in_a_turn_of_its_own(join):
    client, app, conn = join()
    conn.abort()
    assert app.told == ["onOpen"]
    client.clock.advance(0)
    assert app.told == ["onOpen", "onClose"]
    conn.abort()
    conn.close()
    conn.send("x")
    client.clock.advance(0)
    assert client.clock.getDelayedCalls() == []


def test_the_close_of_a_client_is_answered_with_its_own_code(join):
    for code in (1000, 1001, 3000, 4999):
        client, app, _conn = join()
        client.close(code)
        assert client.closeCode == code
        assert app.told == ["onOpen", "onClose"]
    client, _app, _conn = join()
    client.sendFrame(b"", Frame.OP_CLOSE)
    assert client.closeCode == 1005


def test_closes_that_cross_are_one(join):
    client, app, conn = join()
    conn.close(4001)
    before = client.data
    client.close(4002)
    assert client.data == before
    assert app.told == ["onOpen", "onClose"]


def test_a_slow_client_is_closed_with_1013(join):
    client, app, conn = join(limits=Limits(sendBuffer=1 << 20))
    client.stall()
    conn.send(MEBIBYTE * 4)  # one may always go
    assert not conn.WebSocket.closing
    conn.send("too much")
    assert conn.WebSocket.closing
    client.unstall()
    assert client.received == [MEBIBYTE * 4]
    assert (client.closeCode, client.closeReason) == (1013, "slow consumer")
    client.close()
    assert app.told == ["onOpen", "onClose"]


def test_or_what_is_too_much_for_it_is_dropped():
    app = App()
    limits = Limits(sendBuffer=1 << 20)
    ws = WsServer(app, limits, slowConsumers="drop")
    client = WebSocketClient(IoServer(HttpServer(ws), Clock(), limits))
    client.stall()
    for msg in (MEBIBYTE * 4, "dropped", "dropped, too"):
        app.conns[0].send(msg)
    client.unstall()
    app.conns[0].send("and on")
    assert client.received == [MEBIBYTE * 4, "and on"]
    assert ws.dropped == 2


def test_the_same_message_to_many_is_framed_once(join):
    client, app, _conn = join()
    others = [WebSocketClient(client.server) for _ in range(2)]
    msg = "to all"
    frames = set()
    for each in app.conns:
        each.send(msg)
        frames.add(id(each.WebSocket.server.framer.frame))
    assert len(frames) == 1
    assert [each.received for each in (client, *others)] == [[msg]] * 3
