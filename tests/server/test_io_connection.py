"""The raw connection, in memory; ``test_transports`` has it on every kind of socket."""

from __future__ import annotations

import pytest
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from ratchet_py import AbstractConnectionDecorator, Component, Limits, MessageComponentInterface
from ratchet_py.server.io_connection import writesDirectly
from ratchet_py.testing import connectRaw

MEBIBYTE = bytes(1 << 20)


class App(MessageComponentInterface):
    """Does what the test gives it to do."""

    def __init__(self, **callbacks):
        self.callbacks = callbacks
        self.told = []
        self.errors = []

    def _tell(self, name, conn, *args):
        self.told.append(name)
        callback = self.callbacks.get(name)
        return None if callback is None else callback(conn, *args)

    def onOpen(self, conn):
        self.conn = conn
        return self._tell("onOpen", conn)

    def onMessage(self, conn, msg):
        return self._tell("onMessage", conn, msg)

    def onClose(self, conn):
        return self._tell("onClose", conn)

    def onError(self, conn, exc):
        self.errors.append(exc)
        return self._tell("onError", conn)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def join(clock):
    """Connect a client to an application with these callbacks: (client, app)."""
    clients = []

    def join(limits=Limits(), raiseErrors=True, **callbacks):  # noqa: B008
        app = App(**callbacks)
        clients.append(connectRaw(app, clock, limits, raiseErrors=raiseErrors))
        return clients[-1], app

    yield join
    for client in clients:
        client.disconnect()
    clock.advance(0)
    assert clock.getDelayedCalls() == []
    assert not any(client.server.connections for client in clients)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: data.decode()])
def test_what_may_be_sent(kind, join):
    client, app = join()
    assert app.conn.send(kind(b"x\xc3\xa4")) is app.conn
    assert client.data == b"x\xc3\xa4"


def test_each_connection_has_its_number_and_its_address(join):
    client, _ = join()
    other = client.another(address="192.0.2.9")
    assert client.connection.remoteAddress == "127.0.0.1"
    assert other.connection.remoteAddress == "192.0.2.9"
    assert client.connection.resourceId < other.connection.resourceId
    other.disconnect()


def test_a_unix_client_has_no_address(join):
    client, _ = join()
    assert client.server.buildProtocol(UNIXAddress(None)).remoteAddress == ""
    assert client.server.buildProtocol(None).remoteAddress == ""


def test_answers_to_one_read_go_out_in_one_write(join):
    def onMessage(conn, msg):
        for byte in msg:
            conn.send(bytes([byte]))
        written.append(client.data)

    written = []
    client, _ = join(onMessage=onMessage)
    client.sendBytes(b"abc")
    assert written == [b""]
    assert client.data == b"abc"


def test_what_others_are_sent_goes_out_at_once(join):
    client, app = join(onMessage=lambda conn, msg: told.append((first.send(msg), client.data)))
    told, first = [], app.conn
    second = client.another()
    second.sendBytes(b"x")
    assert told == [(first, b"x")]
    second.disconnect()


def test_a_long_answer_does_not_wait_for_the_end_of_the_read(join):
    client, _ = join(onMessage=lambda conn, msg: seen.append((conn.send(MEBIBYTE), client.data)))
    seen = []
    client.sendBytes(b"x")
    assert len(seen[0][1]) == len(client.data) == len(MEBIBYTE)


def test_an_abort_forgets_what_was_to_go_out_with_the_read(join):
    client, app = join(onMessage=lambda conn, msg: conn.send(b"x").abort())
    client.sendBytes(b"x")
    assert client.data == b""
    assert app.told == ["onOpen", "onMessage", "onClose"]


def test_a_close_sends_what_was_to_go_out_with_the_read(join):
    client, app = join(onMessage=lambda conn, msg: conn.send(b"bye").close())
    client.sendBytes(b"x")
    assert client.data == b"bye"
    assert app.told == ["onOpen", "onMessage", "onClose"]


def test_bytes_that_wait_are_counted(join):
    client, app = join()
    client.stall()
    app.conn.send(MEBIBYTE)
    app.conn.send(b"x" * 10)
    assert 1 << 19 < app.conn.bufferedAmount <= len(MEBIBYTE) + 10
    client.unstall()
    assert app.conn.bufferedAmount == 0
    assert client.data == MEBIBYTE + b"x" * 10


def test_a_client_that_takes_nothing_is_not_read(join):
    """It shall not make us produce more answers that it does not take."""
    client, app = join(onMessage=lambda conn, msg: conn.send(MEBIBYTE) and None)
    client.stall()
    client.sendBytes(b"x")
    assert app.conn.readingPaused
    client.sendBytes(b"x")
    assert app.told == ["onOpen", "onMessage"]
    client.unstall()
    assert not app.conn.readingPaused
    client.clock.advance(0)
    assert app.told == ["onOpen", "onMessage", "onMessage"]


def test_pauses_nest(join):
    client, app = join()
    app.conn.pauseReading()
    app.conn.pauseReading()
    client.sendBytes(b"x")
    app.conn.resumeReading()
    client.clock.advance(0)
    assert app.told == ["onOpen"]
    app.conn.resumeReading()
    client.clock.advance(0)
    assert app.told == ["onOpen", "onMessage"]


def test_a_pause_of_the_application_outlives_one_of_the_backlog(join):
    client, app = join()
    client.stall()
    app.conn.pauseReading()
    app.conn.send(MEBIBYTE)
    client.unstall()
    assert app.conn.readingPaused
    app.conn.resumeReading()
    assert not app.conn.readingPaused


def test_a_client_that_takes_nothing_for_too_long_is_dropped(join, clock):
    client, app = join(Limits(stallTimeout=60))
    client.stall()
    app.conn.send(MEBIBYTE)
    clock.advance(59)
    assert not client.isClosed
    clock.advance(1)
    clock.advance(0)
    assert app.told == ["onOpen", "onClose"]


def test_a_raw_client_with_too_much_waiting_is_dropped(join):
    client, app = join(Limits(sendBuffer=1 << 20))
    client.stall()
    app.conn.send(MEBIBYTE * 4)  # one may always go
    app.conn.send(b"x")
    client.clock.advance(0)
    assert app.told == ["onOpen", "onClose"]


def test_a_layer_of_the_application_does_not_lift_that_limit(join, clock):
    class Layer(Component):
        def wrap(self, conn):
            return AbstractConnectionDecorator(conn)

    app = App()
    client = connectRaw(Layer(app), clock, Limits(sendBuffer=1 << 20))
    client.stall()
    app.conn.send(MEBIBYTE * 4)
    app.conn.send(b"x")
    clock.advance(0)
    assert client.isClosed


def test_a_close_waits_for_what_was_sent(join, clock):
    client, app = join(Limits(closeTimeout=5))
    client.stall()
    app.conn.send(MEBIBYTE)
    app.conn.close()
    app.conn.send(b"too late")
    clock.advance(4)
    assert not client.isClosed
    client.unstall()
    assert client.data == MEBIBYTE
    assert app.told == ["onOpen", "onClose"]


def test_a_close_does_not_wait_for_ever(join, clock):
    client, app = join(Limits(closeTimeout=5))
    client.stall()
    app.conn.send(MEBIBYTE)
    app.conn.close()
    clock.advance(5)
    clock.advance(0)
    assert client.isClosed
    assert app.told == ["onOpen", "onClose"]


@pytest.mark.parametrize("act", ["close", "abort"])
def test_what_was_kept_is_not_delivered_after_a_close(act, join):
    until = Deferred()
    client, app = join(onOpen=lambda conn: until)
    # TLS hands up what it has read already although it has been paused.
    client.connection.dataReceived(b"x")
    getattr(app.conn, act)()
    until.callback(None)
    client.clock.advance(0)
    assert app.told == ["onOpen", "onClose"]


def test_when_drained(join):
    client, app = join()
    assert app.conn.whenDrained().called
    client.stall()
    app.conn.send(MEBIBYTE)
    first, second = app.conn.whenDrained(), app.conn.whenDrained()
    assert not first.called
    client.unstall()
    assert (first.result, second.result) == (None, None)


def test_waiting_for_the_drain_holds_back_nothing_that_follows(join):
    client, app = join()
    app.conn.whenDrained()
    app.conn.send(b"x")
    assert client.data == b"x"


def test_a_drain_that_never_comes_fails(join):
    client, app = join()
    client.stall()
    app.conn.send(MEBIBYTE)
    failures = []
    app.conn.whenDrained().addErrback(failures.append)
    client.disconnect()
    assert len(failures) == 1


def test_half_a_close_by_the_client_lets_the_rest_out(join):
    client, app = join(onMessage=lambda conn, msg: conn.send(MEBIBYTE) and None)
    client.stall()
    client.sendBytes(b"x")
    client.halfClose()
    client.unstall()
    client.clock.advance(0)
    assert client.data == MEBIBYTE
    assert app.told == ["onOpen", "onMessage", "onClose"]


def test_what_a_layer_below_the_application_fails_with_reaches_its_own_on_error(join):
    client, app = join(raiseErrors=False, onMessage=lambda conn, msg: conn.send(object()))
    client.sendBytes(b"x")
    assert [type(error) for error in app.errors] == [TypeError]
    assert not client.isClosed


def test_the_last_net_catches_one_connection(join, monkeypatch, loggedFailures):
    client, app = join()
    other = client.another()

    def fail(msg):
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(type(client.connection._gate), "message", lambda gate, msg: fail(msg))
    client.sendBytes(b"x")
    monkeypatch.undo()
    assert client.isClosed
    assert len(loggedFailures.flush(ZeroDivisionError)) == 1
    other.sendBytes(b"x")
    assert app.told[-1] == "onMessage"
    other.disconnect()


def test_only_a_bare_socket_is_written_to_directly(join):
    client, _ = join()

    class Forwarding:
        """As TLS does: it has whatever the socket below has."""

        TLS = False

        def writeSomeData(self, data):
            raise AssertionError("in clear")

    assert not writesDirectly(Forwarding())
    assert not writesDirectly(client.transport)
