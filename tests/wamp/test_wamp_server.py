import pytest

from ratchet_py.broker import MemoryBroker
from ratchet_py.errors import LocalError
from ratchet_py.interfaces import MessageComponentInterface
from ratchet_py.limits import Limits
from ratchet_py.wamp import Component, ServerProtocol, WampServer
from ratchet_py.websocket.interfaces import WsServerInterface


def test_is_a_component_of_the_websocket_layer():
    server = WampServer(Component())
    assert isinstance(server, MessageComponentInterface)
    assert isinstance(server, WsServerInterface)
    assert server.getSubProtocols() == [
        "wamp",
        "wamp.2.json",
        "wamp.2.msgpack",
        "wamp.2.cbor",
    ]


def test_topic_is_for_code_without_a_client(serve, connect):
    server, _ = serve()
    topic = server.topic("t")
    client = connect(server).say(5, "t")
    topic.broadcast("tick")
    assert client.heard() == [[8, "t", "tick"]]


@pytest.mark.parametrize(
    ("curie", "topic"),
    [("auto", "http://a#x"), ("spec", "http://ax"), ("ratchet", "http://a#x")],
)
def test_curie(serve, connect, curie, topic):
    server, _ = serve(curie=curie)
    connect(server).say(1, "ex", "http://a").say(5, "ex:x")
    assert server.topicManager.topics.keys() == {topic}


def test_curie_that_is_no_rule():
    with pytest.raises(LocalError, match="auto"):
        WampServer(Component(), curie="best")


def test_limits_reach_every_part(serve, connect):
    server, _ = serve(Limits(subscriptions=0, prefixes=0, topicLength=1, jsonDepth=1))
    closed = [
        connect(server).say(*message).wire.closed
        for message in ([5, "t"], [1, "e", "u"], [5, "tt"], [7, "t", []])
    ]
    assert closed == [
        (1008, "too many subscriptions"),
        (1008, "too many prefixes"),
        (1007, "a topic, procedure or prefix is too long"),
        (1007, "JSON nests too deep"),
    ]


def test_a_broker_serves_one_server(serve):
    broker = MemoryBroker()
    serve(broker=broker)
    with pytest.raises(LocalError, match="broker"):
        serve(broker=broker)


def test_protocol_alone_gives_names_of_topics(makeApp, connect):
    app = makeApp(onCall=lambda *args: "result")
    server = ServerProtocol(app)
    client = connect(server).say(5, "t").say(5, "t").say(7, "t", 1).say(6, "t").say(2, 1, "p")
    conn = client.conn
    assert app.told == [
        ("onOpen", conn),
        ("onSubscribe", conn, "t"),
        ("onSubscribe", conn, "t"),
        ("onPublish", conn, "t", 1, [], []),
        ("onUnSubscribe", conn, "t"),
        ("onCall", conn, 1, "p", []),
    ]
    assert client.heard() == [[3, 1, "result"]]
