"""Limiter: each limit, just within and beyond it, and its answer at each place of the stack."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from ratchet_py.http import HttpServer
from ratchet_py.interfaces import MessageComponentInterface
from ratchet_py.server import IoServer, Limiter
from ratchet_py.testing import RawClient, WebSocketClient, connect
from ratchet_py.websocket import WsServer


class Notes(MessageComponentInterface):
    def __init__(self):
        self.events = []

    def onOpen(self, conn):
        self.events.append("open")

    def onMessage(self, conn, msg):
        self.events.append(msg)

    def onClose(self, conn):
        self.events.append("close")

    def onError(self, conn, exc):
        self.events.append(exc)


# Where a Limiter may stand, and what a connection that is one too many is answered.
PLACES = {
    "on IoServer": lambda notes, **limits: Limiter(HttpServer(WsServer(notes)), **limits),
    "on HttpServer": lambda notes, **limits: HttpServer(Limiter(WsServer(notes), **limits)),
    "on WsServer": lambda notes, **limits: HttpServer(WsServer(Limiter(notes, **limits))),
}


class Stack:
    def __init__(self, place, **limits):
        self.notes = Notes()
        component = PLACES[place](self.notes, **limits)
        self.server = IoServer(component, Clock())
        while not isinstance(component, Limiter):
            component = (
                component.component if hasattr(component, "component") else component.delegate
            )
        self.limiter = component

    def client(self, address="192.0.2.1"):
        return WebSocketClient(self.server, address=address)


@pytest.fixture(params=PLACES)
def place(request):
    return request.param


def refused(stack, client, place):
    if place == "on WsServer":
        assert (client.closeCode, client.closeReason) == (1008, "too many connections")
    else:
        assert client.status == 503
        assert client.headers["retry-after"] == "60"
        assert stack.server.tally.refused == {503: 1}
    assert client.isClosed
    return True


def test_connections(place):
    stack = Stack(place, connections=2)
    clients = [stack.client() for _ in range(2)]
    assert [client.status for client in clients] == [101, 101]
    assert refused(stack, stack.client(), place)
    assert stack.limiter.exceeded == stack.server.tally.exceeded == {"connections": 1}
    assert stack.notes.events == ["open"] * 2
    clients[0].disconnect()
    assert stack.client().status == 101
    assert stack.notes.events == ["open"] * 2 + ["close", "open"]


def test_connections_per_address(place):
    stack = Stack(place, connectionsPerAddress=1)
    first = stack.client()
    assert stack.client("198.51.100.1").status == 101
    assert refused(stack, stack.client(), place)
    assert stack.limiter.exceeded == {"connectionsPerAddress": 1}
    first.disconnect()
    assert stack.client().status == 101


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "", False),
    ],
)
def test_what_is_one_address(one, other, same):
    stack = Stack("on HttpServer", connectionsPerAddress=1)
    assert stack.client(one).status == 101
    assert stack.client(other).status == (503 if same else 101)


def test_nothing_is_kept_of_who_is_gone(place):
    stack = Stack(place, connections=1, connectionsPerAddress=1, lifetime=60)
    for _ in range(3):
        stack.client().disconnect()
    client = stack.client()
    stack.client()
    client.disconnect()
    assert not stack.limiter._usages
    assert not stack.limiter._perAddress
    assert not [call for call in stack.server.loop.getDelayedCalls() if call.getTime() > 20]


def test_messages_in_an_interval():
    stack = Stack("on WsServer", messages=3, interval=10)
    client = stack.client()
    for _ in range(3):
        for msg in "abc":
            client.send(msg)
        client.clock.advance(10)
    assert client.closeCode is None
    for msg in "defg":
        client.send(msg)
    assert (client.closeCode, client.closeReason) == (1008, "too many messages")
    client.clock.advance(0)
    assert client.isClosed
    assert stack.notes.events == ["open", *"abc" * 3, *"def", "close"]
    assert stack.limiter.exceeded == stack.server.tally.exceeded == {"messages": 1}


@pytest.mark.parametrize("msg", ["äöü€", b"123456789"])
def test_bytes_in_an_interval(msg):
    stack = Stack("on WsServer", bytes=18, interval=10)
    client = stack.client()
    client.send(msg)
    client.send(msg)
    assert client.closeCode is None
    client.send("x")
    assert (client.closeCode, client.closeReason) == (1008, "too many bytes")
    assert stack.notes.events == ["open", msg, msg] + ["close"] * client.isClosed


@pytest.mark.parametrize("below", ["on IoServer", "on HttpServer"])
def test_bytes_below_the_websocket(below):
    """The closing handshake goes on, although its bytes come on top."""
    stack = Stack(below, bytes=5000)
    client = stack.client()
    client.send("x" * 4000)
    client.send("y" * 4000)
    assert client.closeCode == 1008
    client.clock.advance(0)
    assert client.isClosed
    assert not stack.server.tally.exceeded["closeTimeout"]
    assert stack.notes.events == ["open", "x" * 4000, "close"]


def test_bytes_before_the_handshake():
    stack = Stack("on IoServer", bytes=100)
    client = RawClient(stack.server)
    client.sendBytes(b"G" * 101)
    client.clock.advance(0)
    client.clock.advance(5)
    assert client.isClosed
    assert stack.limiter.exceeded == {"bytes": 1}


def test_lifetime(place):
    stack = Stack(place, lifetime=60)
    client = stack.client()
    client.clock.advance(59)
    assert client.closeCode is None
    client.clock.advance(1)
    assert (client.closeCode, client.closeReason) == (1008, "lifetime exceeded")
    client.clock.advance(0)
    assert client.isClosed
    assert stack.limiter.exceeded == {"lifetime": 1}


def test_without_limits_everything_passes(place):
    stack = Stack(place)
    clients = [stack.client() for _ in range(20)]
    for client in clients:
        client.send("x" * 100_000)
    assert len(stack.notes.events) == 40
    assert not stack.limiter.exceeded


def test_on_a_raw_stack_who_is_too_many_is_closed():
    notes = Notes()
    server = IoServer(Limiter(notes, connections=1), Clock())
    first, second = RawClient(server), RawClient(server)
    second.sendBytes(b"x")
    assert second.isClosed
    assert second.data == b""
    first.sendBytes(b"y")
    assert notes.events == ["open", b"y"]


def test_as_a_route():
    notes = Notes()
    client = connect(Limiter(notes, messages=1))
    client.send("a")
    client.send("b")
    assert client.closeCode == 1008
