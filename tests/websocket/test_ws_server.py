"""The layer of WebSocket messages; ``tests/integration`` has the wire, row by row."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from ratchet_py import MessageComponentInterface
from ratchet_py.errors import HttpError
from ratchet_py.http import HttpServer
from ratchet_py.rfc6455 import Message
from ratchet_py.server import EchoServer, IoServer
from ratchet_py.testing import RawClient, WebSocketClient
from ratchet_py.websocket import MessageComponentInterface as WsMessageComponentInterface
from ratchet_py.websocket import WsConnection, WsServer


class Noting:
    def __init__(self, fails=()):
        self.fails = fails
        self.told = []

    def _tell(self, name, conn, *args):
        self.told.append((name, *args))
        self.conn = conn
        if name in self.fails:
            raise ZeroDivisionError("boom")

    def onOpen(self, conn):
        self._tell("onOpen", conn)

    def onMessage(self, conn, msg):
        self._tell("onMessage", conn, msg)

    def onClose(self, conn):
        self._tell("onClose", conn)

    def onError(self, conn, exc):
        self._tell("onError", conn, type(exc))


class App(Noting, MessageComponentInterface):
    pass


class WsApp(Noting, WsMessageComponentInterface):
    pass


class Chat(App):
    def getSubProtocols(self):
        return ["chat", "superchat"]


def serve(component, **options):
    ws = WsServer(component, **options)
    return ws, IoServer(HttpServer(ws), Clock())


def test_payloads_or_messages_as_the_component_takes_them():
    app = App()
    client = WebSocketClient(serve(app)[1])
    client.send("text")
    client.send(b"binary")
    assert app.told[1:] == [("onMessage", "text"), ("onMessage", b"binary")]

    app = WsApp()
    client = WebSocketClient(serve(app)[1])
    client.send("text")
    client.send(b"binary")
    assert app.told[1:] == [("onMessage", Message("text")), ("onMessage", Message(b"binary"))]


def test_what_takes_no_messages_is_refused():
    with pytest.raises(TypeError, match="object is no MessageComponentInterface"):
        WsServer(object())


def test_the_application_gets_one_wrapped_connection():
    app = App()
    ws, server = serve(app)
    client = WebSocketClient(server)
    conn = app.conn
    assert isinstance(conn, WsConnection)
    assert conn.httpRequest.path == "/"
    assert ws.connections == [conn]
    client.close()
    assert app.conn is conn
    assert ws.connections == []


@pytest.mark.parametrize(
    ("offered", "strict", "status", "chosen"),
    [
        ((), False, 101, None),
        ((), True, 426, None),
        (("superchat", "chat"), True, 101, "superchat"),
        (("other", "chat"), True, 101, "chat"),
        (("other",), True, 426, None),
        (("other",), False, 101, None),
    ],
)
def test_subprotocols(offered, strict, status, chosen):
    app = Chat()
    ws, server = serve(app)
    ws.setStrictSubProtocolCheck(strict)
    client = WebSocketClient(server, subProtocols=offered)
    assert client.status == status
    if status == 101:
        assert client.headers.get("sec-websocket-protocol") == chosen
        assert app.conn.WebSocket.subProtocol == chosen
    else:
        assert client.headers["sec-websocket-protocol"] == "chat, superchat"
        assert app.told == []


def test_no_callback_runs_before_the_101():
    app = App()
    answered = []
    app.onOpen = lambda conn: answered.append(client.data)
    client = RawClient(serve(app)[1])
    client.sendBytes(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.data.startswith(b"HTTP/1.1 426 ")
    assert answered == []


def test_the_library_is_named_unless_it_is_not_to_be():
    assert WebSocketClient(serve(App())[1]).headers["x-powered-by"].startswith("Ratchet_py/")
    assert "x-powered-by" not in WebSocketClient(serve(App(), poweredBy=False)[1]).headers


def test_compression_is_agreed_unless_it_is_not_to_be():
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    for options, agreed in (({}, True), ({"compression": None}, False)):
        client = WebSocketClient(serve(App(), **options)[1], headers=offer)
        assert ("sec-websocket-extensions" in client.headers) is agreed


def test_a_ping_is_answered_also_between_fragments_and_while_a_callback_takes_its_time():
    client = WebSocketClient(serve(EchoServer())[1])
    client.sendFrame(b"he", 1, final=False)
    client.ping(b"there?")
    assert client.pongs == [b"there?"]
    client.sendFrame(b"llo", 0)
    assert client.received == ["hello"]


def test_bytes_right_behind_the_head_are_messages():
    app = App()
    client = WebSocketClient(serve(App())[1])
    sent, client.sendBytes = [], lambda data: sent.append(data)
    client.send("first")
    head = b"".join(
        [
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        ]
    )
    RawClient(serve(app)[1]).sendBytes(head + sent[0])
    assert app.told == [("onOpen",), ("onMessage", "first")]


@pytest.mark.parametrize("fails", ["onOpen", "onMessage"])
def test_a_failing_callback_leaves_the_connection_and_the_other_messages(fails):
    app = App([fails])
    client = WebSocketClient(serve(app)[1])
    client.send("1")
    client.send("2")
    assert app.told.count(("onError", ZeroDivisionError)) == (1 if fails == "onOpen" else 2)
    assert app.told[-1 if fails == "onOpen" else -2] == ("onMessage", "2")
    assert not client.isClosed


def test_an_http_error_in_on_open_comes_too_late_to_be_an_answer():
    app = App()

    def onOpen(conn):
        raise HttpError(403, "no")

    app.onOpen = onOpen
    client = WebSocketClient(serve(app)[1])
    assert client.status == 101
    assert app.told == [("onError", HttpError)]


def test_an_error_of_the_layer_below_is_told_to_the_application_or_ends_the_request():
    app = App()
    ws, server = serve(app)
    client = WebSocketClient(server)
    ws.onError(client.connection, ZeroDivisionError())
    assert app.told[-1] == ("onError", ZeroDivisionError)
    raw = RawClient(server)
    ws.onError(raw.connection, ZeroDivisionError())
    raw.clock.advance(0)
    assert raw.data.startswith(b"HTTP/1.1 500 ")
    assert raw.isClosed


def test_bytes_and_the_end_of_a_client_that_is_not_open_are_nothing():
    app = App()
    ws, server = serve(app)
    raw = RawClient(server)
    ws.onMessage(raw.connection, b"\x81\x00")
    ws.onClose(raw.connection)
    assert app.told == []
