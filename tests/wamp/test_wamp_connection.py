import math

import pytest
from twisted.logger import capturedLogs

from ratchet_py.connection import AbstractConnectionDecorator
from ratchet_py.errors import LocalError
from ratchet_py.limits import Limits
from ratchet_py.wamp import WampConnection
from ratchet_py.wamp.v1 import WampV1


@pytest.fixture
def client(serve, connect):
    return connect(serve()[0])


def test_event_takes_a_topic_or_its_id(serve, connect):
    server, _ = serve()
    client = connect(server)
    client.conn.event("news", {"a": 1}).event(server.topic("sport"), None)
    assert client.heard() == [[8, "news", {"a": 1}], [8, "sport", None]]


@pytest.fixture
def silent(serve, connect):
    """A client whose calls nobody has answered yet: "a", "b", 3."""
    client = connect(serve(onCall=lambda *args: None)[0])
    return client.say(2, "a", "x").say(2, "b", "x").say(2, 3, "x")


def test_call_result(silent):
    assert silent.conn.callResult("a").callResult("b", None).callResult(3, {}) is silent.conn
    assert silent.heard() == [[3, "a", []], [3, "b", None], [3, 3, {}]]


def test_call_error(serve, silent):
    topic = serve()[0].topic("urn:topic")
    silent.conn.callError("a", topic).callError("b", "urn:x", "no").callError(3, "urn:x", "", [0])
    assert silent.heard() == [
        [4, "a", "urn:topic", ""],
        [4, "b", "urn:x", "no"],
        [4, 3, "urn:x", "", [0]],
    ]


@pytest.mark.parametrize("id", ["a", 3, "never", None, "x" * 100_000])
def test_a_second_answer_is_logged_and_not_sent(silent, id):
    if id in ("a", 3):
        silent.conn.callResult(id, 1)
        assert silent.heard() == [[3, id, 1]]
    with capturedLogs() as events:
        silent.conn.callResult(id, 2).callError(id, "urn:x")
    assert silent.heard() == []
    assert [event["log_format"] for event in events] == [
        "connection {resourceId}: dropped a second answer to call {id}, or one to no call"
    ] * 2
    assert len(events[0]["id"]) <= 40


def test_calls_of_one_id_get_an_answer_each(serve, connect):
    client = connect(serve(onCall=lambda *args: None)[0])
    client.say(2, "a", "x").say(2, "a", "x")
    client.conn.callResult("a", 1).callResult("a", 2).callResult("a", 3)
    assert client.heard() == [[3, "a", 1], [3, "a", 2]]


def test_an_answer_that_cannot_be_sent_is_none(silent):
    for wrong in math.nan, object(), "\ud800":
        with pytest.raises(LocalError):
            silent.conn.callResult("a", wrong)
        with pytest.raises(LocalError):
            silent.conn.event("t", wrong)
        with pytest.raises(LocalError):
            silent.conn.callError("a", "urn:x", "", wrong)
    silent.conn.callResult("a", "right")
    assert silent.heard() == [[3, "a", "right"]]


def test_calls_without_answer_are_not_remembered_for_ever(serve, connect):
    client = connect(serve(Limits(callsInFlight=3), onCall=lambda *args: None)[0])
    for id in range(10):
        client.say(2, id, "x")
    assert client.conn._calls is None
    client.conn.callResult(0, "late").callResult(9, "later")
    assert client.heard() == [[3, 0, "late"], [3, 9, "later"]]


def test_prefix_is_announced_and_used(client):
    assert client.conn.prefix("ex", "http://example.com/") is client.conn
    assert client.heard() == [[1, "ex", "http://example.com/"]]
    assert client.conn.WAMP.prefixes == {"ex": "http://example.com/"}
    assert client.conn.getUri("ex:a") == "http://example.com/a"
    assert client.conn.getUri("other:a") == "other:a"


def test_get_uri_without_prefixes(client):
    assert client.conn.getUri("ex:a") == "ex:a"


def test_close(serve, connect):
    server, _ = serve()
    plain, coded, empty = connect(server), connect(server), connect(server)
    plain.conn.close()
    coded.conn.close(4000, "enough")
    empty.conn.close(None)
    assert [c.wire.closed for c in (plain, coded, empty)] == [
        (1000, ""),
        (4000, "enough"),
        (1000, ""),
    ]


def test_sends_raw_and_chains(client):
    assert client.conn.send("[]") is client.conn
    assert client.wire.sent == ["[]"]


def test_the_session_is_seen_by_every_layer(client):
    assert hasattr(client.conn, "WAMP")
    assert client.wire.WAMP is client.conn.WAMP
    assert AbstractConnectionDecorator(client.conn).WAMP is client.conn.WAMP


def test_what_the_application_sets_is_shared(client):
    client.conn.Chat = "room"
    assert client.wire.Chat == "room"


def test_session_ids_differ(serve, connect):
    server, _ = serve()
    ids = {connect(server).id for _ in range(50)}
    assert len(ids) == 50
    assert all(isinstance(id, str) and len(id) >= 16 for id in ids)


def test_subscriptions_are_a_set_of_topics(serve, connect):
    server, _ = serve()
    client = connect(server).say(5, "a").say(5, "b")
    subscriptions = client.conn.WAMP.subscriptions
    assert len(subscriptions) == 2
    assert server.topic("a") in subscriptions
    assert "b" in subscriptions
    assert server.topic("c") not in subscriptions
    assert [str(topic) for topic in subscriptions] == ["a", "b"]
    for topic in subscriptions:
        topic.remove(client.conn)
    assert list(subscriptions) == []


def test_stands_alone(wire):
    conn = WampConnection(wire, WampV1())
    conn.event("t", 1).send("x")
    assert wire.sent == ['[8,"t",1]', "x"]
    assert wire.WAMP is conn.WAMP
