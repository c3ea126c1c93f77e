"""The component that passes everything on."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from ratchet_py import AbstractConnectionDecorator, Component, MessageComponentInterface
from ratchet_py.server import EchoServer
from ratchet_py.testing import connect, connectRaw


class Shouting(AbstractConnectionDecorator):
    __slots__ = ()

    def send(self, data):
        self.wrappedConn.send(data.upper())
        return self


class Shout(Component):
    def wrap(self, conn):
        return Shouting(conn)


class Recorder(MessageComponentInterface):
    def __init__(self, fails=()):
        self.fails = fails
        self.told = []

    def _tell(self, name, conn):
        self.told.append((name, conn))
        if name in self.fails:
            raise ZeroDivisionError("boom")

    def onOpen(self, conn):
        self._tell("onOpen", conn)

    def onMessage(self, conn, msg):
        self._tell("onMessage", conn)
        conn.send(msg)

    def onClose(self, conn):
        self._tell("onClose", conn)

    def onError(self, conn, exc):
        self._tell("onError", conn)


def test_it_changes_nothing():
    client = connect(Component(EchoServer()))
    client.send("hello")
    client.send(b"\xff")
    assert client.received == ["hello", b"\xff"]


def test_it_fits_directly_on_sockets():
    client = connectRaw(Component(EchoServer()))
    client.sendBytes(b"hello")
    assert client.data == b"hello"


def test_the_component_above_gets_one_wrapped_connection_for_a_client():
    app = Recorder()
    client = connect(Shout(app))
    client.send("hello")
    assert client.received == ["HELLO"]
    client.close()
    names = [name for name, _ in app.told]
    assert names == ["onOpen", "onMessage", "onClose"]
    [conn] = {conn for _, conn in app.told}
    assert type(conn) is Shouting


@pytest.mark.parametrize("fails", ["onOpen", "onMessage", "onClose"])
def test_on_error_gets_the_same_connection(fails, loggedFailures):
    app = Recorder([fails])
    client = connect(Shout(app), raiseErrors=False)
    client.send("hello")
    client.close()
    assert [name for name, _ in app.told].count("onError") == 1
    assert {type(conn) for _, conn in app.told} == {Shouting}
    assert bool(loggedFailures.flush(ZeroDivisionError)) == (fails == "onClose")


def test_on_error_of_an_async_on_close_gets_the_same_connection(loggedFailures):
    until = Deferred()
    app = Recorder()
    app.onClose = lambda conn: until
    client = connect(Shout(app))
    client.disconnect()
    until.errback(ZeroDivisionError("boom"))
    assert [(name, type(conn)) for name, conn in app.told[1:]] == [("onError", Shouting)]
    assert len(loggedFailures.flush(ZeroDivisionError)) == 1


def test_what_the_component_above_says_counts():
    class Above(EchoServer):
        serial = True

        def getSubProtocols(self):
            return ["chat"]

    layer = Component(Component(Above()))
    assert layer.serial
    assert layer.getSubProtocols() == ["chat"]
    assert connect(layer, subProtocols=["chat"]).headers["sec-websocket-protocol"] == "chat"
    assert not Component(EchoServer()).serial
    assert Component(EchoServer()).getSubProtocols() == []


def test_several_layers_wrap_one_in_the_other():
    class Twice(AbstractConnectionDecorator):
        __slots__ = ()

        def send(self, data):
            self.wrappedConn.send(data + data)
            return self

    class Double(Component):
        def wrap(self, conn):
            return Twice(conn)

    client = connect(Shout(Double(EchoServer())))
    client.send("a")
    assert client.received == ["AA"]
