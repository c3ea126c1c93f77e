"""The ``authenticate`` hook, in memory: what it decides, and whatever may happen meanwhile."""

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.logger import capturedLogs
from twisted.web.resource import Resource

from ratchet_py import App, HttpError
from ratchet_py.interfaces import MessageComponentInterface
from ratchet_py.server import EchoServer
from ratchet_py.testing import connect
from ratchet_py.wamp import Component, WampServer
from ratchet_py.websocket import WsServer


class Application(MessageComponentInterface):
    def __init__(self):
        self.told = []

    def onOpen(self, conn):
        self.told.append(("open", conn.httpRequest.user))

    def onMessage(self, conn, msg):
        self.told.append(("message", msg))

    def onClose(self, conn):
        self.told.append("close")

    def onError(self, conn, exc):
        self.told.append(("error", exc))


@pytest.fixture
def application():
    return Application()


@pytest.fixture
def visit(application):
    """Connect a client: ``visit(authenticate, **options)``."""

    def visit(authenticate, **options):
        app = App(None, reactor=None, authenticate=authenticate)
        app.route("/", application, ["http://localhost"])
        return connect(app, **options)

    return visit


async def asynchronously(value):
    return value


async def refusingLater(request):
    raise HttpError(401, "who are you?", {"WWW-Authenticate": "Bearer"})


def refusing(request):
    raise HttpError(401, "who are you?", {"WWW-Authenticate": "Bearer"})


@pytest.mark.parametrize(
    ("authenticate", "user"),
    [
        (None, None),
        (lambda request: None, None),
        (lambda request: "ann", "ann"),
        (lambda request: request.cookies["name"], "joe"),
        (lambda request: succeed("ann"), "ann"),
        (lambda request: succeed(None), None),
        (lambda request: asynchronously(["ann", 1]), ["ann", 1]),
    ],
)
def test_who_is_let_in_is_known(visit, application, authenticate, user):
    client = visit(authenticate, headers={"Cookie": "name=joe"})
    assert client.status == 101
    client.send("hello")
    client.close()
    assert application.told == [("open", user), ("message", "hello"), "close"]


@pytest.mark.parametrize(
    ("authenticate", "status"),
    [
        (refusing, 401),
        (refusingLater, 401),
        (lambda request: fail(HttpError(401, "no", {"WWW-Authenticate": "Bearer"})), 401),
        (lambda request: False, 403),
        (lambda request: "", 403),
        (lambda request: {}, 403),
        (lambda request: succeed(False), 403),
        (lambda request: asynchronously(False), 403),
    ],
)
def test_who_is_refused_never_was_there(visit, application, authenticate, status):
    client = visit(authenticate)
    assert client.status == status
    assert client.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
    assert client.headers["connection"] == "close"
    client.disconnect()
    assert application.told == []
    assert not client.server.connections


@pytest.mark.parametrize("later", [False, True])
def test_a_hook_that_fails_is_our_fault(visit, application, loggedFailures, later):
    def failing(request):
        if later:
            return fail(ZeroDivisionError("a secret"))
        raise ZeroDivisionError("a secret")

    client = visit(failing)
    assert client.status == 500
    assert b"secret" not in client.data
    assert len(loggedFailures.flush(ZeroDivisionError)) == 1
    assert application.told == []


def test_what_is_no_handshake_is_not_asked_about(visit):
    asked = []
    client = visit(asked.append, headers={"Sec-WebSocket-Version": "12"})
    assert client.status == 426
    client = visit(asked.append, headers={"Origin": "http://elsewhere.example"})
    assert client.status == 403
    assert asked == []


def test_what_comes_early_waits(visit, application):
    deciding = Deferred()
    client = visit(lambda request: deciding)
    client.send("early")
    assert (client.status, application.told) == (0, [])
    deciding.callback("ann")
    assert client.status == 101
    client.clock.advance(0)
    assert application.told == [("open", "ann"), ("message", "early")]


@pytest.mark.parametrize("going", ["disconnect", "halfClose"])
def test_who_leaves_while_it_waits_never_was_there(visit, application, going):
    cancelled = []
    deciding = Deferred(cancelled.append)
    client = visit(lambda request: deciding)
    with capturedLogs() as events:
        getattr(client, going)()
        client.clock.advance(0)
    assert cancelled == [deciding]
    assert application.told == []
    assert client.data == b""
    assert events == []
    assert not client.server.connections


@pytest.mark.parametrize("outcome", ["ann", False, HttpError(401, "no"), ZeroDivisionError()])
def test_a_decision_that_cannot_be_stopped_comes_to_nothing(visit, application, outcome):
    async def stubborn(request):
        try:
            await Deferred()
        except CancelledError:
            if isinstance(outcome, Exception):
                raise outcome from None
            return outcome

    client = visit(stubborn)
    with capturedLogs() as events:
        client.disconnect()
    assert application.told == []
    assert client.data == b""
    assert events == []


def test_a_hook_that_gives_up_is_our_fault(visit, application, loggedFailures):
    deciding = Deferred()
    client = visit(lambda request: deciding)
    deciding.cancel()
    assert client.status == 500
    assert len(loggedFailures.flush(CancelledError)) == 1


def test_the_server_stops_while_it_waits(visit, application):
    client = visit(lambda request: Deferred())
    client.server.close()
    client.clock.advance(10)
    assert application.told == []
    assert not client.server.connections
    assert client.clock.getDelayedCalls() == []


def test_a_route_may_have_its_own(application):
    app = App(None, authenticate=lambda request: "of the app")
    app.route("/own", application, ["*"], authenticate=lambda request: "of the route")
    app.route("/", application, ["*"])
    connect(app, "/own")
    connect(app, "/")
    assert application.told == [("open", "of the route"), ("open", "of the app")]


def test_a_route_says_who_may_speak_wamp():
    app = App(None)
    app.route("/", Component(), ["*"], auth={"joe": "geheim"})
    client = connect(app)
    id = client.call("p")
    assert client.errors[id][0] == "http://api.wamp.ws/error#not-authorized"


def test_a_wamp_server_of_ones_own_has_topics_too():
    app = App(None)
    server = WampServer(Component(), auth={"joe": "geheim"})
    app.route("/", server, ["*"])
    assert app.topic("/", "t") == server.topic("t")


@pytest.mark.parametrize("controller", [Resource(), WsServer(EchoServer())])
def test_what_takes_no_authenticate(controller):
    with pytest.raises(TypeError, match="takes no authenticate"):
        App(None).route("/", controller, authenticate=lambda request: None)


@pytest.mark.parametrize("controller", [Resource(), EchoServer(), WampServer(Component())])
def test_what_takes_no_auth(controller):
    with pytest.raises(TypeError, match="takes no auth"):
        App(None).route("/", controller, auth={})
