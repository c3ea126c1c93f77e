"""The facade: what it builds for what it is given.

Processes and signals are in ``tests/integration/test_app.py``.
"""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.web.static import Data

from ratchet_py import App, Component, Limits, MessageComponentInterface
from ratchet_py.broker import MemoryBroker
from ratchet_py.http import HttpServer, OriginCheck
from ratchet_py.metrics import Metrics
from ratchet_py.server import EchoServer
from ratchet_py.server.marking import marks
from ratchet_py.session import Session, SessionProvider, SessionsInterface
from ratchet_py.testing import RawClient, WampClient, WebSocketClient, connect
from ratchet_py.wamp import Component as WampComponent
from ratchet_py.wamp import Topic, WampServer
from ratchet_py.websocket import MessageComponentInterface as WsMessageComponentInterface
from ratchet_py.websocket import WsServer


class PubSub(WampComponent):
    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event)


class Messages(WsMessageComponentInterface):
    def onOpen(self, conn):
        pass

    def onMessage(self, conn, message):
        conn.send(message)

    def onClose(self, conn):
        pass

    def onError(self, conn, exc):
        pass


@pytest.fixture
def app():
    return App(reactor=Clock())


def status(app, path="/", **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebSocketClient(app.server, path, headers=fields).status


# -- what a controller may be ----------------------------------------------------------------------


@pytest.mark.parametrize("controller", [EchoServer, EchoServer(), Messages, Component(Messages())])
def test_an_application_is_put_on_a_ws_server(controller, app):
    if isinstance(controller, Component):
        controller = Component(EchoServer())
    decorated = app.route("/", controller)
    assert isinstance(decorated, OriginCheck)
    client = WebSocketClient(app.server)
    client.send("hello")
    assert client.received == ["hello"]


@pytest.mark.parametrize("controller", [PubSub, PubSub(), WampServer(PubSub())])
def test_a_wamp_application_is_put_on_a_wamp_server(controller, app):
    app.route("/", controller)
    assert status(app, Sec_WebSocket_Protocol="wamp") == 101


def test_what_is_routed_is_returned(app):
    ws = WsServer(EchoServer())
    assert app.route("/a", ws, ["*"]) is ws
    built = app.route("/b", PubSub(), ["*"])
    assert isinstance(built, WsServer)
    assert isinstance(built.delegate, WampServer)
    built.setStrictSubProtocolCheck(False)
    assert status(app, "/b") == 101


def test_a_page_needs_no_origin(app):
    page = Data(b"page", "text/plain")
    page.isLeaf = True
    app.route("/", page)
    client = RawClient(app.server)
    client.sendBytes(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert client.data.startswith(b"HTTP/1.1 200 ")
    client.disconnect()


class Sessions(SessionsInterface):
    name = "sid"

    def find(self, cookie):
        return Session({"name": cookie})


class Greeter(EchoServer):
    def onOpen(self, conn):
        conn.send(conn.Session.get("name") or "stranger")


@pytest.mark.parametrize("isByHand", [True, False])
@pytest.mark.parametrize("origins", [[], ["*"]])
def test_sessions(isByHand, origins, app):
    if isByHand:
        app.route("/", SessionProvider(WsServer(Greeter()), Sessions()), origins)
    else:
        app.route("/", Greeter, origins, session=Sessions())
    assert WebSocketClient(app.server, headers={"Cookie": "sid=Ann"}).received == ["Ann"]
    assert WebSocketClient(app.server).received == ["stranger"]
    strange = WebSocketClient(app.server, headers={"Origin": "http://evil.example"})
    assert strange.status == (101 if origins else 403)


def test_the_session_is_there_for_authenticate():
    app = App(reactor=Clock(), authenticate=lambda request: request.session.has("name"))
    app.route("/", Greeter, session=Sessions())
    assert status(app) == 403
    assert status(app, Cookie="sid=Ann") == 101


@pytest.mark.parametrize("wrap", [lambda ws: ws, lambda ws: OriginCheck(ws, ["*"])])
def test_what_stands_on_a_session_provider_is_seen(wrap):
    metrics = Metrics()
    app = App(reactor=Clock(), metrics=metrics)
    app.route("/wamp", SessionProvider(wrap(WsServer(WampServer(PubSub()))), Sessions()))
    app.route("/other", PubSub, session=Sessions())
    for path in ("/wamp", "/other"):
        assert app.isWamp(path)
        client = WampClient(app.server, path)
        client.subscribe("news")
        app.topic(path, "news").broadcast("it works")
        assert client.received == [("news", "it works")]
        assert metrics.applications[path].connections == 1


def test_a_page_takes_no_session(app):
    with pytest.raises(TypeError, match="takes no session"):
        app.route("/", Data(b"page", "text/plain"), session=Sessions())


@pytest.mark.parametrize("controller", [None, 1, object(), "app", lambda: EchoServer()])
def test_what_is_none_of_these_is_refused(controller, app):
    with pytest.raises(TypeError, match="nothing that a route can serve"):
        app.route("/", controller)
    assert status(app) == 404


def test_routes_are_tried_in_their_order(app):
    app.route("/{name}", EchoServer)
    app.route("/second", PubSub)
    assert len(list(app.routes)) == 2
    client = WebSocketClient(app.server, "/second")
    client.send("x")
    assert client.received == ["x"]


# -- hosts and origins -----------------------------------------------------------------------------


def test_the_host_and_the_origin_are_its_own(app):
    app.route("/", EchoServer)
    assert status(app) == 101
    assert status(app, Host="other.example") == 404
    assert status(app, Origin="http://other.example") == 403


def test_a_route_may_have_its_own(app):
    app.route("/", EchoServer, ["friend.example"], "other.example")
    assert status(app) == 404
    assert status(app, Host="other.example") == 403
    assert status(app, Host="other.example", Origin="https://friend.example") == 101


def test_everybody_is_allowed_if_it_is_said(app):
    app.route("/", EchoServer, ["*"])
    assert status(app, Origin="http://other.example") == 101


def test_without_a_host_a_page_may_connect_to_where_it_came_from():
    app = App(None, reactor=Clock())
    app.route("/", EchoServer)
    assert status(app, Host="a.example", Origin="http://a.example") == 101
    assert status(app, Host="a.example", Origin="http://b.example") == 403


# -- topics ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [lambda wamp: wamp, WampServer, lambda w: WsServer(WampServer(w))])
def test_a_topic_without_a_client_in_hand(wrap, app):
    app.route("/pubsub", wrap(PubSub()), ["*"])
    assert app.isWamp("/pubsub")
    client = WampClient(app.server, "/pubsub")
    client.subscribe("news")
    topic = app.topic("/pubsub", "news")
    assert isinstance(topic, Topic)
    topic.broadcast("it works")
    assert client.received == [("news", "it works")]


def test_a_topic_of_no_wamp_route(app):
    app.route("/echo", EchoServer)
    for path in ("/echo", "/nowhere"):
        assert not app.isWamp(path)
        with pytest.raises(LookupError, match=path):
            app.topic(path, "news")


def test_two_hosts_may_have_one_path():
    app = App(None, reactor=Clock())
    clients = []
    for host in ("a.example", "b.example"):
        app.route("/pubsub", PubSub(), ["*"], httpHost=host)
        clients.append(WampClient(app.server, "/pubsub", headers={"Host": host}))
        clients[-1].subscribe("news")
    assert app.wampPaths == ["/pubsub", "//b.example/pubsub"]
    for path, client in zip(app.wampPaths, clients, strict=True):
        app.topic(path, "news").broadcast(path)
        assert client.received == [("news", path)]


def test_a_push_without_a_client_in_hand(app):
    with pytest.raises(LookupError, match=r"^no WAMP application$"):
        app.push("news", 1)
    app.route("/one", PubSub(), ["*"])
    client = WampClient(app.server, "/one")
    client.subscribe("news")
    told = []
    app.push("news", "it works").addCallback(told.append)
    app.push("news", "not here", eligible=["nobody"], path="/one").addCallback(told.append)
    assert told == [(1, True), (1, True)]
    assert client.received == [("news", "it works")]
    app.route("/two", PubSub(), ["*"])
    with pytest.raises(LookupError, match="say which: /one, /two"):
        app.push("news", 1)
    app.push("news", "nobody is there", path="/two").addCallback(told.append)
    assert told[2:] == [(0, True)]


def test_a_broker_is_lent_to_an_app_that_has_none():
    lent, own = MemoryBroker(), MemoryBroker()
    with App.lending(lent):
        with App.lending(None):
            assert App(reactor=Clock()).broker is None
        assert App(reactor=Clock()).broker is lent
        assert App(reactor=Clock(), broker=own).broker is own
    assert App(reactor=Clock()).broker is None


def test_the_broker_and_the_limits_go_to_every_layer():
    limits = Limits(subscriptions=1, headSize=300, messageSize=100)
    app = App(reactor=Clock(), limits=limits, broker=MemoryBroker())
    built = app.route("/", PubSub(), ["*"])
    assert built.limits is limits
    assert app.server.limits is limits
    client = WampClient(app.server)
    client.subscribe("a")
    client.subscribe("b")
    assert client.closeCode == 1008
    assert status(app, X="x" * 300) == 431


# -- life ------------------------------------------------------------------------------------------


def test_keep_alive_is_on():
    client = connect(EchoServer(), limits=Limits(keepAlive=7))
    client.clock.advance(7)
    client.clock.advance(0)
    assert client.pings == [b""]
    client.disconnect()


def test_close_and_abort():
    for act in ("close", "abort"):
        app = App(reactor=Clock())
        app.route("/", EchoServer)
        client = WebSocketClient(app.server)
        getattr(app, act)()
        for _ in range(3):
            app.loop.advance(0)
        assert client.isClosed
        assert client.closeCode == (1001 if act == "close" else None)


def test_run_only_marks_while_a_module_is_imported():
    app, other = App(), App()
    with App.marking() as marked:
        app.run()
        with App.marking() as inner:
            other.run()
        app.run()
    assert marked == [app, app]
    assert inner == [other]
    assert not marks(app)


@pytest_twisted.ensureDeferred
async def test_listening():
    app = App("localhost", 0)
    [port] = await app.listen()
    assert port.getHost().host == "127.0.0.1"
    taken = App("localhost", port.getHost().port)
    with pytest.raises(CannotListenError):
        await taken.listen()
    assert taken.server.ports == []
    await app.close()


@pytest_twisted.ensureDeferred
async def test_several_endpoints_and_an_ipv6_address():
    app = App("localhost", 0, "::1")
    [port] = await app.listen()
    assert port.getHost().host == "::1"
    await app.close()
    ports = await app.listen("tcp:0:interface=127.0.0.1", "tcp:0:interface=127.0.0.1")
    assert len(ports) == 2
    await app.close()


@pytest_twisted.ensureDeferred
async def test_the_flash_policy_is_served_if_it_is_asked_for():
    app = App("localhost", 0, flashPolicyPort=0)
    app.route("/", EchoServer, ["friend.example"])
    await app.listen()
    [port] = app.flashServer.ports
    policy = app.flashServer.app.renderPolicy()
    assert "friend.example" in policy
    assert '"localhost"' in policy
    other = App("localhost", 0, flashPolicyPort=port.getHost().port)
    with pytest.raises(CannotListenError):
        await other.listen()
    assert other.server.ports == other.flashServer.ports == []
    await app.close()
    assert App("localhost").flashServer is None


def test_everything_stands_on_http_server(app):
    assert isinstance(app.server.app, HttpServer)
    assert isinstance(EchoServer(), MessageComponentInterface)
