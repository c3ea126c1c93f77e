"""Each of the limits counts when it is hit."""

from __future__ import annotations

from dataclasses import fields

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from ratchet_py import App
from ratchet_py.limits import Limits
from ratchet_py.push import PushCredentials, PushResource
from ratchet_py.push.signature import sign
from ratchet_py.server import EchoServer, Limiter
from ratchet_py.session import SessionsInterface
from ratchet_py.testing import RawClient, WampClient, WebSocketClient
from ratchet_py.wamp import Component

OPENING = "\r\n".join(
    [
        "GET / HTTP/1.1",
        "Host: localhost",
        "Origin: http://localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol: wamp",
        "",
        "",
    ]
).encode()


class Slow(Component):
    """Never answers, never decides, and sends a lot to who subscribes."""

    def onCall(self, conn, id, topic, params):
        return Deferred()

    def onPush(self, topic, event):
        return Deferred()

    def onPublish(self, conn, topic, event, exclude, eligible):
        for _ in range(3):
            conn.event(topic, "x" * 100_000)


class SlowSessions(SessionsInterface):
    """Are never found."""

    name = "sid"

    def find(self, cookie):
        return Deferred()


def head(client):
    client(RawClient).sendBytes(b"GET / HTTP/1.1\r\nX: " + b"x" * 200)


def late(client):
    client(RawClient).clock.advance(11)


def frames(*payloads):
    def send(client):
        opened = client(WebSocketClient, subProtocols=["wamp"])
        for index, payload in enumerate(payloads):
            final = index == len(payloads) - 1
            opened.sendFrame(payload, 0 if index else 1, final=final)

    return send


def wamp(*messages):
    def send(client):
        opened = client(WampClient)
        for message in messages:
            opened.send(message)

    return send


def slow(client):
    opened = client(WampClient)
    opened.stall()
    opened.send('[7,"t",1]')


def stalled(client):
    slow(client)
    client.clock.advance(61)


def silent(client):
    """It opens and then says nothing, not even a pong or a farewell."""
    opened = client(RawClient)
    opened.sendBytes(OPENING)
    return opened


def dead(client):
    silent(client)
    for _ in range(3):
        client.clock.advance(30)


def stubborn(client):
    silent(client).connection.outermost.close()
    client.clock.advance(6)


def patient(client):
    client(WebSocketClient, headers={"Cookie": "sid=1"})


def impatient(client):
    patient(client)
    client.clock.advance(11)


def queue(client):
    patient(client)
    patient(client)


def one_too_many(client):
    client(RawClient)
    client(RawClient)


def pushing(*bodies):
    def push(client):
        credentials = PushCredentials(secret="secret", limits=client.app.limits, now=lambda: 1000)
        client.app.route("/publish", PushResource(client.app, credentials))
        for number, body in enumerate(bodies):
            timestamp = f"1000.{9 - number}"
            lines = [
                "POST /publish HTTP/1.1",
                "Host: localhost",
                "Content-Type: application/json",
                f"Content-Length: {len(body)}",
                f"Ratchet-Timestamp: {timestamp}",
                f"Ratchet-Signature: {sign('secret', timestamp, body)}",
            ]
            client(RawClient).sendBytes("\r\n".join([*lines, "", ""]).encode() + body)

    return push


def undecided(client):
    pushing(PUSH)(client)
    client.clock.advance(6)


PUSH = b'{"topic": "t", "event": 1}'

# A case for each of the limits, as the test below asks for each.
CASES = {
    "connections": ({"connections": 1}, one_too_many),
    "headSize": ({"headSize": 100}, head),
    "handshakeTimeout": ({}, late),
    "messageSize": ({"messageSize": 100}, frames(b"x" * 60, b"x" * 60)),
    "frameSize": ({"frameSize": 100}, frames(b"x" * 120)),
    "fragments": ({"fragments": 2}, frames(b"x", b"x", b"x")),
    "sendBuffer": ({"sendBuffer": 1000}, slow),
    "stallTimeout": ({}, stalled),
    "closeTimeout": ({}, stubborn),
    "keepAlive": ({}, dead),
    "subscriptions": ({"subscriptions": 1}, wamp('[5,"a"]', '[5,"b"]')),
    "prefixes": ({"prefixes": 1}, wamp('[1,"a","b"]', '[1,"c","d"]')),
    "topicLength": ({"topicLength": 5}, wamp('[5,"abcdef"]')),
    "jsonDepth": ({"jsonDepth": 5}, wamp("[[[[[[[]]]]]]]")),
    "callsInFlight": ({"callsInFlight": 1}, wamp('[2,"1","x"]')),
    "sessionTimeout": ({}, impatient),
    "sessionLookups": ({"sessionLookups": 1}, queue),
    "pushSize": ({"pushSize": 10}, pushing(PUSH)),
    "pushBatch": ({"pushBatch": 1}, pushing(b"[%b, %b]" % (PUSH, PUSH))),
    "pushTimeout": ({}, undecided),
    "pushesInFlight": ({"pushesInFlight": 1}, pushing(PUSH, PUSH)),
    "pushSignatures": ({"pushSignatures": 1}, pushing(PUSH, PUSH, PUSH)),
}


@pytest.mark.parametrize("limit", [field.name for field in fields(Limits)])
def test_a_limit_counts_once(limit, metrics, scrape):
    changes, offend = CASES[limit]
    clock = Clock()
    app = App("localhost", reactor=clock, limits=Limits(**changes), metrics=metrics)
    app.route("/", Slow(), session=SlowSessions())

    def client(kind, **options):
        return kind(app.server, **options)

    client.app, client.clock = app, clock
    # Those that were never hit are there, too: only so an increase from nothing is seen.
    assert scrape()["ratchet_limit_exceeded_total", {"limit": limit}] == 0
    offend(client)
    hit = scrape().of("ratchet_limit_exceeded_total")
    assert hit.pop((limit,)) == 1
    assert hit == {}


def several(client):
    client(WebSocketClient)
    client(WebSocketClient)


def talkative(client):
    opened = client(WebSocketClient)
    opened.send("xx")
    opened.send("xx")


def old(client):
    client(WebSocketClient)
    client.clock.advance(11)


@pytest.mark.parametrize(
    ("limit", "value", "offend"),
    [
        ("connectionsPerAddress", 1, several),
        ("messages", 1, talkative),
        ("bytes", 3, talkative),
        ("lifetime", 10, old),
    ],
)
def test_a_limit_of_a_limiter_counts_once(limit, value, offend, metrics, scrape):
    clock = Clock()
    app = App("localhost", reactor=clock, metrics=metrics)
    app.route("/", Limiter(EchoServer(), **{limit: value}))

    def client(kind, **options):
        return kind(app.server, **options)

    client.clock = clock
    assert scrape()["ratchet_limit_exceeded_total", {"limit": limit}] == 0
    offend(client)
    assert scrape().of("ratchet_limit_exceeded_total") == {(limit,): 1}
