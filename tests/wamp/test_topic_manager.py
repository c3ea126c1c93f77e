import pytest
from twisted.internet.defer import Deferred

from ratchet_py.broker import BrokerInterface, Publication
from ratchet_py.errors import CallError, NotAuthorized
from ratchet_py.limits import Limits
from ratchet_py.wamp import Topic


def test_subscribing_twice_is_one_subscription(serve, connect):
    server, app = serve()
    client = connect(server).say(5, "t").say(5, "t")
    assert app.names() == ["onOpen", "onSubscribe"]
    assert len(server.topic("t")) == 1
    client.say(6, "t").say(6, "t")
    assert app.names() == ["onOpen", "onSubscribe", "onUnSubscribe"]
    assert len(server.topic("t")) == 0


def test_unsubscribing_without_a_subscription_calls_nothing(serve, connect):
    server, app = serve()
    connect(server).say(5, "t")
    connect(server).say(6, "t").say(6, "unknown")
    assert app.names() == ["onOpen", "onSubscribe", "onOpen"]


def test_the_topic_holds_the_client_while_it_subscribes_and_not_while_it_unsubscribes(
    serve, connect
):
    held = []

    def note(conn, topic):
        held.append((conn in topic, topic in conn.WAMP.subscriptions))
        topic.broadcast(len(held))

    client = connect(serve(onSubscribe=note, onUnSubscribe=note)[0]).say(5, "t").say(6, "t")
    assert held == [(True, True), (False, False)]
    assert client.heard() == [[8, "t", 1]]


def test_topics_live_as_long_as_they_have_subscribers(serve, connect):
    server, _ = serve()
    topics = server.topicManager.topics
    a, b = connect(server), connect(server)
    a.say(2, "id", "p").say(7, "q", 1).say(6, "r")
    assert topics == {}
    a.say(5, "t")
    live = topics["t"]
    b.say(5, "t")
    a.say(6, "t")
    assert topics["t"] is live
    b.leave()
    assert topics == {}
    assert len(live) == 0


def test_the_application_gets_the_live_topic_when_there_is_one(serve, connect):
    server, app = serve()
    client = connect(server).say(2, "id", "t").say(7, "t", 1)
    for name, position in (("onCall", 2), ("onPublish", 1)):
        topic = app.last(name)[position]
        assert isinstance(topic, Topic)
        assert topic == server.topic("t")
    client.say(5, "t").say(2, "id", "t").say(7, "t", 1)
    live = server.topicManager.topics["t"]
    assert app.last("onSubscribe")[1] is live
    assert app.last("onCall")[2] is live
    assert app.last("onPublish")[1] is live


@pytest.mark.parametrize("error", [NotAuthorized(), CallError("urn:no")])
@pytest.mark.parametrize("late", [False, True])
def test_a_refused_subscription_is_undone(serve, connect, error, late):
    waiting = []

    def refuse(conn, topic):
        if not late:
            raise error
        waiting.append(Deferred())
        return waiting[-1]

    server, app = serve(onSubscribe=refuse)
    client = connect(server).say(5, "t")
    for deferred in waiting:
        assert len(server.topic("t")) == 1
        deferred.errback(error)
    assert server.topicManager.topics == {}
    assert len(client.conn.WAMP.subscriptions) == 0
    assert "onError" not in app.names()
    assert client.wire.closed is None
    server.topic("t").broadcast("secret")
    assert client.heard() == []
    # It may try again.
    client.say(5, "t")
    assert app.names().count("onSubscribe") == 2
    for deferred in waiting[1:]:
        deferred.callback(None)


def test_a_failing_subscription_stands(serve, connect):
    def fail(conn, topic):
        raise ValueError("oops")

    server, app = serve(onSubscribe=fail, onUnSubscribe=fail)
    client = connect(server).say(5, "t")
    assert app.names()[1:] == ["onSubscribe", "onError"]
    assert client.conn in server.topic("t")
    client.say(6, "t")
    assert app.names()[3:] == ["onUnSubscribe", "onError"]
    assert client.conn not in server.topic("t")
    assert client.wire.closed is None


def test_the_application_learns_of_a_close_before_the_topics_let_go(serve, connect):
    held = []

    def onClose(conn):
        held.append([(str(topic), conn in topic, len(topic)) for topic in conn.WAMP.subscriptions])

    server, app = serve(onClose=onClose)
    client, other = connect(server).say(5, "t").say(5, "u"), connect(server).say(5, "t")
    client.leave()
    assert held == [[("t", True, 2), ("u", True, 1)]]
    assert server.topicManager.topics.keys() == {"t"}
    assert list(server.topic("t")) == [other.conn]
    assert "onUnSubscribe" not in app.names()
    assert server.topicManager.sessions == {other.id: other.conn}
    assert server.connections == {other.wire: other.conn}


def test_topics_let_go_when_on_close_fails(serve, connect, loggedFailures):
    def onClose(conn):
        raise ValueError("oops")

    server, app = serve(onClose=onClose)
    client = connect(server).say(5, "t")
    client.leave()
    assert server.topicManager.topics == {}
    assert server.topicManager.sessions == {}
    assert app.names()[-2:] == ["onClose", "onError"]
    assert len(loggedFailures.flush(ValueError)) == 1


def test_topics_let_go_while_an_async_on_close_goes_on(serve, connect, loggedFailures):
    waiting = Deferred()

    async def onClose(conn):
        await waiting

    server, app = serve(onClose=onClose)
    client = connect(server).say(5, "t")
    client.leave()
    assert server.topicManager.topics == {}
    waiting.errback(ValueError("oops"))
    assert app.names()[-2:] == ["onClose", "onError"]
    assert len(loggedFailures.flush(ValueError)) == 1


def test_who_is_added_on_close_is_let_go_too(serve, connect):
    server, _ = serve(onClose=lambda conn: server.topic("u").add(conn) and None)
    connect(server).leave()
    assert server.topicManager.topics == {}


def test_too_many_subscriptions_close_with_1008(serve, connect):
    server, app = serve(Limits(subscriptions=2))
    client = connect(server).say(5, "a").say(5, "b").say(5, "a").say(6, "a").say(5, "c")
    assert client.wire.closed is None
    client.say(5, "d")
    assert client.wire.closed == (1008, "too many subscriptions")
    assert app.names().count("onSubscribe") == 3
    assert len(client.conn.WAMP.subscriptions) == 2


def test_ten_thousand_subscriptions_are_the_default(serve, connect):
    client = connect(serve()[0])
    for number in range(10_000):
        client.say(5, number)
    assert client.wire.closed is None
    assert client.say(5, "one more").wire.closed == (1008, "too many subscriptions")


def test_a_close_walks_its_own_topics_only(serve, connect):
    """Counted, not timed: nobody iterates over the table."""
    server, _ = serve()

    class Table(dict):
        def __iter__(self):
            raise AssertionError("walked")

        keys = values = items = __iter__

    for number in range(100):
        connect(server).say(5, number)
    server.topicManager.topics = Table(server.topicManager.topics)
    client = connect(server).say(5, "mine").say(5, 7)
    client.leave()
    assert len(server.topicManager.topics) == 100


class Recorded(BrokerInterface):
    def __init__(self):
        self.log = []

    def setReceiver(self, receiver):
        self.receive = receiver

    def scoped(self, name):
        return self

    def publish(self, topic, publication):
        self.log.append(("publish", topic, publication.event))

    def subscribe(self, topic):
        self.log.append(("subscribe", topic))

    def unsubscribe(self, topic):
        self.log.append(("unsubscribe", topic))


def test_the_broker_is_told_of_first_and_last_subscribers(serve, connect):
    broker = Recorded()
    server, _ = serve(broker=broker)
    a, b = connect(server), connect(server)
    a.say(5, "t")
    b.say(5, "t")
    a.say(6, "t")
    b.leave()
    assert broker.log == [("subscribe", "t"), ("unsubscribe", "t")]


def test_broadcasts_go_through_the_broker(serve, connect):
    broker = Recorded()
    server, _ = serve(broker=broker)
    client = connect(server).say(5, "t")
    broker.log.clear()
    server.topic("t").broadcast(1)
    server.topic("nobody here").broadcast(2)
    assert broker.log == [("publish", "t", 1), ("publish", "nobody here", 2)]
    assert client.heard() == []
    broker.receive("t", Publication(3))
    broker.receive("t", Publication(4, [client.id]))
    broker.receive("unknown", Publication(5))
    assert client.heard() == [[8, "t", 3]]


def test_subprotocols_of_the_application(serve):
    server, app = serve()
    assert server.topicManager.getSubProtocols() == []
    app.getSubProtocols = lambda: ["chat"]
    assert server.topicManager.getSubProtocols() == ["chat"]
