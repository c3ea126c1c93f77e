"""Three stacks, each with an application that does as it is told and notes what it is told."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from ratchet_py import App, Limits, MessageComponentInterface
from ratchet_py.server import IoServer
from ratchet_py.testing import RawClient, WampClient, WebSocketClient
from ratchet_py.wamp import WampServerInterface

LIMITS = Limits(handshakeTimeout=10, closeTimeout=5, stallTimeout=600, keepAlive=30)


_HEAD = b"""GET / HTTP/1.1\r
Host: localhost\r
Origin: http://localhost\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r
%s\r
"""


class Application:
    """What is common to the applications of the three stacks.

    Attributes:
        told: The callbacks that were called, in order.
        conn: The connection that the last of them was called with.
        plans: What a callback is to do, by name: a function of the connection and the message
            whose result is the callback's own. Without one it finishes at once.
    """

    def __init__(self, style, serial):
        self.style = style
        self.serial = serial
        self.told = []
        self.conn = None
        self.plans = {}

    def tell(self, name, conn, msg=None):
        self.told.append(name)
        self.conn = conn
        return self.plans.get(name, self.returns)(conn, msg)

    def returns(self, conn=None, msg=None):
        """End a callback well, in the style of this application."""
        done = succeed(None)
        return None if self.style == "plain" else self.waits(done)

    def fails(self, conn=None, msg=None):
        """End a callback badly."""
        if self.style == "plain":
            raise ZeroDivisionError("boom")
        return self.waits(fail(ZeroDivisionError("boom")))

    def waits(self, until):
        """Let a callback last until a Deferred fires; a plain one cannot."""
        return until if self.style == "Deferred" else _await(until)

    def hold(self, name):
        """Let the callback of this name last until the Deferred fires that is returned."""
        until = Deferred()
        self.plans[name] = lambda conn, msg: self.waits(until)
        return until

    def onOpen(self, conn):
        return self.tell("onOpen", conn)

    def onMessage(self, conn, msg):
        return self.tell("onMessage", conn, msg)

    def onClose(self, conn):
        return self.tell("onClose", conn)

    def onError(self, conn, exc):
        return self.tell("onError", conn, exc)


async def _await(until):
    await until


class MessageApplication(Application, MessageComponentInterface):
    """For the raw and the WebSocket stack."""


class WampApplication(Application, WampServerInterface):
    """For the WAMP stack: a publication is a message."""

    def onPublish(self, conn, topic, event, exclude, eligible):
        return self.tell("onMessage", conn, event)

    def onCall(self, conn, id, topic, params):
        pass

    def onSubscribe(self, conn, topic):
        pass

    def onUnSubscribe(self, conn, topic):
        pass


class Stack:
    """A server, and how a client of it does what every client does."""

    application = MessageApplication
    head = _HEAD % b""

    def __init__(self, application):
        self.app = application
        self.clock = Clock()
        self.server = self.build()

    def build(self):
        app = App(None, reactor=self.clock, limits=LIMITS)
        self.webSocketServer = app.route("/", self.app, ["*"])
        return app.server

    def connect(self):
        """A client that answers neither a ping nor a close frame of its own accord."""
        client = self.newClient()
        client.sendLater = lambda data: None
        return client

    def newClient(self):
        return WebSocketClient(self.server)

    def message(self, client, number=0):
        client.send(str(number))

    def peerCloses(self, client):
        client.close()

    def send(self, conn):
        """The application sends something."""
        conn.send("hello")

    def lingers(self, client):
        """Make the client one that does not let a close end at once."""

    def sent(self, client):
        """How much has gone out to a client, or waits to."""
        return len(client.data) + client.connection.bufferedAmount

    def left(self):
        """What remains of clients that are gone."""
        self.clock.advance(0)
        left = [self.server.connections, self.clock.getDelayedCalls(), self.webSocketServer]
        left[2] = left[2].connections
        return [some for some in left if some]


class RawStack(Stack):
    """``IoServer`` alone: no handshake, no close frame."""

    def build(self):
        return IoServer(self.app, self.clock, LIMITS)

    def newClient(self):
        return RawClient(self.server)

    def message(self, client, number=0):
        client.sendBytes(b"%d;" % number)

    def peerCloses(self, client):
        client.unstall()
        client.halfClose()

    def lingers(self, client):
        client.stall()
        client.connection.send("not taken yet")

    def left(self):
        self.clock.advance(0)
        return [some for some in (self.server.connections, self.clock.getDelayedCalls()) if some]


class WebSocketStack(Stack):
    """What ``App.route`` builds for a message component."""


class WampStack(Stack):
    """What ``App.route`` builds for a WAMP application; each client subscribes to a topic."""

    application = WampApplication
    head = _HEAD % b"Sec-WebSocket-Protocol: wamp\r\n"

    def newClient(self):
        client = WampClient(self.server)
        client.subscribe("topic")
        return client

    def message(self, client, number=0):
        client.publish("topic", number)

    def send(self, conn):
        conn.event("topic", "hello")

    def left(self):
        manager = self.webSocketServer.delegate.topicManager
        return super().left() + [some for some in (manager.topics, manager.sessions) if some]


STACKS = {"raw": RawStack, "websocket": WebSocketStack, "wamp": WampStack}


@pytest.fixture
def makeStack():
    """Build a stack: ``makeStack("raw", "async")``; ``serial`` as a component may say it."""

    def makeStack(kind, style="plain", serial=False):
        stackClass = STACKS[kind]
        return stackClass(stackClass.application(style, serial))

    return makeStack
