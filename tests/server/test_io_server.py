"""The factory: listening, closing everybody, forgetting who is gone."""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock

from ratchet_py import AbstractConnectionDecorator, Component, Limits
from ratchet_py.errors import LocalError
from ratchet_py.server import EchoServer, IoServer
from ratchet_py.testing import connect, connectRaw


def fires(deferred):
    """A list that is filled when the Deferred fires."""
    fired = []
    deferred.addCallback(lambda _: fired.append(True))
    return fired


def test_it_knows_its_connections():
    first = connectRaw(EchoServer())
    second = first.another()
    assert first.server.connections == {first.connection, second.connection}
    first.disconnect()
    assert first.server.connections == {second.connection}
    second.disconnect()
    assert not first.server.connections


def test_the_reactor_is_the_one_it_was_given():
    clock = Clock()
    server = IoServer(EchoServer(), clock)
    assert server.loop is clock
    server.loop = other = Clock()
    assert connectRaw(server).connection.reactor is other


def test_without_one_it_is_twisteds_own():
    from twisted.internet import reactor

    assert IoServer(EchoServer()).loop is reactor


def test_close_takes_leave_of_everybody_in_their_own_protocol():
    client = connect(EchoServer())
    raw = connectRaw(client.server)
    closed = fires(client.server.close())
    assert not closed
    client.clock.advance(0)
    assert (client.closeCode, client.closeReason) == (1001, "server is shutting down")
    assert raw.isClosed
    client.clock.advance(0)
    assert closed
    assert not client.server.connections


def test_close_without_clients_has_nothing_to_wait_for():
    assert fires(IoServer(EchoServer(), Clock()).close())


def test_close_waits_no_longer_than_the_close_timeout():
    client = connect(EchoServer(), limits=Limits(closeTimeout=5))
    client.sendLater = lambda data: None  # it does not answer
    closed = fires(client.server.close())
    client.clock.advance(4.9)
    assert not closed
    client.clock.advance(0.1)
    client.clock.advance(0)
    assert closed


def test_abort_drops_everybody():
    client = connectRaw(EchoServer())
    other = client.another()
    client.server.abort()
    client.clock.advance(0)
    assert client.isClosed
    assert other.isClosed


def test_a_wrapper_that_cannot_close_stops_nobody_elses_close(loggedFailures):
    class Stubborn(AbstractConnectionDecorator):
        __slots__ = ()

        def close(self):  # as it would be in PHP
            self.wrappedConn.close()

    class Layer(Component):
        def wrap(self, conn):
            return Stubborn(conn)

    client = connectRaw(Layer(EchoServer()))
    others = [client.another() for _ in range(2)]
    closed = fires(client.server.close())
    client.clock.advance(0)
    assert all(each.isClosed for each in (client, *others))
    assert closed
    assert len(loggedFailures.flush(TypeError)) == 3


@pytest_twisted.ensureDeferred
async def test_factory_listens_as_in_ratchet():
    server = IoServer.factory(EchoServer(), 0, "127.0.0.1")
    port = server.ports[0].getHost().port
    with pytest.raises(CannotListenError):
        IoServer.factory(EchoServer(), port, "127.0.0.1")
    await server.close()
    assert server.ports == []


@pytest_twisted.ensureDeferred
async def test_run_ends_the_program_where_it_cannot_listen():
    server = IoServer.factory(EchoServer(), 0, "127.0.0.1")
    port = server.ports[0].getHost().port
    with pytest.raises(SystemExit, match=rf"^ratchet: Couldn't listen on 127.0.0.1:{port}: "):
        IoServer(EchoServer()).run(f"tcp:{port}:interface=127.0.0.1")
    await server.close()


@pytest_twisted.ensureDeferred
async def test_of_several_endpoints_all_are_opened_or_none():
    server = IoServer(EchoServer())
    tcp = "tcp:{}:interface=127.0.0.1".format
    first, second = await server.listen(tcp(0), tcp(0))
    assert server.ports == [first, second]
    other = IoServer(EchoServer())
    [port] = await other.listen(tcp(0))
    attempt = other.listen(tcp(0), tcp(first.getHost().port))
    assert attempt.called  # who starts a server learns of it at once
    with pytest.raises(CannotListenError):
        await attempt
    assert other.ports == [port]  # what was open before stays open
    await server.close()
    await other.close()


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("nonsense:1", "Unknown endpoint type"),
        ("tcp:nonsense", "invalid literal"),
        ("tcp:0:nonsense=1", "nonsense"),
        ("ssl:0:privateKey=nonsense.pem", "nonsense.pem"),
        ("unix:/nonsense/nowhere", "/nonsense/nowhere"),
        ("systemd:domain=INET:index=0", "systemd has handed over no such socket"),
        ("systemd:domain=INET:name=nonsense", "systemd has handed over no such socket"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_is_no_endpoint_is_a_failure_that_names_it(endpoint, why):
    with pytest.raises(LocalError, match=why) as caught:
        await IoServer(EchoServer()).listen(endpoint)
    assert str(caught.value).startswith(f"cannot listen on {endpoint!r}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint", "backlog"),
    [
        ("tcp:0:interface=127.0.0.1", 1024),
        ("tcp:0:backlog=7:interface=127.0.0.1", 7),
        ("haproxy:tcp:0:interface=127.0.0.1", 1024),
        ("unix:{}/socket", 1024),
    ],
)
@pytest_twisted.ensureDeferred
async def test_many_may_wait_to_be_accepted(endpoint, backlog, tmp_path):
    server = IoServer(EchoServer())
    [port] = await server.listen(endpoint.format(tmp_path))
    assert port.backlog == backlog
    await server.close()
