"""Who is still there."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from ratchet_py import AbstractConnectionDecorator, Component, MessageComponentInterface
from ratchet_py.http import HttpServer
from ratchet_py.http.interfaces import HttpServerInterface
from ratchet_py.server import IoServer
from ratchet_py.testing import WebSocketClient
from ratchet_py.websocket import WsServer


class App(MessageComponentInterface):
    def __init__(self):
        self.conns = []

    def onOpen(self, conn):
        self.conns.append(conn)

    def onMessage(self, conn, msg):
        pass

    def onClose(self, conn):
        self.conns.remove(conn)

    def onError(self, conn, exc):
        pass


class Served:
    def __init__(self, below=lambda ws: ws):
        self.app = App()
        self.clock = Clock()
        self.ws = WsServer(self.app)
        self.ws.enableKeepAlive(interval=30)
        self.server = IoServer(HttpServer(below(self.ws)), self.clock)

    def connect(self, answers=True):
        client = WebSocketClient(self.server)
        if not answers:
            client.sendLater = lambda data: None
        return client

    def wait(self, seconds):
        self.clock.advance(seconds)
        self.clock.advance(0)


@pytest.fixture
def served():
    return Served()


def test_a_client_that_answers_stays(served):
    client = served.connect()
    for count in range(1, 5):
        served.wait(30)
        assert client.pings == [b""] * count
    assert not client.isClosed


def test_a_client_that_is_silent_is_dropped_after_two_intervals(served):
    client = served.connect(answers=False)
    served.wait(59)
    assert client.pings == [b""]
    assert not client.isClosed
    served.wait(1)
    assert client.isClosed
    assert served.app.conns == []


def test_any_byte_is_a_sign_of_life(served):
    client = served.connect(answers=False)
    for _ in range(10):
        served.wait(29)
        client.sendBytes(b"\x81")  # the beginning of a frame that never comes
        assert not client.isClosed


def test_who_is_not_read_cannot_show_that_it_lives(served):
    client = served.connect(answers=False)
    conn = served.app.conns[0]
    served.wait(30)
    assert client.pings == [b""]
    conn.pauseReading()
    for _ in range(4):
        served.wait(30)
    assert not client.isClosed
    # It has a whole interval from then on.
    conn.resumeReading()
    served.wait(30)
    assert not client.isClosed
    served.wait(30)
    assert client.isClosed


def test_a_closing_client_is_left_to_the_close_timeout(served):
    client = served.connect(answers=False)
    served.wait(28)
    served.app.conns[0].close()
    served.wait(4)
    assert client.pings == []
    served.wait(1)
    assert client.isClosed


def test_without_clients_nothing_runs(served):
    assert served.clock.getDelayedCalls() == []
    client = served.connect()
    other = served.connect()
    client.disconnect()
    assert len(served.clock.getDelayedCalls()) == 1
    other.disconnect()
    assert served.clock.getDelayedCalls() == []
    again = served.connect()
    served.wait(30)
    assert again.pings == [b""]
    again.disconnect()


def test_it_can_be_enabled_anew(served):
    client = served.connect()
    served.ws.enableKeepAlive(served.clock, 5)
    served.wait(5)
    assert client.pings == [b""]
    served.wait(25)
    assert client.pings == [b""] * 2  # of one loop; the other has ended
    client.disconnect()
    assert served.clock.getDelayedCalls() == []


def test_one_client_that_cannot_be_pinged_is_dropped_and_the_others_are_pinged(loggedFailures):
    class Broken(AbstractConnectionDecorator):
        __slots__ = ()

        def send(self, data):
            if data == b"\x89\x00" and self.resourceId == broken.connection.resourceId:
                raise ZeroDivisionError("boom")
            return super().send(data)

    class Layer(Component, HttpServerInterface):
        serial = False

        def wrap(self, conn):
            return Broken(conn)

    served = Served(below=Layer)
    broken, other = served.connect(), served.connect()
    served.wait(30)
    assert broken.isClosed
    served.wait(30)
    assert other.pings == [b""] * 2
    assert len(loggedFailures.flush(ZeroDivisionError)) == 1
