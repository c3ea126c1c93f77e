"""What every broker promises, whatever carries its events."""

import pytest
from pytest_twisted import ensureDeferred

from ratchet_py.broker import BrokerInterface, Publication, Reach

pytestmark = pytest.mark.usefixtures("engine")


class Receiver:
    def __init__(self, broker):
        self.received = []
        broker.setReceiver(lambda *args: self.received.append(args))

    @property
    def events(self):
        return [(topic, publication.event) for topic, publication in self.received]


@ensureDeferred
async def test_is_a_broker(engine):
    assert isinstance(engine.connect(), BrokerInterface)
    await engine.close()


@ensureDeferred
async def test_what_is_subscribed_to_arrives(engine):
    broker = engine.connect()
    receiver = Receiver(broker)
    broker.subscribe("news")
    await engine.settle()
    broker.publish("news", Publication({"a": [1.0, None, "é", {}]}, ["x"], ["y", "z"]))
    await engine.settle()
    ((topic, publication),) = receiver.received
    assert topic == "news"
    assert publication.event == {"a": [1.0, None, "é", {}]}
    assert list(publication.exclude) == ["x"]
    assert list(publication.eligible) == ["y", "z"]
    await engine.close()


@ensureDeferred
async def test_what_is_not_subscribed_to_does_not_arrive(engine):
    broker = engine.connect()
    receiver = Receiver(broker)
    broker.publish("news", Publication("before"))
    broker.subscribe("news")
    broker.subscribe("sport")
    await engine.settle()
    broker.publish("newsroom", Publication("other"))
    broker.publish("n*", Publication("no pattern"))
    broker.publish("news", Publication("during"))
    await engine.settle()
    broker.unsubscribe("news")
    await engine.settle()
    broker.publish("news", Publication("after"))
    broker.publish("sport", Publication("still"))
    await engine.settle()
    assert receiver.events == [("news", "during"), ("sport", "still")]
    await engine.close()


@ensureDeferred
async def test_subscribing_again_is_subscribing(engine):
    broker = engine.connect()
    receiver = Receiver(broker)
    for _ in range(2):
        broker.subscribe("news")
        broker.unsubscribe("news")
    broker.subscribe("news")
    await engine.settle()
    broker.publish("news", Publication(1))
    await engine.settle()
    assert receiver.events == [("news", 1)]
    await engine.close()


@ensureDeferred
async def test_order_is_kept(engine):
    broker = engine.connect()
    receiver = Receiver(broker)
    for topic in "a", "b":
        broker.subscribe(topic)
    await engine.settle()
    for number in range(100):
        broker.publish("ab"[number % 2], Publication(number))
    await engine.settle()
    assert [event for topic, event in receiver.events if topic == "a"] == list(range(0, 100, 2))
    assert [event for topic, event in receiver.events if topic == "b"] == list(range(1, 100, 2))
    await engine.close()


@ensureDeferred
async def test_any_topic_name_will_do(engine):
    broker = engine.connect()
    receiver = Receiver(broker)
    names = [
        "",
        " ",
        "http://example.com/a#b?c",
        "é\u2028\U0001f600",
        "*",
        "[a]",
        "a\x00b",
        "x" * 1024,
    ]
    for name in names:
        broker.subscribe(name)
    await engine.settle()
    for name in names:
        broker.publish(name, Publication(name))
    await engine.settle()
    assert sorted(receiver.events) == sorted((name, name) for name in names)
    await engine.close()


@ensureDeferred
async def test_scopes_are_apart(engine):
    broker = engine.connect()
    chat, news = broker.scoped("/chat"), broker.scoped("/news")
    chatReceiver, newsReceiver = Receiver(chat), Receiver(news)
    for scope in (chat, news):
        scope.subscribe("same name")
    await engine.settle()
    chat.publish("same name", Publication("hello"))
    await engine.settle()
    assert chatReceiver.events == [("same name", "hello")]
    assert newsReceiver.events == []
    await engine.close()


@ensureDeferred
async def test_who_wants_to_know_hears_whom_it_has_reached(engine):
    broker = engine.connect()
    receiver = Receiver(broker)
    assert await broker.publishConfirmed("news", Publication("nobody")) == Reach(0)
    broker.subscribe("news")
    await engine.settle()
    assert await broker.publishConfirmed("news", Publication("rain")) == Reach(1)
    broker.publish("news", Publication("snow"))
    assert await broker.publishConfirmed("news", Publication("sun")) == Reach(1, isConfirmed=True)
    assert receiver.events == [("news", "rain"), ("news", "snow"), ("news", "sun")]
    await engine.close()
