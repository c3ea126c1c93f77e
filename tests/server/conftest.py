"""Real servers over every kind of transport, and clients for them."""

from __future__ import annotations

import socket

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
    wrapClientTLS,
)
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import CertificateOptions

from ratchet_py import Limits, MessageComponentInterface
from ratchet_py.server import IoServer, io_connection

# Longer than anything here takes; only what hangs gets there.
PATIENCE = 60

# No test is to pass because a time limit came to its help.
LIMITS = Limits(closeTimeout=600, stallTimeout=600, handshakeTimeout=600, sendBuffer=64 << 20)

PROXY_HEADER = b"PROXY TCP4 198.51.100.7 192.0.2.1 40000 80\r\n"

# A transport, and how it is written to. TCP and UNIX sockets are also tried in the way that is not
# theirs, so that both ways are known to work on a bare socket.
TRANSPORTS = [
    "tcp-direct",
    "tcp-buffered",
    "unix-direct",
    "unix-buffered",
    "ssl-buffered",
    "haproxy-buffered",
]


class Application(MessageComponentInterface):
    """Does what the test gives it to do, and notes what it is told.

    Attributes:
        told: The callbacks that were called, with the connection's number.
        conns: The connections, in the order they came.
    """

    def __init__(self, **callbacks):
        self.callbacks = callbacks
        self.told = []
        self.conns = []
        self._waiting = []

    def _tell(self, name, conn, *args):
        if conn not in self.conns:
            self.conns.append(conn)
        self.told.append((name, self.conns.index(conn)))
        try:
            callback = self.callbacks.get(name)
            return None if callback is None else callback(conn, *args)
        finally:
            waiting, self._waiting = self._waiting, []
            for deferred in waiting:
                conn.reactor.callLater(0, deferred.callback, None)

    def onOpen(self, conn):
        return self._tell("onOpen", conn)

    def onMessage(self, conn, msg):
        return self._tell("onMessage", conn, msg)

    def onClose(self, conn):
        return self._tell("onClose", conn)

    def onError(self, conn, exc):
        return self._tell("onError", conn, exc)

    async def until(self, name, number=0):
        """Wait until something has been told of a connection."""
        while (name, number) not in self.told:
            self._waiting.append(Deferred())
            await patient(self._waiting[-1])


class Client(Protocol):
    """Takes what it is sent, when it is not paused."""

    def __init__(self, greeting=b""):
        self.received = bytearray()
        self.lost = Deferred()
        self.reason = None
        self.onLost = None
        self._greeting = greeting
        self._wanted = 0
        self._waiting = None

    def connectionMade(self):
        self.transport.write(self._greeting)

    def dataReceived(self, data):
        self.received += data
        if self._waiting is not None and len(self.received) >= self._wanted:
            waiting, self._waiting = self._waiting, None
            waiting.callback(None)

    def connectionLost(self, reason):
        self.reason = reason.type
        if self.onLost is not None:
            self.onLost()
        self.lost.callback(None)

    async def send(self, data):
        self.transport.write(data)

    async def receive(self, count):
        """Wait for so many bytes and take them out."""
        if len(self.received) < count:
            self._wanted, self._waiting = count, Deferred()
            await patient(self._waiting)
        data = bytes(self.received[:count])
        del self.received[:count]
        return data

    async def end(self):
        """Wait for the end; what has been received until then."""
        await patient(self.lost)
        return bytes(self.received)


def patient(deferred):
    """What hangs fails the test."""
    from twisted.internet import reactor

    return deferred.addTimeout(PATIENCE, reactor)


class Served:
    """A server over one kind of transport."""

    def __init__(self, kind, folder, certificate, application, limits):
        from twisted.internet import reactor

        self.reactor = reactor
        self.kind = kind
        self.folder = folder
        self.certificate = certificate
        self.app = application
        self.server = IoServer(application, reactor, limits)
        self.clients = []

    async def listen(self, smallBuffer=False):
        path = self.folder / "socket"
        endpoint = {
            "tcp": "tcp:0:interface=127.0.0.1",
            "unix": f"unix:{path}",
            "ssl": f"ssl:0:interface=127.0.0.1:privateKey={self.certificate}",
            "haproxy": "haproxy:tcp:0:interface=127.0.0.1",
        }[self.kind]
        [self.port] = await self.server.listen(endpoint)
        if smallBuffer:
            # Sockets inherit it from the one that accepts them; a UNIX socket has its peer's.
            self.port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    async def connect(self, port=None, protocols=None):
        """A client; ``port`` if it is to go by way of another TCP port.

        ``protocols`` is what it asks for within TLS.
        """
        if self.kind == "unix":
            endpoint = UNIXClientEndpoint(self.reactor, str(self.folder / "socket"))
        else:
            port = self.port.getHost().port if port is None else port
            endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", port)
        if self.kind == "ssl":
            endpoint = wrapClientTLS(
                CertificateOptions(verify=False, acceptableProtocols=protocols), endpoint
            )
        client = Client(PROXY_HEADER if self.kind == "haproxy" else b"")
        self.clients.append(client)
        return await patient(connectProtocol(endpoint, client))

    async def stop(self):
        for client in self.clients:
            if not client.lost.called:
                client.transport.abortConnection()
                await client.end()
        await patient(self.server.close())
        assert not self.server.connections


@pytest.fixture
def serve(tmp_path, certificate, monkeypatch):
    """Serve callbacks over a transport of ``TRANSPORTS``: ``await serve(transport, onOpen=...)``.

    The test ends with ``await served.stop()``.
    """

    async def serve(transport, limits=LIMITS, smallBuffer=False, **callbacks):
        kind, way = transport.split("-")
        if kind in ("tcp", "unix") and way == "buffered":
            monkeypatch.setattr(io_connection, "writesDirectly", lambda transport: False)
        served = Served(kind, tmp_path, certificate, Application(**callbacks), limits)
        await served.listen(smallBuffer)
        return served

    return serve


@pytest.fixture(params=TRANSPORTS)
def transport(request):
    return request.param


@pytest.fixture
def connectionDone():
    return ConnectionDone
