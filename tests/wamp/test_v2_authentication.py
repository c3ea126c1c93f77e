"""HELLO, CHALLENGE, AUTHENTICATE: a client of version 2 says who it is."""

from types import SimpleNamespace

import pytest
from autobahn.wamp.auth import AuthWampCra
from autobahn.wamp.types import Challenge
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from ratchet_py.wamp import Authenticator, User, WampServer
from ratchet_py.wamp.cra import AUTHREQ

JOE = User("joe", "member", secret="geheim", ticket="t-0815", extra={"email": "joe@example.com"})
ANN = User.salted("ann", "her password", "admin", salt="pepper", iterations=100)


@pytest.fixture
def secured(makeApp):
    def secured(store=(JOE, ANN), callbacks=None, **options):
        app = makeApp(**(callbacks or {}))
        return WampServer(app, auth=Authenticator(store, **options)), app

    return secured


@pytest.fixture
def hello(connect):
    """A client that has said HELLO: ``hello(server, "joe", "ticket")``."""

    def hello(server, authid, *methods):
        client = connect(server, subProtocol="wamp.2.json")
        return client.say(1, "realm", {"roles": {}, "authid": authid, "authmethods": methods})

    return hello


def sign(challenge, password):
    _, method, extra = challenge
    return AuthWampCra(authid="x", secret=password).on_challenge(None, Challenge(method, extra))


def one(client):
    (message,) = client.heard()
    return message


@pytest.mark.parametrize(
    ("name", "password", "role"), [("joe", "geheim", "member"), ("ann", "her password", "admin")]
)
def test_who_signs_is_in(secured, hello, name, password, role):
    server, app = secured()
    client = hello(server, name, "wampcra")
    challenge = one(client)
    assert challenge[:2] == [4, "wampcra"]
    assert app.told == []
    client.say(5, sign(challenge, password), {})
    kind, _, details = one(client)
    assert kind == 2
    assert [details[key] for key in ("authid", "authrole", "authmethod")] == [name, role, "wampcra"]
    assert details.get("authextra") == ({"email": "joe@example.com"} if name == "joe" else None)
    wamp = client.conn.WAMP
    assert (wamp.authid, wamp.authrole, wamp.authmethod) == (name, role, "wampcra")
    client.say(48, 1, {}, "p")
    assert app.names() == ["onOpen", "onCall"]
    client.leave()
    assert app.names()[2:] == ["onClose"]


def test_a_ticket(secured, hello):
    server, app = secured()
    client = hello(server, "joe", "ticket")
    assert one(client) == [4, "ticket", {}]
    client.say(5, "t-0815", {})
    assert one(client)[0] == 2
    assert app.names() == ["onOpen"]


def test_anonymous(secured, hello):
    server, app = secured(anonymous="guest")
    client = hello(server, None, "anonymous")
    kind, _, details = one(client)
    assert (kind, details["authrole"], details.get("authid")) == (2, "guest", None)
    assert app.names() == ["onOpen"]
    client.say(48, 1, {}, AUTHREQ, ["joe"])
    assert one(client)[:3] == [8, 48, 1]


@pytest.mark.parametrize(
    ("methods", "uri"),
    [
        (["anonymous"], "wamp.error.no_auth_method"),
        ([], "wamp.error.no_auth_method"),
        (["cryptosign"], "wamp.error.no_auth_method"),
    ],
)
def test_who_cannot_say_who_he_is(secured, hello, methods, uri):
    server, app = secured()
    client = hello(server, "joe", *methods)
    kind, _, reason = one(client)
    assert (kind, reason) == (3, uri)
    assert client.wire.closed
    client.leave()
    assert app.told == []


@pytest.mark.parametrize("method", ["wampcra", "ticket"])
@pytest.mark.parametrize("name", ["joe", "nobody"])
def test_who_does_not_prove_it_learns_so_late(secured, hello, method, name):
    server, app = secured(delay=2)
    client = hello(server, name, method)
    assert one(client)[0] == 4
    client.say(5, "guessed", {}).say(5, "t-0815", {})
    client.wire.reactor.advance(1.9)
    assert client.heard() == []
    client.wire.reactor.advance(0.1)
    kind, _, reason = one(client)
    assert (kind, reason) == (3, "wamp.error.authentication_failed")
    assert client.wire.closed
    client.leave()
    assert app.told == []
    assert client.wire.reactor.getDelayedCalls() == []


def test_who_leaves_meanwhile_leaves_nothing_behind(secured, hello):
    server, app = secured()
    client = hello(server, "joe", "ticket").say(5, "guessed", {})
    with capturedLogs() as events:
        client.leave()
    assert client.wire.reactor.getDelayedCalls() == []
    assert app.told == []
    assert events == []
    assert server.connections == {}


def test_who_leaves_while_the_store_is_asked_is_forgotten(secured, hello):
    cancelled = []
    server, app = secured(lambda authid: Deferred(cancelled.append))
    client = hello(server, "joe", "wampcra")
    with capturedLogs() as events:
        client.leave()
    assert len(cancelled) == 1
    assert events == []
    assert app.told == []


@pytest.mark.parametrize("early", [(48, 1, {}, "p"), (32, 1, {}, "t"), (16, 1, {}, "t")])
def test_nothing_else_can_be_said_before(secured, hello, early):
    server, app = secured()
    client = hello(server, "joe", "ticket")
    client.heard()
    client.say(*early)
    assert one(client)[2] == "wamp.error.protocol_violation"
    assert client.wire.closed
    client.leave()
    assert app.told == []


def test_the_time_to_join_counts_the_challenge(secured, hello):
    server, app = secured()
    client = hello(server, "joe", "ticket")
    client.wire.reactor.advance(10)
    assert client.wire.closed
    assert app.told == []


def test_who_was_sent_away_does_not_come_in_later(secured, hello):
    found = Deferred()
    server, app = secured(lambda authid: found)
    client = hello(server, "joe", "ticket").say(5, "t-0815", {})
    client.wire.reactor.advance(10)
    assert [message[0] for message in client.heard()] == [4, 3]
    found.callback(JOE)
    client.leave()
    assert client.wire.reactor.getDelayedCalls() == []
    assert app.told == []


def test_a_user_of_the_http_hook_is_not_asked(secured, wire):
    server, app = secured()
    wire.httpRequest = SimpleNamespace(user=JOE)
    wire.WebSocket = SimpleNamespace(subProtocol="wamp.2.json")
    server.onOpen(wire)
    server.onMessage(wire, '[1,"realm",{"roles":{},"authmethods":["anonymous"]}]')
    assert app.names() == ["onOpen"]
    (conn,) = server.connections.values()
    assert (conn.WAMP.authid, conn.WAMP.authmethod) == ("joe", "http")
