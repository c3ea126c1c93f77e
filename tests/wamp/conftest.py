"""A client of a WAMP component, without the WebSocket layers between."""

import itertools
import json
from types import SimpleNamespace

import pytest
from twisted.internet import task

from ratchet_py.connection import ConnectionRecord
from ratchet_py.dispatch import Gate
from ratchet_py.wamp import Component, WampServer

_numbers = itertools.count(1)


class Wire(ConnectionRecord):
    """What WsServer would hand up: it keeps what is sent, and how it was closed."""

    def __init__(self):
        super().__init__(next(_numbers), "192.0.2.1", task.Clock())
        self.sent = []
        self.closed = None
        self.paused = 0

    def send(self, data):
        if self.closed is None:
            self.sent.append(data)
        return self

    def close(self, code=None, reason=""):
        if self.closed is None:
            self.closed = (code, reason)

    def abort(self):
        self.close(1006, "aborted")

    def pauseReading(self):
        self.paused += 1

    def resumeReading(self):
        self.paused -= 1


class Client:
    """One client: ``say`` sends a WAMP message, ``heard`` takes what came back."""

    def __init__(self, server, subProtocol=None):
        self.wire = Wire()
        self.wire.WebSocket = SimpleNamespace(subProtocol=subProtocol)
        self.gate = Gate(server, self.wire)
        self.gate.open(server.onOpen)
        self.conn = server.connections[self.wire]

    @property
    def id(self):
        return self.conn.WAMP.sessionId

    def say(self, *message):
        return self.sayText(json.dumps(message))

    def sayText(self, text):
        # After a close WsServer delivers nothing more.
        if self.wire.closed is None:
            self.gate.message(text)
        return self

    def heard(self):
        messages = [json.loads(message) for message in self.wire.sent]
        self.wire.sent.clear()
        return messages

    def leave(self):
        self.gate.close()


class App(Component):
    """An application that notes what it is told, and does what the test gives it to do."""

    def __init__(self, **callbacks):
        super().__init__()
        self.told = []
        self.callbacks = callbacks

    def _do(self, name, *args):
        self.told.append((name, *args))
        callback = self.callbacks.get(name)
        return None if callback is None else callback(*args)

    def onOpen(self, conn):
        return self._do("onOpen", conn)

    def onCall(self, conn, id, topic, params):
        return self._do("onCall", conn, id, topic, params)

    def onSubscribe(self, conn, topic):
        return self._do("onSubscribe", conn, topic)

    def onUnSubscribe(self, conn, topic):
        return self._do("onUnSubscribe", conn, topic)

    def onPublish(self, conn, topic, event, exclude, eligible):
        return self._do("onPublish", conn, topic, event, exclude, eligible)

    def onClose(self, conn):
        return self._do("onClose", conn)

    def onError(self, conn, exc):
        return self._do("onError", conn, exc)

    def names(self):
        return [name for name, *_ in self.told]

    def last(self, name):
        return [args for told, *args in self.told if told == name][-1]


@pytest.fixture
def makeApp():
    return App


@pytest.fixture
def connect():
    """Connect a client to a server; its welcome has been heard."""

    def connect(server, **options):
        client = Client(server, **options)
        client.wire.sent.clear()
        return client

    return connect


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def newClient():
    """The class of the clients, for tests that want to see the welcome, too."""
    return Client


@pytest.fixture
def serve():
    """A server around an application with these callbacks: (server, app)."""

    def serve(limits=None, broker=None, curie="auto", **callbacks):
        app = App(**callbacks)
        options = {} if limits is None else {"limits": limits}
        return WampServer(app, broker=broker, curie=curie, **options), app

    return serve
