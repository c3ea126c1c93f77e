"""The messages that kill PHP Ratchet, each with a bystander who must notice nothing.

The limits are the defaults, except where a row of its own says otherwise.
"""

from __future__ import annotations

import json
import tracemalloc

import pytest
import pytest_twisted

from ratchet_py.limits import DEFAULT_LIMITS, Limits
from tests.integration.conftest import PubSub
from tests.integration.wire import BINARY, CONTINUATION, TEXT, frame, text

MIB = 1024 * 1024


@pytest_twisted.ensureDeferred
async def test_a_request_without_a_version(serve, pubsub, bystander):
    served = await serve(pubsub)
    other = await bystander(served)
    for data in (b"GET / X\r\n\r\n", b"GET / X\r\nHost: localhost\r\n\r\n"):
        client = await served.client(data)
        assert (await client.response()).status == 400
        await client.end()
    await other.isServed()


@pytest.mark.parametrize(
    "message",
    ['[2,"id",["a"]]', '[7,"t","e",false,null]', '[2,"id"]', "[5]", '[7,"t"]'],
)
@pytest_twisted.ensureDeferred
async def test_a_message_of_wamp(serve, pubsub, bystander, message):
    served = await serve(pubsub)
    other = await bystander(served)
    client = await served.wamp()
    client.send(text(message))
    if message == '[7,"t","e",false,null]':
        # The only one of them that means something: null counts as absent.
        await pubsub.until(("publish", "t", "e", [], []))
    else:
        assert await client.closing(1007)
    await other.isServed()


@pytest_twisted.ensureDeferred
async def test_a_call_answered_with_the_topic_that_on_call_was_given(serve, pubsub, bystander):
    # PubSub does that, as Ratchet's own example does.
    served = await serve(pubsub)
    other = await bystander(served)
    client = await served.wamp()
    client.say(2, "id", "http://example.com/p")
    assert (await client.heard())[:3] == [4, "id", "http://example.com/p"]
    await other.isServed()


@pytest_twisted.ensureDeferred
async def test_a_frame_of_24_mib(serve, pubsub, bystander):
    served = await serve(pubsub)
    other = await bystander(served)
    client = await served.wamp()
    # All of it is sent, whether somebody reads it or not.
    client.send(frame(BINARY, bytes(24 * MIB)))
    assert await client.closing(1009)
    assert pubsub.conns[1].bufferedAmount == 0
    await other.isServed()


@pytest_twisted.ensureDeferred
async def test_2_mib_of_nested_lists(serve, pubsub, bystander):
    served = await serve(pubsub)
    other = await bystander(served)
    for depth in (MIB, 512):
        client = await served.wamp()
        client.send(text('[7,"t",' + "[" * depth + "]" * depth + "]"))
        assert await client.closing(1007)
    await other.isServed()


@pytest_twisted.ensureDeferred
async def test_200_000_empty_fragments(serve, pubsub, bystander):
    served = await serve(pubsub)
    other = await bystander(served)
    client = await served.wamp()
    client.send(frame(TEXT, fin=False), frame(CONTINUATION, fin=False) * 200_000)
    assert await client.closing(1009)
    await other.isServed()


@pytest_twisted.ensureDeferred
async def test_100_000_prefixes(serve, pubsub, bystander):
    served = await serve(pubsub)
    other = await bystander(served)
    client = await served.wamp()
    prefixes = (text(f'[1,"p{number}","http://example.com/"]') for number in range(100_000))
    client.send(b"".join(prefixes))
    assert await client.closing(1008)
    assert len(pubsub.conns[1].WAMP.prefixes) == DEFAULT_LIMITS.prefixes
    await other.isServed()


@pytest_twisted.ensureDeferred
async def test_100_000_unsubscribes_from_unknown_topics(serve, pubsub, bystander):
    served = await serve(pubsub)
    other = await bystander(served)
    client = await served.wamp()
    client.send(b"".join(text(f'[6,"topic {number}"]') for number in range(100_000)))
    client.say(2, "id", "still here")
    assert (await client.heard())[:2] == [4, "id"]
    assert set(served.app.topic("/", "x")._manager.topics) == {"bystander's own"}
    assert not [event for event in pubsub.events if event[0] == "unsubscribe"]
    await other.isServed()


@pytest.mark.parametrize("turns", [False, True], ids=["at once", "turn by turn"])
@pytest_twisted.ensureDeferred
async def test_a_client_that_reads_nothing_while_200_mib_are_sent(serve, bystander, turns):
    waiting = []
    held = []

    class Flood(PubSub):
        def onPublish(self, conn, topic, event, exclude, eligible):
            self.flood(conn, topic, 200)

        def flood(self, conn, topic, left):
            for _ in range(1 if turns else left):
                topic.broadcast("x" * MIB)
                left -= 1
                waiting.append(self.conns[1].bufferedAmount)
                held.append(tracemalloc.get_traced_memory()[0])
            if left:
                conn.reactor.callLater(0, self.flood, conn, topic, left)
            else:
                self.note("flooded")

    flood = Flood()
    served = await serve(flood)
    other = await bystander(served)
    client = await served.wamp()
    client.say(5, "flood")
    await flood.until(("subscribe", "flood"))
    client.transport.pauseProducing()
    tracemalloc.start()
    other._client.say(7, "flood", None)
    await flood.until("flooded")
    tracemalloc.stop()
    await other.isServed()
    assert len(waiting) == 200
    # One message may go when the limit has just not been reached.
    assert max(waiting) <= DEFAULT_LIMITS.sendBuffer + 2 * MIB
    assert max(held) <= DEFAULT_LIMITS.sendBuffer + 4 * MIB
    # When it reads again, what was on its way, the reason, and the end are there.
    client.transport.resumeProducing()
    events = 0
    while (received := await client.frame()).opcode == TEXT:
        events += 1
        assert json.loads(received.payload) == [8, "flood", "x" * MIB]
    assert 8 <= events < 200
    assert received.payload == (1013).to_bytes(2, "big") + b"slow consumer"
    client.transport.loseConnection()
    await client.gone()
    await flood.until("close")
    assert len(served.app.topic("/", "flood")) == 0
    await other.isServed()


@pytest_twisted.ensureDeferred
async def test_a_client_that_is_closed_as_too_slow_and_never_reads_is_dropped(serve, bystander):
    """``closeTimeout``, because the close frame cannot even be sent."""

    class Flood(PubSub):
        def onSubscribe(self, conn, topic):
            if str(topic) == "flood":
                for _ in range(200):
                    topic.broadcast("x" * MIB)
                self.note("flooded")

    flood = Flood()
    served = await serve(flood, limits=Limits(closeTimeout=0.05))
    other = await bystander(served)
    client = await served.wamp()
    client.transport.pauseProducing()
    client.say(5, "flood")
    await flood.until("flooded")
    await flood.until("close")
    assert flood.conns[1].bufferedAmount == 0
    await other.isServed()


@pytest_twisted.ensureDeferred
async def test_a_client_that_calls_and_reads_nothing(serve, bystander):
    """Its answers are not produced: we read no more of it until it takes them."""

    class Generous(PubSub):
        answered = 0

        def onCall(self, conn, id, topic, params):
            self.answered += 1
            conn.callResult(id, "x" * 1000)

    generous = Generous()
    served = await serve(generous)
    other = await bystander(served)
    client = await served.wamp()
    client.transport.pauseProducing()
    calls = 30_000
    client.send(text('[2,"id","p"]') * calls)
    connection = generous.conns[1].record
    while not connection.readingPaused:
        await other.isServed()
    # Whatever else it sends stays on its side.
    for _ in range(50):
        await other.isServed()
    assert generous.answered < calls
    assert generous.conns[1].bufferedAmount <= DEFAULT_LIMITS.sendBuffer
    client.transport.resumeProducing()
    for _ in range(calls):
        assert await client.heard() == [3, "id", "x" * 1000]
    assert not connection.readingPaused
