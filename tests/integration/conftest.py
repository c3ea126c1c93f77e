"""Real servers in this process's reactor, and clients on raw sockets."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.logger import LogLevel, formatEvent, globalLogPublisher

from ratchet_py import App
from ratchet_py.interfaces import MessageComponentInterface
from ratchet_py.limits import Limits
from ratchet_py.wamp import WampServerInterface
from tests.integration.process import Process
from tests.integration.wire import Client, patient, request

ROOT = Path(__file__).parent.parent.parent


class Recording:
    """What has happened to an application, in order, and a way to wait for it."""

    def __init__(self):
        self.events = []
        self.conns = []
        self._waiting = []
        self._reactor = None

    def note(self, *event):
        self.events.append(event[0] if len(event) == 1 else event)
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            # In a later turn: who waits is not to run inside the application's callback.
            self._reactor.callLater(0, deferred.callback, None)

    async def until(self, event, times=1):
        """Wait until something has happened so many times."""
        from twisted.internet import reactor

        self._reactor = reactor
        while self.events.count(event) < times:
            self._waiting.append(Deferred())
            await patient(self._waiting[-1], f"{event}; there was {self.events[-20:]}")


class Echo(Recording, MessageComponentInterface):
    """Notes everything, and echoes."""

    def onOpen(self, conn):
        self.conns.append(conn)
        self.note("open")

    def onMessage(self, conn, msg):
        self.note("message", msg)
        conn.send(msg)

    def onClose(self, conn):
        self.note("close")

    def onError(self, conn, exc):
        self.note("error", str(exc))


class PubSub(Recording, WampServerInterface):
    """The documentation's own example, which also notes everything."""

    def onPublish(self, conn, topic, event, exclude, eligible):
        self.note("publish", str(topic), event, exclude, eligible)
        topic.broadcast(event, exclude, eligible)

    def onCall(self, conn, id, topic, params):
        self.note("call", id, str(topic), params)
        conn.callError(id, topic, "RPC not supported on this demo")

    def onSubscribe(self, conn, topic):
        self.note("subscribe", str(topic))

    def onUnSubscribe(self, conn, topic):
        self.note("unsubscribe", str(topic))

    def onOpen(self, conn):
        self.conns.append(conn)
        self.note("open")

    def onClose(self, conn):
        self.note("close")

    def onError(self, conn, exc):
        self.note("error", str(exc))


class Served:
    """A server that listens, and its clients.

    Attributes:
        app: The App.
        port: Where it listens, on 127.0.0.1.
    """

    def __init__(self, app, ports):
        self.app = app
        self.port = ports[0].getHost().port
        self._clients = []

    async def client(self, data=b""):
        """A raw connection, which has sent these bytes."""
        from twisted.internet import reactor

        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
        client = await connectProtocol(endpoint, Client())
        client.transport.setTcpNoDelay(True)
        self._clients.append(client)
        client.send(data)
        return client

    async def open(self, path="/", **fields):
        """A client whose handshake is done."""
        client = await self.client(request(f"GET {path} HTTP/1.1", **fields))
        response = await client.response()
        assert response.status == 101, response
        client.headers = response.headers
        return client

    async def wamp(self, path="/"):
        """A client that has had its welcome."""
        client = await self.open(path, Sec_WebSocket_Protocol="wamp")
        kind, client.id, version, _ = await client.heard()
        assert (kind, version) == (0, 1)
        return client

    async def stop(self):
        for client in self._clients:
            if client.lost is None:
                client.reset()
                await client.gone()
        await self.app.close()
        assert not self.app.server.connections


@pytest.fixture
def serve():
    """``await serve(controller, path="/", limits=...)``, or with a mapping of paths."""
    all_ = []

    async def start(controllers, *, host="localhost", port=0, origins=(), limits=None, **options):
        from twisted.internet import reactor

        app = App(host, port, "127.0.0.1", reactor=reactor, limits=limits or Limits(), **options)
        if not isinstance(controllers, dict):
            controllers = {"/": controllers}
        for path, controller in controllers.items():
            app.route(path, controller, origins)
        served = Served(app, await app.listen())
        all_.append(served)
        return served

    yield start
    for served in all_:
        pytest_twisted.blockon(Deferred.fromCoroutine(served.stop()))


class Remote(Served):
    """A server elsewhere."""

    def __init__(self, port):
        self.port = port
        self._clients = []


@pytest.fixture
def spawn(tmp_path):
    """``await spawn(program)`` gives a process that serves, and a way to connect to it.

    The program is ``server.py`` in the process's folder; ``command`` is what Python gets, the file
    if nothing else is said. The process says its port in the words of ``pattern``.
    """
    started = []

    async def spawn(program, command=("server.py",), pattern=r"port (\d+)", shell=None, **options):
        from twisted.internet import reactor

        (tmp_path / "server.py").write_text(program, encoding="utf-8")
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        arguments = [sys.executable, *command]
        if shell is not None:
            arguments = ["/bin/sh", "-c", f'{shell}; exec "$@"', "sh", *arguments]
        process = Process()
        reactor.spawnProcess(
            process,
            arguments[0],
            arguments,
            {**os.environ, "PYTHONPATH": path},
            str(tmp_path),
            **options,
        )
        started.append(process)
        return process, Remote(int((await process.said(pattern))[1]))

    yield spawn
    for process in started:
        if process.status is None:
            process.send("KILL")
            pytest_twisted.blockon(Deferred.fromCoroutine(process.end()))


class Bystander:
    """A client that must notice nothing of what another one does."""

    def __init__(self, client):
        self._client = client
        self._number = 0

    async def isServed(self):
        """It is still answered, and the answer is the first thing it gets."""
        self._number += 1
        id = f"bystander {self._number}"
        self._client.say(2, id, "anything")
        answer = await self._client.heard()
        assert answer[1] == id, answer


@pytest.fixture
def bystander():
    """``await bystander(served)``: a client of a :class:`PubSub`."""

    async def connect(served, path="/"):
        client = await served.wamp(path)
        client.say(5, "bystander's own")
        one = Bystander(client)
        await one.isServed()
        return one

    return connect


@pytest.fixture
def logged():
    """What is logged from warnings upwards, as text."""
    lines = []

    def observe(event):
        if event.get("log_level", LogLevel.debug) >= LogLevel.warn:
            lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


@pytest.fixture
def echo():
    return Echo()


@pytest.fixture
def pubsub():
    return PubSub()
