"""What a callback raises comes out where the test has caused it."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from ratchet_py import App, CallError, HttpError, MessageComponentInterface, NotAuthorized
from ratchet_py.http import HttpServer, HttpServerInterface
from ratchet_py.server import IoServer
from ratchet_py.testing import connect, connectRaw
from ratchet_py.wamp import Component
from ratchet_py.websocket import WsServer


class Fails(MessageComponentInterface):
    """Fails where it is told to, and notes what its ``onError`` gets."""

    def __init__(self, *names):
        self.names = names
        self.errors = []

    def _do(self, name):
        if name in self.names:
            raise ValueError(name)

    def onOpen(self, conn):
        self._do("onOpen")

    def onMessage(self, conn, msg):
        self._do("onMessage")
        conn.send(msg)

    def onClose(self, conn):
        self._do("onClose")

    def onError(self, conn, exc):
        self.errors.append(exc)
        self._do("onError")


@pytest.mark.parametrize("join", [connect, connectRaw])
def test_on_open(join):
    app = Fails("onOpen")
    with pytest.raises(ValueError, match="onOpen") as caught:
        join(app)
    assert app.errors == [caught.value]
    # Where it happened is to be seen.
    assert caught.traceback[-1].name == "_do"


def test_on_message_and_then_all_goes_on():
    app = Fails("onMessage")
    client = connect(app)
    with pytest.raises(ValueError, match="onMessage"):
        client.send("x")
    app.names = ()
    client.send("x")
    assert client.received == ["x"]


@pytest.mark.parametrize("how", ["close", "disconnect", "halfClose"])
def test_on_close(how, loggedFailures):
    client = connect(Fails("onClose"))
    with pytest.raises(ValueError, match="onClose"):
        getattr(client, how)()
    assert client.closed
    loggedFailures.flush(ValueError)


def test_on_error(loggedFailures):
    client = connect(Fails("onMessage", "onError"))
    with pytest.raises(ExceptionGroup) as caught:
        client.send("x")
    assert [str(each) for each in caught.value.exceptions] == ["onMessage", "onError"]
    assert client.closed == (1006, "")
    loggedFailures.flush(ValueError)


def test_an_on_error_that_only_raises_again(loggedFailures):
    app = Fails("onMessage")

    def onError(conn, exc):
        raise exc

    app.onError = onError
    with pytest.raises(ValueError, match="onMessage"):
        connect(app).send("x")
    loggedFailures.flush(ValueError)


def test_several_at_once():
    client = connectRaw(Fails("onMessage"))
    client.connection.pauseReading()
    client.sendBytes(b"x" * 70_000)
    client.connection.resumeReading()
    with pytest.raises(ExceptionGroup) as caught:
        client.advance(0)
    assert len(caught.value.exceptions) == 2


def test_later():
    class Late(Fails):
        async def onMessage(self, conn, msg):
            from twisted.internet.task import deferLater

            await deferLater(conn.reactor, 5)
            raise ValueError(msg)

    client = connect(Late())
    client.send("x")
    with pytest.raises(ValueError, match="x"):
        client.advance(5)
    client.send("y")
    client.clock.advance(5)
    with pytest.raises(ValueError, match="y"):
        client.ping()


def test_of_a_call():
    class Calls(Component):
        def onCall(self, conn, id, topic, params):
            raise params[0]

    for options in ({}, {"subProtocol": "wamp.2.json"}):
        client = connect(Calls(), **options)
        with pytest.raises(IndexError):
            client.call("x")
        assert len(client.errors) == 1


def test_answers_are_no_errors():
    class Calls(Component):
        def onCall(self, conn, id, topic, params):
            raise NotAuthorized() if str(topic) == "secret" else CallError("http://example.com/no")

    client = connect(Calls())
    client.call("secret")
    client.call("other")
    assert len(client.errors) == 2

    class Refuses(HttpServerInterface):
        def onOpen(self, conn, request):
            raise HttpError(402, "pay first")

        def onMessage(self, conn, msg):
            pass

        def onClose(self, conn):
            pass

        def onError(self, conn, exc):
            pass

    assert connect(Refuses()).status == 402


def test_who_tests_an_on_error_does_not_get_them():
    app = Fails("onMessage")
    client = connect(app, raiseErrors=False)
    client.send("x")
    client.another().send("x")
    assert [str(error) for error in app.errors] == ["onMessage"] * 2
    assert client.server.tally.failures == 2


def test_what_was_counted_before_still_counts():
    app = App()
    app.route("/", Fails("onMessage"))
    connect(app, raiseErrors=False).send("x")
    before = app.server.tally
    client = connect(app)
    with pytest.raises(ValueError, match="onMessage"):
        client.send("x")
    assert (app.server.tally.failures, app.server.tally.connections) == (2, 2)
    assert app.server.tally.refused is before.refused


@pytest.mark.parametrize("join", [connect, connectRaw])
def test_a_stack_that_was_put_together_by_hand_raises_as_well(join):
    app = Fails("onMessage")
    layers = HttpServer(WsServer(app)) if join is connect else app
    server = IoServer(layers, Clock())
    client = join(server)
    for one in (client, join(server)):
        with pytest.raises(ValueError, match="onMessage"):
            one.send("x") if join is connect else one.sendBytes(b"x")


def test_who_joins_a_server_finds_it_as_the_first_client_has_left_it():
    client = connect(Fails("onMessage"), raiseErrors=False)
    connect(client.server).send("x")
    assert client.server.tally.failures == 1
