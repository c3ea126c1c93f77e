"""Whatever is to be tested gets a client that speaks with it."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from ratchet_py import App, Component
from ratchet_py.http import HttpServer, OriginCheck, Route, RouteCollection, Router
from ratchet_py.server import EchoServer, IoServer, IpBlackList, Limiter
from ratchet_py.testing import (
    RawClient,
    Wamp2Client,
    WampClient,
    WebSocketClient,
    connect,
    connectRaw,
)
from ratchet_py.wamp import Component as WampComponent
from ratchet_py.wamp import WampServer
from ratchet_py.websocket import WsServer


class PubSub(WampComponent):
    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event, exclude, eligible)


def test_it_connects_to_an_application_an_app_or_a_server():
    client = connect(EchoServer())
    app = App(reactor=Clock())
    app.route("/there", EchoServer)
    for other in (connect(app, "/there"), connect(client.server), client.another()):
        other.send("hello")
        assert other.received == ["hello"]
    assert connect(app, "/elsewhere").status == 404


def test_an_app_gets_a_clock_unless_it_has_one():
    own, given = Clock(), Clock()
    app = App(reactor=own)
    app.route("/", EchoServer)
    assert connect(app).clock is own
    assert connect(app, clock=given).clock is given
    assert isinstance(connect(App()).clock, Clock)
    assert connect(EchoServer(), clock=given).clock is given


def router(**controllers):
    routes = RouteCollection()
    for name, controller in controllers.items():
        routes.add(name, Route(f"/{name}", controller))
    return Router(routes)


COMPONENTS = {
    "a class": EchoServer,
    "an application": EchoServer(),
    "one that passes on": Component(EchoServer()),
    "a limiter": Limiter(EchoServer(), connections=9),
    "a WsServer": WsServer(EchoServer()),
    "an OriginCheck": OriginCheck(WsServer(EchoServer()), ["localhost"]),
    "a Router": router(echo=WsServer(EchoServer()), other=WsServer(WampServer(PubSub()))),
    "an HttpServer": HttpServer(WsServer(EchoServer())),
    "what is below it": IpBlackList(HttpServer(WsServer(EchoServer()))),
    "an IoServer": IoServer(HttpServer(WsServer(EchoServer())), Clock()),
}


@pytest.mark.parametrize("served", COMPONENTS.values(), ids=COMPONENTS)
def test_any_component_of_any_layer(served):
    client = connect(served, "/echo?x=1")
    client.send("hello")
    assert type(client) is WebSocketClient
    assert client.received == ["hello"]


def test_the_kind_of_client_follows_the_application_and_what_is_offered():
    pubsub = WsServer(WampServer(PubSub()))
    both = router(echo=WsServer(EchoServer()), wamp=OriginCheck(pubsub, ["localhost"]))
    assert type(connectRaw(EchoServer())) is RawClient
    assert type(connect(both, "/echo")) is WebSocketClient
    assert type(connect(both, "/wamp?x=1")) is WampClient
    assert type(connect(PubSub())) is WampClient
    assert type(connect(connect(PubSub()).server)) is WampClient
    assert type(connect(PubSub(), subProtocols=["wamp"])) is WampClient
    assert type(connect(PubSub(), subProtocols=["wamp.2.cbor"])) is Wamp2Client
    assert type(connect(PubSub(), subProtocol="wamp.2.cbor")) is Wamp2Client
    either = connect(PubSub(), subProtocols=["wamp.2.json", "wamp"])
    assert type(either) is WebSocketClient
    assert either.headers["sec-websocket-protocol"] == "wamp.2.json"


def test_another_speaks_as_the_first_does():
    for options in ({}, {"subProtocols": ["wamp"]}, {"subProtocol": "wamp.2.msgpack"}):
        one = connect(PubSub(), "/there", **options)
        other = one.another()
        assert type(other) is type(one)
        other.subscribe("news")
        one.publish("news", 1)
        assert other.received == [("news", 1)]

    class Chat(EchoServer):
        def getSubProtocols(self):
            return ["chat"]

    assert connect(Chat(), subProtocols=["chat"]).another().status == 101
