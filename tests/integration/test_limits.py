"""The limits, row by row, with small ones: what is just within, what is beyond, and the answer."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack, suppress

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.testing import connect
from tests.integration.conftest import Echo, PubSub
from tests.integration.test_frames import deflate
from tests.integration.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PATIENCE,
    TEXT,
    close,
    frame,
    patient,
    request,
    text,
)

MIB = 1024 * 1024


def test_the_defaults():
    assert (
        Limits(
            headSize=16 * 1024,
            handshakeTimeout=10,
            messageSize=16 * MIB,
            frameSize=16 * MIB,
            fragments=100_000,
            sendBuffer=8 * MIB,
            stallTimeout=60,
            closeTimeout=5,
            keepAlive=30,
            subscriptions=10_000,
            prefixes=100,
            topicLength=1024,
            jsonDepth=511,
            callsInFlight=1000,
            sessionTimeout=10,
            sessionLookups=5,
            connections=None,
        )
        == DEFAULT_LIMITS
    )


# -- HTTP ------------------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_head_size(serve, echo):
    size = len(request())
    served = await serve(echo, limits=Limits(headSize=size))
    assert (await (await served.client(request())).response()).status == 101
    client = await served.client(request(Cookie="a"))
    assert (await client.response()).status == 431
    await client.end()
    # Also before the head is complete.
    client = await served.client(b"GET / HTTP/1.1\r\nX: " + b"a" * size)
    assert (await client.response()).status == 431
    await client.end()


@pytest.mark.parametrize(
    "sent", [b"", b"G", request()[:-1], request()[:-4]], ids=["nothing", "a byte", "-1", "-4"]
)
@pytest_twisted.ensureDeferred
async def test_handshake_timeout(serve, echo, sent):
    served = await serve(echo, limits=Limits(handshakeTimeout=0.02))
    client = await served.client(sent)
    response = await client.response()
    assert response.status == 408
    assert response.headers["connection"] == "close"
    await client.end()
    assert echo.events == []


@pytest_twisted.ensureDeferred
async def test_the_handshake_timeout_ends_with_the_head(serve, echo):
    served = await serve(echo, limits=Limits(handshakeTimeout=0.02, keepAlive=0.05))
    client = await served.open()
    assert (await client.frame()).opcode == 9  # a ping came, and no 408


# -- WebSocket -------------------------------------------------------------------------------------

WEBSOCKET = {
    "frameSize": (Limits(frameSize=10), frame(BINARY, bytes(10)), frame(BINARY, bytes(11)), 1009),
    "messageSize": (
        Limits(messageSize=10),
        frame(BINARY, bytes(5), fin=False) + frame(CONTINUATION, bytes(5)),
        frame(BINARY, bytes(5), fin=False) + frame(CONTINUATION, bytes(6)),
        1009,
    ),
    "fragments": (
        Limits(fragments=3),
        frame(BINARY, fin=False) + frame(CONTINUATION, fin=False) + frame(CONTINUATION),
        frame(BINARY, fin=False) + frame(CONTINUATION, fin=False) * 3,
        1009,
    ),
    "frameSize, inflated": (
        Limits(frameSize=200),
        frame(TEXT, deflate(b"a" * 200), rsv=4),
        frame(TEXT, deflate(b"a" * 201), rsv=4),
        1009,
    ),
    "messageSize, inflated": (
        Limits(messageSize=200),
        frame(TEXT, deflate(b"a" * 200), rsv=4),
        frame(TEXT, deflate(b"a" * 201), rsv=4),
        1009,
    ),
}


@pytest.mark.parametrize(("limits", "good", "bad", "code"), WEBSOCKET.values(), ids=WEBSOCKET)
@pytest_twisted.ensureDeferred
async def test_what_a_client_sends(serve, echo, limits, good, bad, code):
    served = await serve(echo, limits=limits)
    client = await served.open(Sec_WebSocket_Extensions="permessage-deflate")
    client.send(good)
    assert (await client.frame()).opcode in (TEXT, BINARY)
    client.send(bad)
    assert await client.closing(code)


class Sends(Echo):
    """Sends as many bytes as it is told to, one message a number."""

    def onMessage(self, conn, msg):
        for size in json.loads(msg):
            conn.send(bytes(size))
            self.note("sent", conn.bufferedAmount)


@pytest_twisted.ensureDeferred
async def test_send_buffer(serve):
    sends = Sends()
    served = await serve(sends, limits=Limits(sendBuffer=100_000))
    client = await served.open()
    client.transport.pauseProducing()
    client.send(text(json.dumps([20 * MIB, 10])))
    client.transport.resumeProducing()
    # One message may always go; the next one finds too much waiting.
    assert await client.next() == bytes(20 * MIB)
    assert await client.closing(1013) == "slow consumer"


def test_one_message_may_always_go():
    sends = Sends()
    client = connect(sends, limits=Limits(sendBuffer=100))
    client.stall()
    client.send("[1000000]")
    assert not client.isClosed
    client.unstall()
    assert client.received == [bytes(1_000_000)]
    client.send("[1000000, 1000000]")
    assert client.received[1:] == [bytes(1_000_000)] * 2
    assert client.closeCode is None


@pytest_twisted.ensureDeferred
async def test_stall_timeout(serve):
    sends = Sends()
    served = await serve(sends, limits=Limits(stallTimeout=0.05))
    client = await served.open()
    client.transport.pauseProducing()
    client.send(text(json.dumps([20 * MIB])))
    await sends.until("close")


def test_who_takes_it_in_time_is_not_stalled():
    sends = Sends()
    client = connect(sends, limits=Limits(keepAlive=10_000))
    for _ in range(3):
        client.stall()
        client.send("[1000000, 1000000]")
        client.clock.advance(DEFAULT_LIMITS.stallTimeout - 1)
        client.unstall()
        client.clock.advance(DEFAULT_LIMITS.stallTimeout)
    assert len(client.received) == 6
    client.stall()
    client.send("[1000000]")
    client.clock.advance(DEFAULT_LIMITS.stallTimeout)
    client.clock.advance(0)
    assert client.isClosed


CLOSING = {
    "the application closes": lambda client: client.send("close"),
    "the server shuts down": lambda client: client.server.close(),
    "the client broke a rule": lambda client: client.sendBytes(b"\xff\xff"),
    "the client closes": lambda client: client.sendBytes(close(1000)),
}


class Closes(Echo):
    def onMessage(self, conn, msg):
        conn.close()


@pytest.mark.parametrize("start", CLOSING.values(), ids=CLOSING)
def test_close_timeout(start):
    closes = Closes()
    client = connect(closes)
    client.sendLater = lambda data: None  # no close frame in answer
    client.stall()  # and it does not even take ours
    start(client)
    client.clock.advance(DEFAULT_LIMITS.closeTimeout - 0.1)
    assert closes.events == ["open"] or client.transport._outgoing == b""
    client.clock.advance(0.1)
    client.clock.advance(0)
    assert client.isClosed
    assert closes.events == ["open", "close"]
    client.clock.advance(0)
    assert not client.clock.getDelayedCalls()


# -- WAMP ------------------------------------------------------------------------------------------

WAMP = {
    "subscriptions": (
        Limits(subscriptions=3),
        [[5, "1"], [5, "2"], [5, "3"], [5, "3"], [6, "3"], [5, "4"]],
        [5, "5"],
        1008,
    ),
    "prefixes": (
        Limits(prefixes=2),
        [[1, "a", "x"], [1, "b", "x"], [1, "b", "y"]],
        [1, "c", "x"],
        1008,
    ),
    "topicLength of a topic": (Limits(topicLength=3), [[5, "äöü"]], [5, "abcd"], 1007),
    "topicLength to unsubscribe": (Limits(topicLength=3), [[6, "abc"]], [6, "abcd"], 1007),
    "topicLength to publish to": (Limits(topicLength=3), [[7, "abc", 1]], [7, "abcd", 1], 1007),
    "topicLength of a procedure": (Limits(topicLength=3), [], [2, "id", "abcd"], 1007),
    "topicLength of a prefix": (Limits(topicLength=3), [[1, "abc", "x"]], [1, "abcd", "x"], 1007),
    "topicLength of a base": (Limits(topicLength=3), [[1, "p", "abc"]], [1, "p", "abcd"], 1007),
    "topicLength, expanded": (
        Limits(topicLength=5),
        [[1, "p", "abc/"], [5, "p:d"]],
        [5, "p:de"],
        1007,
    ),
    "jsonDepth": (
        Limits(jsonDepth=3),
        [[7, "t", [[1]]], [7, "t", [{}, []]]],
        [7, "t", [[[]]]],
        1007,
    ),
}


@pytest.mark.parametrize(("limits", "good", "bad", "code"), WAMP.values(), ids=WAMP)
@pytest_twisted.ensureDeferred
async def test_what_a_wamp_client_does(serve, pubsub, limits, good, bad, code):
    served = await serve(pubsub, limits=limits)
    client = await served.wamp()
    for message in good:
        client.say(*message)
    client.say(2, "id", "p")
    assert (await client.heard())[:2] == [4, "id"]
    client.say(*bad)
    assert await client.closing(code)


@pytest_twisted.ensureDeferred
async def test_calls_in_flight(serve):
    answers = []

    class Waiting(PubSub):
        def onCall(self, conn, id, topic, params):
            self.note("call", id)
            answers.append(Deferred())
            return answers[-1]

    waiting = Waiting()
    served = await serve(waiting, limits=Limits(callsInFlight=3))
    client = await served.wamp()
    for id in range(3):
        client.say(2, id, "p")
    await waiting.until(("call", 2))
    assert waiting.conns[0].record.readingPaused
    for id in range(3, 8):
        client.say(2, id, "p")
    # Each answer lets one more in; nothing is lost and none comes twice.
    for id in range(8):
        assert len(answers) == min(id + 3, 8)
        answers[id].callback(id)
        assert await client.heard() == [3, id, id]
        await waiting.until(("call", min(id + 3, 7)))
    assert [event for event in waiting.events if event[0] == "call"] == [
        ("call", id) for id in range(8)
    ]
    assert not waiting.conns[0].record.readingPaused


@pytest_twisted.ensureDeferred
async def test_calls_in_one_read_wait_too(serve):
    answers = []

    class Waiting(PubSub):
        def onCall(self, conn, id, topic, params):
            answers.append(Deferred())
            self.note("call")
            return answers[-1]

    waiting = Waiting()
    served = await serve(waiting, limits=Limits(callsInFlight=2))
    client = await served.wamp()
    client.send(b"".join(text(f'[2,{id},"p"]') for id in range(5)))
    await waiting.until("call", times=2)
    assert len(answers) == 2
    for id in range(5):
        answers[id].callback(None)
        assert await client.heard() == [3, id, None]
    assert len(answers) == 5


@pytest_twisted.ensureDeferred
async def test_a_client_that_is_gone_is_not_answered(serve):
    later = Deferred()

    class Waiting(PubSub):
        def onCall(self, conn, id, topic, params):
            self.note("call")
            return later

    waiting = Waiting()
    served = await serve(waiting)
    client = await served.wamp()
    client.say(2, "id", "p")
    await waiting.until("call")
    client.reset()
    await waiting.until("close")
    later.callback("too late")
    assert waiting.events == ["open", "call", "close"]


@pytest.mark.parametrize("kind", [CLOSE, TEXT], ids=["close frame", "message"])
@pytest_twisted.ensureDeferred
async def test_a_limit_that_is_passed_is_the_end(serve, pubsub, kind):
    """What follows in the same read is not looked at, whatever it is."""
    served = await serve(pubsub, limits=Limits(prefixes=0))
    client = await served.wamp()
    after = close(1000) if kind == CLOSE else text('[5,"after"]')
    client.send(text('[1,"p","x"]') + after)
    received = await client.frame()
    assert received.payload[:2] == (1008).to_bytes(2, "big")
    client.transport.loseConnection()
    await client.end()
    await pubsub.until("close")
    assert pubsub.events == ["open", "close"]


@pytest_twisted.ensureDeferred
async def test_everybody_is_told_that_there_is_no_room(serve, echo):
    """Also while those who were told before them have not left."""
    served = await serve(echo, limits=Limits(connections=1))
    inside = await served.open()

    def knock():
        with ExitStack() as stack:
            answers = []
            for _ in range(150):
                client = socket.create_connection(("127.0.0.1", served.port), PATIENCE)
                stack.enter_context(client)
                with suppress(ConnectionError):  # it is told before it asks
                    client.sendall(request())
                answers.append(client.recv(12))
            return answers

    assert await patient(deferToThread(knock), "the answers") == [b"HTTP/1.1 503"] * 150
    assert served.app.server.tally.refused == {503: 150}
    inside.send(text("hello"))
    assert await inside.next() == "hello"
