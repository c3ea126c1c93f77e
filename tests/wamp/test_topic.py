import gc
import math
import weakref

import pytest

from ratchet_py.connection import AbstractConnectionDecorator
from ratchet_py.errors import LocalError
from ratchet_py.wamp import Component, Topic, WampServer
from ratchet_py.websocket.interfaces import PreparedMessage


@pytest.fixture
def server(serve):
    return serve()[0]


@pytest.fixture
def clients(server, connect):
    """Three subscribers of "t"."""
    return [connect(server).say(5, "t") for _ in range(3)]


def heardBy(clients):
    return [client.heard() for client in clients]


def test_has_an_id(server):
    topic = server.topic("http://example.com/news")
    assert topic.getId() == str(topic) == f"{topic}" == "http://example.com/news"
    assert repr(topic) == "<Topic 'http://example.com/news'>"


def test_topics_of_one_server_and_id_are_one(server, serve):
    assert server.topic("t") == server.topic("t")
    assert len({server.topic("t"), server.topic("t"), server.topic("u")}) == 2
    assert server.topic("t") != serve()[0].topic("t")


def test_a_topic_is_equal_to_its_name_as_in_php(server):
    topic = server.topic("t")
    assert topic == "t"
    assert topic != "u"
    assert topic in ("s", "t")
    assert {"t": 1}[topic] == 1
    match topic:
        case "t":
            pass
        case _:
            pytest.fail("a match is PHP's switch")


def test_a_topic_is_true_without_subscribers(server):
    assert server.topic("t")
    assert len(server.topic("t")) == 0


def test_membership(server, clients, connect):
    topic = server.topic("t")
    stranger = connect(server)
    assert len(topic) == 3
    assert topic.has(clients[0].conn)
    assert clients[0].conn in topic
    assert stranger.conn not in topic
    assert "t" not in topic
    assert list(topic) == [client.conn for client in clients]


def test_add_and_remove_are_chained_and_keep_subscriptions_in_step(server, connect):
    client = connect(server)
    topic = server.topic("t")
    assert topic.add(client.conn) is topic
    assert topic.add(client.conn) is topic
    assert (len(topic), len(client.conn.WAMP.subscriptions)) == (1, 1)
    assert topic in client.conn.WAMP.subscriptions
    assert server.topicManager.topics == {"t": topic}
    assert topic.remove(client.conn) is topic
    assert topic.remove(client.conn) is topic
    assert (len(topic), len(client.conn.WAMP.subscriptions)) == (0, 0)
    assert server.topicManager.topics == {}


def test_a_layer_around_the_connection_makes_no_difference(server, connect):
    client = connect(server)
    wrapped = AbstractConnectionDecorator(client.conn)
    topic = server.topic("t").add(wrapped)
    assert wrapped in topic
    assert client.conn in topic
    topic.add(client.conn).broadcast(1)
    assert client.heard() == [[8, "t", 1]]
    assert len(topic.remove(wrapped)) == 0


def test_who_has_left_is_not_added(server, clients):
    clients[0].leave()
    topic = server.topic("u").add(clients[0].conn)
    assert len(topic) == 0
    assert server.topicManager.topics.keys() == {"t"}
    topic.remove(clients[0].conn)
    assert not topic.has(clients[0].conn)


def test_broadcast_reaches_all_and_is_chained(server, clients):
    topic = server.topic("t")
    assert topic.broadcast({"a": [1.0, {}]}) is topic
    assert heardBy(clients) == [[[8, "t", {"a": [1.0, {}]}]]] * 3


def test_broadcast_is_encoded_once(server, clients):
    server.topic("t").broadcast("x")
    sent = [client.wire.sent[0] for client in clients]
    assert isinstance(sent[0], PreparedMessage)
    assert sent[0] is sent[1] is sent[2]


def test_broadcast_goes_through_the_layer_below(server, connect, wire):
    lines = []

    class Logging(AbstractConnectionDecorator):
        __slots__ = ()

        def send(self, data):
            lines.append(data)
            return super().send(data.upper())

    server.onOpen(conn := Logging(wire))
    server.onMessage(conn, '[5,"t"]')
    server.topic("t").broadcast("x")
    assert lines[1:] == ['[8,"t","x"]']
    assert wire.sent[1:] == ['[8,"T","X"]']


def test_exclude(server, clients):
    a, b, c = clients
    topic = server.topic("t")
    topic.broadcast(1, [a.id])
    topic.broadcast(2, [a.id, c.id, a.id])
    topic.broadcast(3, [a.id, b.id, c.id])
    topic.broadcast(4, exclude=[])
    assert heardBy(clients) == [
        [[8, "t", 4]],
        [[8, "t", 1], [8, "t", 2], [8, "t", 4]],
        [[8, "t", 1], [8, "t", 4]],
    ]


def test_eligible(server, clients, connect):
    a, _, c = clients
    stranger = connect(server)
    topic = server.topic("t")
    topic.broadcast(1, eligible=[a.id, stranger.id])
    topic.broadcast(2, [a.id], [a.id, c.id, c.id])
    topic.broadcast(3, eligible=["nobody"])
    topic.broadcast(4, eligible=[])
    assert heardBy(clients) == [
        [[8, "t", 1], [8, "t", 4]],
        [[8, "t", 4]],
        [[8, "t", 2], [8, "t", 4]],
    ]
    assert stranger.heard() == []


@pytest.mark.parametrize("junk", [True, 1, None, 1.5, [], {}, ["a"], "", "x" * 10_000])
def test_session_ids_are_compared_exactly(server, clients, junk):
    topic = server.topic("t")
    topic.broadcast(1, exclude=[junk])
    assert heardBy(clients) == [[[8, "t", 1]]] * 3
    topic.broadcast(1, eligible=[junk])
    assert heardBy(clients) == [[]] * 3


def test_a_session_id_alone_is_no_list(server, clients):
    for wrong in {"exclude": clients[0].id}, {"eligible": clients[0].id}:
        with pytest.raises(TypeError, match="lists of session ids"):
            server.topic("t").broadcast(1, **wrong)
    assert heardBy(clients) == [[]] * 3


def test_a_topic_in_a_message_is_its_id(server, clients):
    server.topic("t").broadcast([server.topic("u")])
    assert clients[0].heard() == [[8, "t", ["u"]]]


def test_choosing_costs_the_chosen_not_the_subscribed(server, clients):
    """The sessions that are named are looked up; the others are not looked at."""
    looked = []

    class Sessions(dict):
        def get(self, id):
            looked.append(id)
            return super().get(id)

    server.topicManager.sessions = Sessions(server.topicManager.sessions)
    server.topic("t").broadcast(1, [clients[0].id], [clients[1].id])
    assert looked == [clients[0].id, clients[1].id]


def test_what_has_no_form_in_json_is_refused_before_anybody_gets_it(server, clients):
    with pytest.raises(LocalError):
        server.topic("t").broadcast([math.inf])
    assert heardBy(clients) == [[]] * 3


def test_broadcast_without_subscribers(server):
    assert server.topic("t").broadcast("x").getId() == "t"
    assert server.topicManager.topics == {}


def test_iteration_is_over_a_snapshot(server, clients):
    topic = server.topic("t")
    seen = []
    for conn in topic:
        for other in topic:
            seen.append((conn.resourceId, other.resourceId))
            topic.remove(other)
    assert len(seen) == 3
    assert len(topic) == 0


def misbehaveOn(wire, deed):
    """The wire's send does this after sending, as no real one may."""
    send = wire.send

    def sendAndMore(data):
        send(data)
        deed()

    return sendAndMore


def subscribeWith(server, wire, send, topic="t"):
    server.onOpen(wire)
    object.__setattr__(server.connections[wire], "sendBelow", send)
    server.onMessage(wire, f'[5,"{topic}"]')


def test_changes_during_a_broadcast_do_not_matter(server, clients, newClient, wire):
    left = []

    def leave():
        if not left:
            left.append(True)
            for client in clients:
                client.leave()
            newClient(server).say(5, "t")

    subscribeWith(server, wire, misbehaveOn(wire, leave))
    topic = server.topic("t").broadcast("x")
    assert [len(client.wire.sent) for client in clients] == [1, 1, 1]
    assert len(topic) == 2


def test_a_broadcast_within_a_broadcast(server, clients, wire):
    topic = server.topic("t")
    inner = iter([lambda: topic.broadcast("inner")])
    subscribeWith(server, wire, misbehaveOn(wire, lambda: next(inner, int)()))
    last = clients[0]
    topic.remove(last.conn).add(last.conn)
    topic.broadcast("outer")
    assert [event for _, _, event in clients[1].heard()] == ["outer", "inner"]
    assert sorted(event for _, _, event in last.heard()) == ["inner", "outer"]


def test_a_send_that_fails_stops_nobody_else(server, clients, wire, loggedFailures):
    def fail(data):
        raise RuntimeError("broken pipe")

    subscribeWith(server, wire, fail)
    first = clients[0]
    server.topic("t").remove(first.conn).add(first.conn).broadcast("x")
    assert heardBy(clients) == [[[8, "t", "x"]]] * 3
    assert len(loggedFailures.flush(RuntimeError)) == 1


def test_a_kept_topic_finds_the_live_one(server, connect):
    kept = server.topic("t")
    a, b = connect(server).say(5, "t"), connect(server).say(5, "t")
    older = server.topicManager.topics["t"]
    assert older is not kept
    kept.broadcast(1)
    a.say(6, "t")
    b.say(6, "t")
    assert server.topicManager.topics == {}
    a.say(5, "t")
    for topic in kept, older:
        assert len(topic) == 1
        assert list(topic) == [a.conn]
        assert a.conn in topic
        assert b.conn not in topic
        topic.add(b.conn).broadcast(2).remove(b.conn)
    assert [event for _, _, event in a.heard()] == [1, 2, 2]
    assert [event for _, _, event in b.heard()] == [1, 2, 2]


def test_a_kept_topic_can_become_the_live_one_again(server, connect):
    kept = server.topic("t")
    client = connect(server)
    for _ in range(2):
        kept.add(client.conn)
        assert server.topicManager.topics["t"] is kept
        kept.remove(client.conn)
        assert server.topicManager.topics == {}


def test_dropped_topics_leave_nothing_behind(connect):
    server = WampServer(Component())
    client = connect(server).say(5, "t")
    topic = weakref.ref(server.topicManager.topics["t"])
    client.say(6, "t")
    gc.collect()
    assert topic() is None


def test_topics_of_two_servers_are_apart(serve, connect):
    one, two = serve()[0], serve()[0]
    a, b = connect(one).say(5, "t"), connect(two).say(5, "t")
    one.topic("t").broadcast(1)
    assert (len(a.heard()), len(b.heard())) == (1, 0)


def test_is_made_with_a_manager():
    manager = WampServer(Component()).topicManager
    assert Topic("t", manager) == manager.getTopic("t")
