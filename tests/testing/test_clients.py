"""The test doubles: they must be as strict, and as real, as what they stand for."""

from __future__ import annotations

import pytest

from ratchet_py import Limits, MessageComponentInterface
from ratchet_py.server import EchoServer
from ratchet_py.testing import WampClient, connect, connectRaw
from ratchet_py.wamp import Component, Payload


class Told(MessageComponentInterface):
    def __init__(self):
        self.events = []

    def onOpen(self, conn):
        self.conn = conn
        self.events.append("onOpen")

    def onMessage(self, conn, msg):
        self.events.append(msg)

    def onClose(self, conn):
        self.events.append("onClose")

    def onError(self, conn, exc):
        self.events.append(exc)


class PubSub(Component):
    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event, exclude, eligible)

    def onCall(self, conn, id, topic, params):
        if str(topic) == "add":
            return sum(params)
        return super().onCall(conn, id, topic, params)


def test_the_handshake_can_be_seen_and_changed():
    client = connect(EchoServer(), headers={"X-Extra": "1"}, address="192.0.2.7")
    assert client.status == 101
    assert client.headers["upgrade"] == "websocket"
    [conn] = client.server.connections
    assert conn.remoteAddress == "192.0.2.7"
    assert conn.httpRequest.headers["X-Extra"] == "1"
    assert connect(EchoServer(), headers={"Sec-WebSocket-Version": "12"}).status == 426


def test_text_and_bytes_go_both_ways():
    client = connect(EchoServer())
    for msg in ("h\xe9", b"\xff", "x" * 100_000):
        client.send(msg)
    assert client.received == ["h\xe9", b"\xff", "x" * 100_000]


def test_pings_and_closes_are_answered():
    app = Told()
    client = connect(app)
    assert client.closed is None
    client.ping(b"x")
    assert client.pongs == [b"x"]
    app.conn.ping(b"y")
    assert client.pings == [b"y"]
    app.conn.close(4000, "bye")
    client.clock.advance(0)
    assert (client.closeCode, client.closeReason, client.isClosed) == (4000, "bye", True)
    assert client.closed == (4000, "bye")
    assert app.events == ["onOpen", "onClose"]


def test_a_client_can_go_without_a_word():
    app = Told()
    client = connect(app)
    client.disconnect()
    client.disconnect()
    client.send("from the grave")
    assert client.isClosed
    assert client.closeCode is None
    assert client.closed == (1006, "")
    assert app.events == ["onOpen", "onClose"]


def test_a_client_that_stalls_gets_everything_later():
    app = Told()
    client = connectRaw(app)
    client.stall()
    app.conn.send(b"x" * 200_000)
    assert client.data == b""
    assert app.conn.bufferedAmount > 0
    client.unstall()
    assert client.data == b"x" * 200_000


def test_a_client_that_is_not_read_is_read_later():
    app = Told()
    client = connectRaw(app)
    app.conn.pauseReading()
    client.sendBytes(b"1")
    client.sendBytes(b"2")
    assert app.events == ["onOpen"]
    app.conn.resumeReading()
    client.clock.advance(0)
    assert app.events == ["onOpen", b"12"]


def test_a_long_send_arrives_in_several_reads():
    app = Told()
    connectRaw(app).sendBytes(b"x" * 150_000)
    assert [len(msg) for msg in app.events[1:]] == [65536, 65536, 18928]


def test_half_a_close():
    app = Told()
    client = connectRaw(app)
    client.sendBytes(b"last")
    client.halfClose()
    client.clock.advance(0)
    assert client.isClosed
    assert app.events == ["onOpen", b"last", "onClose"]


def test_after_an_abort_nothing_arrives():
    app = Told()
    client = connectRaw(app)
    client.stall()
    app.conn.send(b"x")
    app.conn.abort()
    client.unstall()
    assert client.isClosed
    assert client.data == b""


def test_time_is_the_clocks():
    client = connectRaw(Told())
    assert client.connection.reactor is client.clock
    slow = connect(EchoServer(), limits=Limits(keepAlive=5))
    slow.clock.advance(5)
    slow.clock.advance(0)
    assert slow.pings == [b""]


def test_a_server_that_breaks_the_protocol_fails_the_test():
    client = connect(EchoServer())
    with pytest.raises(AssertionError, match="the server broke the WebSocket protocol"):
        client.dataReceived(b"\xff\xff")


def test_wamp():
    client = connect(PubSub())
    other = client.another()
    assert client.sessionId != other.sessionId
    client.subscribe("t")
    other.subscribe("t")
    client.publish("t", {"n": 1})
    client.publish("t", 2, True)
    client.publish("t", 3, [], [client.sessionId])
    assert client.received == [("t", {"n": 1}), ("t", 3)]
    assert other.received == [("t", {"n": 1}), ("t", 2)]
    other.unsubscribe("t")
    client.publish("t", 4)
    assert len(other.received) == 2
    good, bad = client.call("add", 1, 2), client.call("nothing")
    assert client.results == {good: 3}
    assert client.errors[bad][0] == "http://api.wamp.ws/error#NoSuchRPCEndpoint"


@pytest.mark.parametrize("subProtocol", ["wamp.2.json", "wamp.2.msgpack", "wamp.2.cbor"])
def test_a_client_of_wamp_2(subProtocol):
    one = connect(PubSub(), subProtocol=subProtocol)
    other = one.another(subProtocol=subProtocol, realm="elsewhere")
    old = WampClient(one.server)
    assert one.messages[0][0] == 2
    assert one.sessionId != other.sessionId
    other.subscribe("t")
    old.subscribe("t")
    one.publish("t", 5)
    one.publish("t", Payload([1], {"a": 2}), acknowledge=True)
    assert other.received == [("t", 5), ("t", Payload([1], {"a": 2}))]
    assert old.received == [("t", 5), ("t", {"args": [1], "kwargs": {"a": 2}})]
    other.unsubscribe("t")
    one.publish("t", 6)
    assert len(other.received) == 2
    assert one.results[one.call("add", 1, 2)] == 3
    assert one.errors[one.call("none")] == ["wamp.error.no_such_procedure", "no procedure none"]
    assert one.received == []


def test_a_client_of_wamp_2_whom_nobody_lets_in():
    client = connect(EchoServer(), subProtocol="wamp.2.json")
    assert (client.status, client.messages) == (426, [])
