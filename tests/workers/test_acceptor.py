"""How clients are taken from a socket that several share: here all in one process."""

from __future__ import annotations

import errno
import os
import socket
from types import SimpleNamespace

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, UNIXClientEndpoint, connectProtocol
from twisted.internet.task import Clock, deferLater

from ratchet_py.server import EchoServer, IoServer
from ratchet_py.workers.acceptor import Acceptor, InheritedEndpoint, Share
from ratchet_py.workers.loads import Loads
from ratchet_py.workers.sharing import SharedSockets
from tests.integration.wire import Client


class Workers:
    """Servers that share a socket, and clients of theirs."""

    def __init__(self, endpoint, count=3):
        from twisted.internet import reactor

        self.shared = SharedSockets(reactor)
        self.port = self.shared.open("clients", endpoint)
        self._address = self.port.getHost()
        self._loads = Loads.create(count)
        self.servers = [IoServer(EchoServer(), reactor) for _ in range(count)]
        self.shares = []
        self.clients = []

    async def start(self):
        from twisted.internet import reactor

        for index, server in enumerate(self.servers):
            loads = Loads(self._loads, len(self.servers))
            share = Share(loads, index, lambda server=server: len(server.connections))
            self.shares.append(share)
            fd = os.dup(self.shared.descriptors[0])
            await server.listen(InheritedEndpoint(reactor, fd, share))

    async def connect(self):
        from twisted.internet import reactor

        address = self._address
        endpoint = (
            TCP4ClientEndpoint(reactor, "127.0.0.1", address.port)
            if hasattr(address, "port")
            else UNIXClientEndpoint(reactor, address.name)
        )
        client = await connectProtocol(endpoint, Client())
        self.clients.append(client)
        client.send(b"x")
        while not client._data:
            await client._more("its echo")
        return client

    @property
    def counts(self):
        return [len(server.connections) for server in self.servers]

    async def stop(self):
        for client in self.clients:
            client.reset()
            await client.gone()
        await self.shared.close()
        for server in self.servers:
            await server.close()
        os.close(self._loads)


@pytest.fixture
def workers():
    """``await workers(endpoint)``."""
    all_ = []

    async def start(endpoint="tcp:0:interface=127.0.0.1", **options):
        made = Workers(endpoint, **options)
        all_.append(made)
        await made.start()
        return made

    yield start
    for made in all_:
        pytest_twisted.blockon(Deferred.fromCoroutine(made.stop()))


@pytest.mark.parametrize("kind", ["tcp", "tcp6", "unix"])
@pytest_twisted.ensureDeferred
async def test_clients_are_shared_out_evenly(workers, kind, tmp_path):
    endpoint = {
        "tcp": "tcp:0:interface=127.0.0.1",
        "tcp6": "tcp6:0:interface=\\:\\:",
        "unix": f"unix:{tmp_path}/s:mode=640",
    }[kind]
    served = await workers(endpoint)
    for _ in range(30):
        await served.connect()
    # Each may take one out of turn that comes in the moment in which it looks again.
    assert min(served.counts) >= 7
    if kind == "unix":
        await served.servers[0].close()
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o640


@pytest_twisted.ensureDeferred
async def test_one_that_has_lost_its_clients_gets_the_next_ones(workers):
    served = await workers(count=2)
    for _ in range(20):
        await served.connect()
    for conn in tuple(served.servers[0].connections):
        conn.abort()
    while served.servers[0].connections:
        await aTurn()
    for _ in range(10):
        await served.connect()
    assert min(served.counts) >= 7


@pytest_twisted.ensureDeferred
async def test_one_that_has_the_fewest_and_does_not_answer_is_not_waited_for(workers):
    served = await workers(count=2)
    served.shares[1]._loads.put(1, 0)
    served.servers[1].ports[0].doRead = lambda: None
    for _ in range(5):
        await served.connect()
    assert served.counts == [5, 0]


@pytest_twisted.ensureDeferred
async def test_one_that_takes_nobody_any_more_leaves_them_to_the_others(workers):
    served = await workers(count=2)
    await served.servers[1].close()
    for _ in range(5):
        await served.connect()
    assert served.counts == [5, 0]


@pytest_twisted.ensureDeferred
async def test_when_the_parent_shuts_the_socket_down_nobody_is_let_in(workers):
    served = await workers(count=2)
    client = await served.connect()
    await served.shared.close()
    with pytest.raises(Exception, match="refused"):
        await served.connect()
    await aTurn()
    # Those who are here stay.
    client.send(b"y")
    while client._data != b"xy":
        await client._more("its echo")


async def aTurn():
    from twisted.internet import reactor

    await deferLater(reactor, 0)


class Listening:
    """Stands for a socket that cannot accept."""

    def __init__(self, *results):
        self.results = list(results)

    def setblocking(self, blocking):
        pass

    def accept(self):
        raise OSError(self.results.pop(0), "no")

    def close(self):
        self.results = None


class Reactor(Clock):
    """A clock that knows who is read."""

    def __init__(self):
        super().__init__()
        self.readers = set()

    def addReader(self, reader):
        self.readers.add(reader)

    def removeReader(self, reader):
        self.readers.discard(reader)


@pytest.fixture
def acceptor():
    """``acceptor(errors)`` is one whose socket fails so."""
    made = []

    def make(*results):
        fd = Loads.create(1)
        share = Share(Loads(fd, 1), 0, lambda: 0)
        os.close(fd)
        factory = SimpleNamespace(doStart=lambda: None, doStop=lambda: None)
        one = Acceptor(Reactor(), Listening(*results), factory, share)
        made.append(one)
        one.startListening()
        return one

    yield make
    for one in made:
        one.stopListening()
        assert not one._reactor.readers
        assert not one._reactor.getDelayedCalls()


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ECONNABORTED, errno.EPERM])
def test_a_client_that_is_gone_already(acceptor, number):
    one = acceptor(number)
    one.doRead()
    assert one in one._reactor.readers


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_without_room_it_waits_and_does_not_spin(acceptor, number):
    one = acceptor(number, errno.EAGAIN)
    one.doRead()
    assert one not in one._reactor.readers
    one._reactor.advance(1)
    assert one in one._reactor.readers


def test_it_stops_while_it_waits(acceptor):
    one = acceptor(errno.EMFILE)
    one.doRead()
    one.stopListening()
    one.stopListening()


def test_a_socket_that_is_shut_down_is_not_read_any_more(acceptor):
    one = acceptor(errno.EINVAL)
    one.doRead()
    assert not one._reactor.readers


@pytest_twisted.ensureDeferred
async def test_its_address():
    from twisted.internet import reactor

    shared = SharedSockets(reactor)
    port = shared.open("clients", "tcp:0:interface=127.0.0.1")
    one = Acceptor(reactor, socket.socket(fileno=os.dup(port.fileno())), None, None)
    assert one.getHost() == port.getHost()
    one._socket.close()
    await shared.close()
