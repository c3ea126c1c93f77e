"""WAMP-CRA of version 1, with Autobahn's arithmetic at the client's end."""

import json
from types import SimpleNamespace

import pytest
from autobahn.wamp.auth import compute_wcs, derive_key
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from ratchet_py.dispatch import CANCELLATIONS
from ratchet_py.wamp import Authenticator, CallableAuthStore, Rule, User, WampServer
from ratchet_py.wamp.cra import AUTH, AUTHREQ

ERROR = "http://api.wamp.ws/error#"
NOT_AUTHORIZED = ERROR + "not-authorized"
NOTHING = {"pubsub": [], "rpc": []}

USERS = [
    User("joe", "member", secret="geheim", permissions=[Rule("com.news", actions={"subscribe"})]),
    User.salted("ann", "her password", "admin", salt="pepper", iterations=100, keylen=16),
    User("tim", ticket="a ticket"),
]


@pytest.fixture
def secured(makeApp):
    """A server that knows the users, and its application: ``secured(anonymous="guest")``."""

    def secured(store=USERS, callbacks=None, **options):
        app = makeApp(**(callbacks or {}))
        return WampServer(app, auth=Authenticator(store, **options)), app

    return secured


def call(client, procedure, *args):
    """The answer to a call that is answered at once: its result or, a list, its error."""
    client.say(2, "id", procedure, *args)
    return answer(client)


def answer(client):
    ((kind, id, *rest),) = client.heard()
    assert id == "id"
    assert kind in (3, 4)
    return rest[0] if kind == 3 else rest


def error(client, procedure, *args):
    """The URI of the error that a call is answered with, without what all of them share."""
    said = call(client, procedure, *args)
    assert isinstance(said, list)
    return said[0].removeprefix(ERROR)


def sign(challenge, secret):
    extra = json.loads(challenge).get("authextra")
    key = secret.encode()
    if extra is not None:
        key = derive_key(key, extra["salt"], extra["iterations"], extra["keylen"])
    return compute_wcs(key, challenge).decode()


def logIn(client, name, secret):
    return call(client, AUTH, sign(call(client, AUTHREQ, name), secret))


# --- who comes in


@pytest.mark.parametrize(
    ("name", "secret", "role", "may"),
    [
        (
            "joe",
            "geheim",
            "member",
            {
                "pubsub": [{"uri": "com.news", "prefix": False, "pub": False, "sub": True}],
                "rpc": [],
            },
        ),
        ("ann", "her password", "admin", NOTHING),
    ],
)
def test_who_signs_is_in(secured, connect, name, secret, role, may):
    server, app = secured()
    client = connect(server)
    assert app.told == []
    assert logIn(client, name, secret) == may
    assert app.names() == ["onOpen"]
    wamp = client.conn.WAMP
    assert (wamp.authid, wamp.authrole, wamp.authmethod) == (name, role, "wampcra")
    client.say(5, "t").say(7, "t", 1).say(2, "id", "p")
    assert app.names() == ["onOpen", "onSubscribe", "onPublish", "onCall"]
    client.leave()
    assert app.names()[4:] == ["onClose"]


def test_who_does_not_say_who_it_is_is_closed(secured, connect):
    server, app = secured()
    client = connect(server)
    clock = client.wire.reactor
    tally = client.wire.serverTally.exceeded
    before = tally["handshakeTimeout"]
    call(client, AUTHREQ, "joe")
    clock.advance(9)
    assert client.wire.closed is None
    clock.advance(2)
    assert client.wire.closed == (1008, "not authenticated in time")
    assert tally["handshakeTimeout"] == before + 1
    client.leave()
    assert app.told == []
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("anonymous", [None, "guest"])
def test_who_is_in_may_stay(secured, connect, anonymous):
    client = connect(secured(anonymous=anonymous)[0])
    if anonymous is None:
        logIn(client, "joe", "geheim")
    assert client.wire.reactor.getDelayedCalls() == []


def test_who_leaves_leaves_no_timer(secured, connect):
    client = connect(secured()[0])
    client.leave()
    assert client.wire.reactor.getDelayedCalls() == []


def test_what_a_challenge_says(secured, connect):
    client = connect(secured()[0])
    said = json.loads(call(client, AUTHREQ, "ann", {"from": "a test"}))
    assert said.pop("authid")
    assert said.pop("timestamp").endswith("Z")
    assert said == {
        "authkey": "ann",
        "sessionid": client.id,
        "extra": {"from": "a test"},
        "permissions": NOTHING,
        "authextra": {"salt": "pepper", "iterations": 100, "keylen": 16},
    }


def test_no_two_challenges_are_the_same(secured, connect):
    server, _ = secured()
    challenges = {call(connect(server), AUTHREQ, "joe") for _ in range(3)}
    assert len(challenges) == 3


# --- who does not


def test_a_wrong_signature_is_answered_late_and_there_is_one_try(secured, connect):
    server, app = secured(delay=2)
    client = connect(server)
    challenge = call(client, AUTHREQ, "joe")
    client.say(2, "id", AUTH, sign(challenge, "guessed"))
    clock = client.wire.reactor
    clock.advance(1.9)
    assert client.heard() == []
    clock.advance(0.1)
    assert answer(client)[0] == ERROR + "invalid-signature"
    assert error(client, AUTH, sign(challenge, "geheim")) == "no-authentication-requested"
    assert client.conn.WAMP.authrole is None
    assert app.told == []
    assert logIn(client, "joe", "geheim")["rpc"] == []
    assert clock.getDelayedCalls() == []


def test_nothing_else_can_be_tried_meanwhile(secured, connect):
    client = connect(secured()[0])
    challenge = call(client, AUTHREQ, "joe")
    client.say(2, "wrong", AUTH, "guessed")
    assert error(client, AUTHREQ, "joe") == "authentication-already-requested"
    assert error(client, AUTH, sign(challenge, "geheim")) == "no-authentication-requested"


def test_who_leaves_before_the_answer_leaves_nothing_behind(secured, connect):
    server, app = secured()
    client = connect(server)
    call(client, AUTHREQ, "joe")
    client.say(2, "id", AUTH, "guessed")
    with capturedLogs() as events:
        client.leave()
    assert client.wire.reactor.getDelayedCalls() == []
    assert app.told == []
    assert events == []
    assert not server.connections


@pytest.mark.parametrize("name", ["nobody", "tim"])
def test_a_name_that_cannot_sign_gets_a_challenge_like_any_other(secured, connect, name):
    server, app = secured()
    clients = [connect(server), connect(server)]
    challenges = [call(client, AUTHREQ, name) for client in clients]
    shapes = {frozenset(json.loads(call(connect(server), AUTHREQ, n))) for n in ("joe", "ann")}
    first, second = map(json.loads, challenges)
    assert frozenset(first) in shapes
    assert first.get("authextra") == second.get("authextra")
    client = clients[0]
    client.say(2, "id", AUTH, sign(challenges[0], "geheim"))
    assert client.heard() == []
    client.wire.reactor.advance(1)
    assert answer(client)[0] == ERROR + "invalid-signature"
    assert app.told == []


# --- what is not let in can do


def test_before_authentication_there_is_nothing_else(secured, connect):
    server, app = secured()
    client = connect(server)
    client.say(5, "t").say(7, "t", 1).say(6, "t")
    assert client.heard() == []
    assert call(client, "p")[0] == NOT_AUTHORIZED
    assert app.told == []
    assert len(client.conn.WAMP.subscriptions) == 0
    assert server.topicManager.sessions == {}
    client.leave()
    assert app.told == []


def test_an_anonymous_session_is_one_from_the_start(secured, connect):
    server, app = secured(anonymous="guest")
    client = connect(server)
    assert app.names() == ["onOpen"]
    wamp = client.conn.WAMP
    assert (wamp.authid, wamp.authrole, wamp.authmethod) == (None, "guest", "anonymous")
    client.say(5, "t")
    assert app.names() == ["onOpen", "onSubscribe"]
    logIn(client, "joe", "geheim")
    assert (wamp.authid, wamp.authrole, wamp.authmethod) == ("joe", "member", "wampcra")
    assert app.names() == ["onOpen", "onSubscribe"]
    client.leave()
    assert app.names()[2:] == ["onClose"]


def test_anonymous_by_the_procedures(secured, connect):
    client = connect(secured(anonymous="guest")[0])
    assert call(client, AUTHREQ) is None
    assert error(client, AUTHREQ) == "authentication-already-requested"
    assert call(client, AUTH, None) == NOTHING
    assert client.conn.WAMP.authrole == "guest"
    assert error(client, AUTHREQ, "joe") == "already-authenticated"


# --- errors


@pytest.mark.parametrize(
    ("procedure", "args", "uri"),
    [
        (AUTHREQ, [], "anonymous-auth-forbidden"),
        (AUTHREQ, [None, {}], "anonymous-auth-forbidden"),
        (AUTHREQ, ["", {}], "anonymous-auth-forbidden"),
        (AUTHREQ, [5], "invalid-argument"),
        (AUTHREQ, [True], "invalid-argument"),
        (AUTHREQ, [["joe"], 1], "invalid-argument"),
        (AUTHREQ, [{"name": "joe"}], "invalid-argument"),
        (AUTHREQ, ["joe", "extra"], "invalid-argument"),
        (AUTHREQ, ["x" * 1025], "no-such-authkey"),
        (AUTH, ["signature"], "no-authentication-requested"),
        (AUTH, [], "no-authentication-requested"),
    ],
)
def test_what_a_call_is_refused_with(secured, connect, procedure, args, uri):
    server, app = secured()
    assert error(connect(server), procedure, *args) == uri
    assert app.told == []


@pytest.mark.parametrize("args", [[5], [{}], [[1, 2], 3]])
def test_a_signature_is_text_or_null(secured, connect, args):
    client = connect(secured()[0])
    challenge = call(client, AUTHREQ, "joe")
    assert error(client, AUTH, *args) == "invalid-argument"
    assert call(client, AUTH, sign(challenge, "geheim"))["rpc"] == []


@pytest.mark.parametrize("args", [[], [None], ["\x00"], ["ä" * 44], ["x" * 44]])
def test_a_signature_may_be_any_text(secured, connect, args):
    client = connect(secured()[0])
    call(client, AUTHREQ, "joe")
    client.say(2, "id", AUTH, *args)
    client.wire.reactor.advance(1)
    assert answer(client)[0] == ERROR + "invalid-signature"


def test_twice(secured, connect):
    client = connect(secured()[0])
    call(client, AUTHREQ, "joe")
    assert error(client, AUTHREQ, "joe") == "authentication-already-requested"
    client = connect(secured()[0])
    logIn(client, "joe", "geheim")
    assert error(client, AUTHREQ, "joe") == "already-authenticated"
    assert error(client, AUTH, "x") == "already-authenticated"


def test_without_the_method_no_name_is_known(secured, connect):
    client = connect(secured(methods=["ticket"])[0])
    assert error(client, AUTHREQ, "joe") == "no-such-authkey"


def test_without_users_they_are_procedures_like_any_other(serve, connect):
    server, app = serve(onCall=lambda conn, id, topic, params: str(topic))
    assert call(connect(server), AUTHREQ) == AUTHREQ
    assert server.authenticator is None
    assert app.names() == ["onOpen", "onCall"]


# --- what takes time


def test_a_store_may_take_its_time(secured, connect):
    found = Deferred()
    server, app = secured(CallableAuthStore(lambda authid: found))
    client = connect(server)
    client.say(2, "early", AUTHREQ, "joe")
    assert error(client, AUTHREQ, "joe") == "authentication-already-requested"
    found.callback(USERS[0])
    ((_, _, challenge),) = client.heard()
    call(client, AUTH, sign(challenge, "geheim"))
    assert app.names() == ["onOpen"]


@pytest.mark.parametrize("kind", CANCELLATIONS)
def test_who_leaves_while_the_store_is_asked_is_forgotten(secured, connect, kind):
    cancelled = []

    def cancel(finding):
        cancelled.append(finding)
        finding.errback(kind())

    server, app = secured(CallableAuthStore(lambda authid: Deferred(cancel)))
    client = connect(server)
    client.say(2, "id", AUTHREQ, "joe")
    with capturedLogs() as events:
        client.leave()
    assert len(cancelled) == 1
    assert app.told == []
    assert events == []


@pytest.mark.parametrize("failing", ["raises", "fails", "gives up"])
def test_a_store_that_fails_is_our_fault(secured, connect, failing, loggedFailures):
    def find(authid):
        if failing == "raises":
            raise ZeroDivisionError
        found = Deferred()
        if failing == "fails":
            found.errback(ZeroDivisionError())
        else:
            found.cancel()
        return found

    server, app = secured(CallableAuthStore(find))
    assert error(connect(server), AUTHREQ, "joe") == "internal"
    assert app.told == []
    logged = loggedFailures.flush(ZeroDivisionError)
    assert len(logged) == (failing != "gives up")


def test_on_open_finishes_before_the_answer(secured, connect):
    opening = Deferred()
    server, app = secured(callbacks={"onOpen": lambda conn: opening})
    client = connect(server)
    challenge = call(client, AUTHREQ, "joe")
    client.say(2, "id", AUTH, sign(challenge, "geheim")).say(7, "t", "too early")
    assert client.heard() == []
    assert app.names() == ["onOpen"]
    assert client.conn.WAMP.authid == "joe"
    opening.callback(None)
    assert answer(client)["rpc"] == []
    client.say(7, "t", "now")
    assert app.names() == ["onOpen", "onPublish"]


def test_on_close_waits_for_on_open(secured, connect):
    opening = Deferred()
    server, app = secured(callbacks={"onOpen": lambda conn: opening})
    client = connect(server)
    client.say(2, "id", AUTH, sign(call(client, AUTHREQ, "joe"), "geheim"))
    client.leave()
    assert app.names() == ["onOpen"]
    opening.callback(None)
    assert app.names() == ["onOpen", "onClose"]
    assert server.topicManager.sessions == {}


def test_on_open_may_fail(secured, connect):
    server, app = secured(callbacks={"onOpen": lambda conn: 1 / 0})
    client = connect(server)
    logIn(client, "joe", "geheim")
    client.say(7, "t", 1)
    assert app.names() == ["onOpen", "onError", "onPublish"]


# --- who was let in by HTTP


def test_a_user_of_the_http_hook_is_in_from_the_start(secured, wire):
    server, app = secured()
    wire.httpRequest = SimpleNamespace(user=USERS[0])
    wire.WebSocket = SimpleNamespace(subProtocol="wamp")
    server.onOpen(wire)
    (conn,) = server.connections.values()
    assert app.names() == ["onOpen"]
    assert (conn.WAMP.authid, conn.WAMP.authrole, conn.WAMP.authmethod) == ("joe", "member", "http")


def test_another_identity_of_the_http_hook_says_nothing(secured, wire):
    server, app = secured()
    wire.httpRequest = SimpleNamespace(user="joe")
    server.onOpen(wire)
    assert app.told == []
