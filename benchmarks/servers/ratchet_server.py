"""Ours: the full stack, as an application would build it."""

import gc
import os
import traceback
import tracemalloc
from collections import Counter

from serving import BACKLOG, announce, app
from twisted.internet import reactor

from ratchet_py import Component, MessageComponentInterface
from ratchet_py import wamp as wamp_layer
from ratchet_py.http import HttpServer
from ratchet_py.server import IoServer
from ratchet_py.wamp import WampServer
from ratchet_py.websocket import WsServer


def failed(conn, exc):
    """Nothing may: the benchmark is to end, and to show this."""
    traceback.print_exception(exc)
    conn.abort()


class Echo(MessageComponentInterface):
    """Says what it is told."""

    def onOpen(self, conn):
        pass

    def onMessage(self, conn, msg):
        conn.send(msg)

    def onClose(self, conn):
        pass

    def onError(self, conn, exc):
        failed(conn, exc)


class Chat(Echo):
    """Tells everybody what it is told."""

    def __init__(self):
        self.clients = set()

    def onOpen(self, conn):
        self.clients.add(conn)

    def onMessage(self, conn, msg):
        for client in self.clients:
            client.send(msg)

    def onClose(self, conn):
        self.clients.discard(conn)


class Wamp(wamp_layer.Component):
    """Broadcasts what is published, and answers a call with its arguments."""

    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event)

    def onCall(self, conn, id, topic, params):
        conn.callResult(id, params)

    def onError(self, conn, exc):
        failed(conn, exc)


class Soak(Wamp):
    """As :class:`Wamp`; can also be asked what it holds."""

    def onCall(self, conn, id, topic, params):
        if str(topic) == "census":
            conn.callResult(id, census())
        elif str(topic) == "trace":
            tracemalloc.start()
            conn.callResult(id, None)
        else:
            conn.callResult(id, params)


def census():
    """What is alive, after a full collection."""
    gc.collect()
    # Not all of Twisted's: a timer that was cancelled stays in the reactor's heap for a while.
    ours = Counter(
        type(found).__qualname__
        for found in gc.get_objects()
        if str(type(found).__module__).startswith(("ratchet_py.", "twisted.internet.tcp"))
    )
    traced = tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else 0
    return {"objects": dict(ours), "traced": traced}


def broker():
    """What carries topics beyond this process, where the benchmark has started such a thing."""
    url = os.environ.get("BENCHMARK_BROKER")
    if url is None:
        return None
    from ratchet_py.broker import RedisBroker

    # Large enough that nothing is lost of what is measured.
    return RedisBroker(url, buffer=256 * 1024 * 1024, timeout=60)


def stack(name):
    """The component that serves an application of the benchmark."""
    if name == "wamp":
        return WampServer(Wamp(), broker=broker())
    if name == "soak":
        return WampServer(Soak())
    name, _, layers = name.partition("+")
    component = Chat() if name == "chat" else Echo()
    for _ in range(int(layers or 0)):
        component = Component(component)
    return component


server = IoServer(HttpServer(WsServer(stack(app()))))
port = reactor.listenTCP(0, server, interface="127.0.0.1", backlog=BACKLOG)
announce(port.getHost().port)
reactor.run()
