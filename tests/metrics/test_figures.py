"""Every figure, on a real server, as Prometheus reads it."""

from __future__ import annotations

import os

import pytest
import pytest_twisted
from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred

from ratchet_py import App
from ratchet_py.broker import MemoryBroker
from ratchet_py.broker.redis_engine import RedisTally
from ratchet_py.errors import CallError
from ratchet_py.interfaces import MessageComponentInterface
from ratchet_py.limits import Limits
from ratchet_py.metrics import Metrics
from ratchet_py.wamp import Component
from ratchet_py.websocket import WsServer
from tests.integration.wire import PATIENCE, close, frame, request, text

ECHO = {"path": "/echo"}
WAMP = {"path": "/wamp"}


class Echo(MessageComponentInterface):
    """Echoes; each callback takes what it is told to."""

    def __init__(self, clock):
        self.clock = clock
        self.takes = 0.0

    def onOpen(self, conn):
        self.clock.now += self.takes

    def onMessage(self, conn, msg):
        self.clock.now += self.takes
        conn.send(msg)

    def onClose(self, conn):
        self.clock.now += self.takes

    def onError(self, conn, exc):
        raise exc


class PubSub(Component):
    """Publishes for everybody, and answers in several ways."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self.waiting = None

    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event)

    def onCall(self, conn, id, topic, params):
        if str(topic) == "fail":
            raise CallError("app:error#no")
        if str(topic) == "later":
            self.waiting = Deferred()
            return self.waiting
        if str(topic) == "by hand":
            self.clock.now += 0.2
            conn.callResult(id, 2)
            return None
        self.clock.now += 0.02
        return 1


@pytest.fixture
def echo(clock):
    return Echo(clock)


@pytest.fixture
def pubsub(clock):
    return PubSub(clock)


@pytest.fixture
def measured(serve, metrics, echo, pubsub):
    """``await measured()`` serves an echo and a WAMP application."""

    async def start(**options):
        return await serve({"/echo": echo, "/wamp": pubsub}, metrics=metrics, **options)

    return start


async def over(client):
    """Close as a client does, and see the server's answer and the end."""
    client.send(close(1000))
    await client.frame()
    await client.gone()


async def turn():
    """What happens in the next turn of the reactor has happened."""
    from twisted.internet import reactor

    done = Deferred()
    reactor.callLater(0, done.callback, None)
    await done


async def until(condition):
    """It has come true, because the server has heard what the client knows already."""
    from twisted.internet import reactor

    end = reactor.seconds() + PATIENCE
    while not condition():
        assert reactor.seconds() < end, "waited in vain"
        await turn()


@pytest_twisted.ensureDeferred
async def test_connections_now_and_in_all(measured, scrape):
    served = await measured()
    assert scrape()["ratchet_open_connections"] == 0
    one = await served.open("/echo")
    await served.open("/echo")
    await served.wamp("/wamp")
    await served.client()
    await until(lambda: len(served.app.server.connections) == 4)
    read = scrape()
    assert read["ratchet_open_connections"] == 4
    assert read["ratchet_connections_total"] == 4
    assert read["ratchet_open_websockets", ECHO] == 2
    assert read["ratchet_open_websockets", WAMP] == 1
    await over(one)
    await until(lambda: len(served.app.server.connections) == 3)
    read = scrape()
    assert read["ratchet_open_connections"] == 3
    assert read["ratchet_connections_total"] == 4
    assert read["ratchet_open_websockets", ECHO] == 1


@pytest_twisted.ensureDeferred
async def test_closes_by_who_and_code(measured, scrape):
    served = await measured()
    for code in (1000, 1001, 4001, 4002, None):
        client = await served.open("/echo")
        client.send(close(code))
        await client.frame()
        await client.gone()
    client = await served.open("/echo")
    client.send(frame(3))
    await client.closing(1002)
    client = await served.open("/echo")
    client.reset()
    await until(lambda: not served.app.server.connections)
    # Whatever a client makes up beyond 3000 is one figure for each thousand.
    assert scrape().of("ratchet_closed_websockets_total") == {
        ("client", "1000"): 1,
        ("client", "1001"): 1,
        ("client", "4xxx"): 2,
        ("client", "1005"): 1,
        ("server", "1002"): 1,
        ("nobody", "1006"): 1,
    }


@pytest_twisted.ensureDeferred
async def test_a_close_of_the_applications(measured, scrape, pubsub):
    pubsub.onSubscribe = lambda conn, topic: conn.close(4711, "enough")
    served = await measured()
    client = await served.wamp("/wamp")
    client.say(5, "topic")
    await client.closing(4711)
    await until(lambda: not served.app.server.connections)
    assert scrape().of("ratchet_closed_websockets_total") == {("server", "4711"): 1}


@pytest_twisted.ensureDeferred
async def test_messages_in_and_out(measured, scrape):
    served = await measured()
    client = await served.open("/echo")
    client.send(text("one"), text("two"), frame(9, b"ping"))
    assert [await client.next(), await client.next()] == ["one", "two"]
    client = await served.wamp("/wamp")
    other = await served.wamp("/wamp")
    for each in (client, other):
        each.say(5, "topic")
    client.say(7, "topic", "event")
    await client.heard()
    read = scrape()
    assert read["ratchet_received_messages_total", ECHO] == 2
    assert read["ratchet_sent_messages_total", ECHO] == 2
    # Two subscriptions and a publication; two welcomes, and the event for each.
    assert read["ratchet_received_messages_total", WAMP] == 3
    assert read["ratchet_sent_messages_total", WAMP] == 4


@pytest_twisted.ensureDeferred
async def test_nothing_counts_as_sent_after_the_close(measured, scrape, echo):
    echo.onMessage = lambda conn, msg: (conn.close(), conn.send("futile"))
    served = await measured()
    client = await served.open("/echo")
    client.send(text("x"))
    await client.closing(1000)
    assert scrape()["ratchet_sent_messages_total", ECHO] == 0


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest_twisted.ensureDeferred
async def test_bytes_in_and_out(measured, scrape, kind, tmp_path):
    from twisted.internet import reactor
    from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol

    from tests.integration.wire import Client

    served = await measured()
    head = request("GET /echo HTTP/1.1")
    if kind == "unix":
        path = os.path.relpath(tmp_path / "s")
        await served.app.listen(f"unix:{path}")
        client = await connectProtocol(UNIXClientEndpoint(reactor, path), Client())
        served._clients.append(client)
        client.send(head)
    else:
        client = await served.client(head)
    received = []
    original = client.dataReceived
    client.dataReceived = lambda data: (received.append(data), original(data))
    await client.response()
    sent = [text("x" * 1000), text("y" * 200_000)]
    client.send(*sent)
    assert await client.next() == "x" * 1000
    assert await client.next() == "y" * 200_000
    read = scrape()
    assert read["ratchet_received_bytes_total"] == len(head) + sum(map(len, sent))
    assert read["ratchet_sent_bytes_total"] == sum(map(len, received))


@pytest_twisted.ensureDeferred
async def test_refusals_by_status(measured, scrape):
    served = await measured()
    for head, status in [
        (request("GET /nowhere HTTP/1.1"), 404),
        (request("GET /echo HTTP/1.1", Origin="http://evil.example"), 403),
        (request("GET /echo HTTP/1.1", Upgrade=None), 426),
        (request("GET /echo HTTP/1.1", Upgrade=None), 426),
        (b"nonsense\r\n\r\n", 400),
    ]:
        client = await served.client(head)
        assert (await client.response()).status == status
    assert scrape().of("ratchet_refused_requests_total") == {
        ("404",): 1,
        ("403",): 1,
        ("426",): 2,
        ("400",): 1,
    }


@pytest_twisted.ensureDeferred
async def test_topics_and_subscriptions(measured, scrape):
    served = await measured()
    one, two = await served.wamp("/wamp"), await served.wamp("/wamp")
    for each, topics in ((one, "abc"), (two, "a")):
        for topic in topics:
            each.say(5, topic)
        each.say(2, topic, "x")
        await each.heard()
    read = scrape()
    assert read["ratchet_wamp_topics", WAMP] == 3
    assert read["ratchet_wamp_subscriptions", WAMP] == 4
    # Only what has topics is asked for them.
    assert "/echo" not in str(read.of("ratchet_wamp_topics"))
    await over(one)
    await until(lambda: len(served.app.server.connections) == 1)
    read = scrape()
    assert read["ratchet_wamp_topics", WAMP] == 1
    assert read["ratchet_wamp_subscriptions", WAMP] == 1


@pytest_twisted.ensureDeferred
async def test_broadcasts_with_their_time(measured, scrape, clock, monkeypatch):
    from ratchet_py.wamp.topic import Topic

    deliver = Topic.deliver

    def slow(topic, publication):
        clock.now += 0.03
        deliver(topic, publication)

    monkeypatch.setattr(Topic, "deliver", slow)
    served = await measured()
    client = await served.wamp("/wamp")
    client.say(5, "topic")
    client.say(7, "topic", 1)
    client.say(7, "nobody listens", 1)
    client.say(7, "topic", 2)
    assert [(await client.heard())[2], (await client.heard())[2]] == [1, 2]
    read = scrape()
    assert read["ratchet_wamp_broadcast_seconds_count", WAMP] == 2
    assert read["ratchet_wamp_broadcast_seconds_sum", WAMP] == pytest.approx(0.06)
    assert read["ratchet_wamp_broadcast_seconds_bucket", {**WAMP, "le": "0.025"}] == 0
    assert read["ratchet_wamp_broadcast_seconds_bucket", {**WAMP, "le": "0.05"}] == 2
    assert read["ratchet_wamp_broadcast_seconds_bucket", {**WAMP, "le": "+Inf"}] == 2


@pytest_twisted.ensureDeferred
async def test_calls_with_their_time(measured, scrape, clock, pubsub):
    served = await measured()
    client = await served.wamp("/wamp")
    client.say(2, "1", "returns")
    client.say(2, "2", "by hand")
    client.say(2, "3", "fail")
    client.say(2, "4", "later")
    assert [(await client.heard())[:2] for _ in range(3)] == [[3, "1"], [3, "2"], [4, "3"]]
    await until(lambda: pubsub.waiting is not None)
    read = scrape()
    assert read["ratchet_wamp_calls_total", WAMP] == 4
    assert read["ratchet_wamp_call_errors_total", WAMP] == 1
    assert read["ratchet_wamp_call_seconds_count", WAMP] == 3
    clock.now += 2
    pubsub.waiting.callback("at last")
    assert await client.heard() == [3, "4", "at last"]
    read = scrape()
    assert read["ratchet_wamp_call_seconds_count", WAMP] == 4
    # 0.02 and 0.2 and at once and 2.
    assert read["ratchet_wamp_call_seconds_sum", WAMP] == pytest.approx(2.22)
    assert read["ratchet_wamp_call_seconds_bucket", {**WAMP, "le": "0.0001"}] == 1


@pytest_twisted.ensureDeferred
async def test_calls_of_version_2(measured, scrape):
    served = await measured()
    client = await served.open("/wamp", Sec_WebSocket_Protocol="wamp.2.json")
    client.say(1, "realm", {"roles": {"caller": {}}})
    assert (await client.heard())[0] == 2
    client.say(48, 1, {}, "returns")
    client.say(48, 2, {}, "fail")
    assert [(await client.heard())[0], (await client.heard())[0]] == [50, 8]
    read = scrape()
    assert read["ratchet_wamp_calls_total", WAMP] == 2
    assert read["ratchet_wamp_call_errors_total", WAMP] == 1
    assert read["ratchet_wamp_call_seconds_count", WAMP] == 2
    assert read["ratchet_wamp_call_seconds_sum", WAMP] == pytest.approx(0.02)


@pytest_twisted.ensureDeferred
async def test_waiting_bytes(measured, scrape, echo):
    echo.onMessage = lambda conn, msg: [conn.send(bytes(1 << 20)) for _ in range(20)]
    served = await measured(limits=Limits(sendBuffer=1 << 30))
    reads = await served.open("/echo")
    one = await served.open("/echo")
    two = await served.open("/echo")
    for client in (one, two):
        client.transport.pauseProducing()
        client.send(text("x"))
    await until(lambda: scrape()["ratchet_sent_messages_total", ECHO] == 40)
    read = scrape()
    # What the kernel holds does not count; it is less than half of it.
    assert 20 << 20 < read["ratchet_waiting_bytes"] < 40 << 20
    assert 10 << 20 < read["ratchet_waiting_bytes_max"] < 20 << 20
    assert reads.lost is None


@pytest_twisted.ensureDeferred
async def test_callbacks_with_their_time(measured, scrape, echo):
    echo.takes = 0.004
    served = await measured()
    client = await served.open("/echo")
    client.send(text("x"))
    await client.next()
    assert scrape()["ratchet_callback_seconds_count", ECHO] == 2
    await over(client)
    await until(lambda: not served.app.server.connections)
    read = scrape()
    assert read["ratchet_callback_seconds_count", ECHO] == 3
    assert read["ratchet_callback_seconds_sum", ECHO] == pytest.approx(0.012)
    assert read["ratchet_blocking_callbacks_total", ECHO] == 0


@pytest_twisted.ensureDeferred
async def test_callbacks_that_block_the_reactor(measured, scrape, metrics, logged):
    served = await measured()
    client = await served.wamp("/wamp")
    for id in range(3):
        client.say(2, str(id), "by hand")
        await client.heard()
    assert scrape()["ratchet_blocking_callbacks_total", WAMP] == 3
    (slow,) = metrics.slowest.list()
    assert slow.what == "PubSub.onCall by hand"
    assert slow.seconds == pytest.approx(0.2)
    assert slow.times == 3
    # Once is enough: the log is not to grow with it.
    (line,) = [line for line in logged if "blocked the reactor" in line]
    assert "PubSub.onCall by hand" in line
    assert "0.20 s" in line


@pytest_twisted.ensureDeferred
async def test_dropped_messages(serve, metrics, scrape, echo):
    echo.onMessage = lambda conn, msg: [conn.send(bytes(1 << 20)) for _ in range(30)]
    limits = Limits(sendBuffer=1 << 20)
    served = await serve({"/echo": WsServer(echo, limits, slowConsumers="drop")}, metrics=metrics)
    client = await served.open("/echo")
    client.transport.pauseProducing()
    client.send(text("x"))
    await until(lambda: metrics.applications["/echo"].meter.messagesOut == 30)
    read = scrape()
    assert read["ratchet_dropped_messages_total", ECHO] > 5
    both = ("ratchet_sent_messages_total", "ratchet_dropped_messages_total")
    assert sum(read[name, ECHO] for name in both) == 30
    assert (
        read["ratchet_dropped_messages_total", ECHO]
        == read["ratchet_limit_exceeded_total", {"limit": "sendBuffer"}]
    )


@pytest_twisted.ensureDeferred
async def test_the_reactors_lag(measured, scrape, metrics):
    from twisted.internet import reactor

    served = await measured()
    begun = reactor.seconds()
    while reactor.seconds() < begun + 0.5:
        pass  # stuck, as seen from everybody else
    read = scrape()
    assert 0.2 < read["ratchet_reactor_lag_max_seconds"] < 2
    await until(lambda: metrics.lag.last > 0.2)
    assert 0.2 < scrape()["ratchet_reactor_lag_seconds"] < 2
    assert read["ratchet_draining"] == 0
    closed = served.app.close()
    assert scrape()["ratchet_draining"] == 1
    await closed


def test_what_the_broker_counts(metrics, scrape):
    class Broker(MemoryBroker):
        tally = RedisTally()

    assert "ratchet_broker_up" not in scrape().families
    App("localhost", broker=Broker(), metrics=metrics)
    Broker.tally.isUp = True
    for number, name in enumerate(sorted(set(RedisTally.__slots__) - {"isUp"}), 2):
        setattr(Broker.tally, name, number)
    read = scrape()
    assert read["ratchet_broker_up"] == 1
    figures = (
        *("lost_total", "malformed_total", "outages_total", "published_total"),
        *("received_total", "subscriptions", "waiting_bytes"),
    )
    assert [read[f"ratchet_broker_{each}"] for each in figures] == list(range(2, 9))


def test_the_process_counts_too():
    assert Metrics().registry.get_sample_value("process_resident_memory_bytes") > 1e6
    # Not in a registry that is somebody's own: there it may be already.
    own = CollectorRegistry()
    Metrics(own)
    assert own.get_sample_value("process_resident_memory_bytes") is None
    assert own.get_sample_value("ratchet_open_connections") == 0
