"""Clients of version 2 and what they may say when, and what they are answered."""

import asyncio
import json
import math

import cbor2
import msgspec
import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import capturedLogs

from ratchet_py.dispatch import CANCELLATIONS
from ratchet_py.errors import CallError, LocalError, NotAuthorized
from ratchet_py.limits import Limits
from ratchet_py.wamp import Authenticator, Component, Params, Payload, ServerProtocol, WampServer

FORMS = {
    "wamp.2.json": (json.dumps, json.loads),
    "wamp.2.msgpack": (msgspec.msgpack.encode, msgspec.msgpack.decode),
    "wamp.2.cbor": (cbor2.dumps, cbor2.loads),
}


class Joined:
    """A client of version 2: ``say`` sends a message, ``heard`` takes what has come back."""

    def __init__(self, client, form):
        self.client = client
        self.wire = client.wire
        self.conn = client.conn
        self._encode, self._decode = FORMS[form]

    @property
    def id(self):
        return self.conn.WAMP.sessionId

    def say(self, *message):
        self.client.sayText(self._encode(message))
        return self

    def heard(self):
        messages = [self._decode(message) for message in self.wire.sent]
        self.wire.sent.clear()
        return messages

    def leave(self):
        self.client.leave()


@pytest.fixture
def arrive(newClient):
    """Connect a client that has not said HELLO."""
    return lambda server, form="wamp.2.json": Joined(newClient(server, subProtocol=form), form)


@pytest.fixture
def join(arrive):
    """Connect a client whose welcome has been heard."""

    def join(server, form="wamp.2.json"):
        client = arrive(server, form).say(1, "realm1", {})
        client.wire.sent.clear()
        return client

    return join


def refusing(*args):
    raise NotAuthorized("no")


def failing(*args):
    raise ValueError("a secret")


def relay(conn, topic, event, exclude, eligible):
    topic.broadcast(event, exclude, eligible)


RUNTIME = ("wamp.error.runtime_error", ["internal error"])
DENIED = ("wamp.error.not_authorized", ["no"])


# --- joining


@pytest.mark.parametrize("form", FORMS)
def test_hello_and_welcome(serve, arrive, form):
    server, app = serve(onOpen=lambda conn: conn.callResult)
    client = arrive(server, form)
    assert (client.heard(), app.names()) == ([], [])
    ((kind, session, details),) = client.say(1, "realm1", {"roles": {}}).heard()
    assert (kind, str(session)) == (2, client.id)
    assert details["roles"] == {
        "broker": {
            "features": {"publisher_exclusion": True, "subscriber_blackwhite_listing": True}
        },
        "dealer": {"features": {"call_canceling": True}},
    }
    assert (details["realm"], details["authrole"], details["authmethod"]) == (
        "realm1",
        "anonymous",
        "anonymous",
    )
    assert app.names() == ["onOpen"]
    assert client.conn.WAMP.realm == "realm1"
    assert client.wire.closed is None


def test_the_welcome_comes_before_what_on_open_sends(serve, arrive):
    server, _ = serve(onOpen=lambda conn: conn.send("hello"))
    client = arrive(server).say(1, "r", {})
    assert client.wire.sent[1] == "hello"


def test_on_open_holds_messages_and_the_close_back(serve, arrive):
    opening = Deferred()
    server, app = serve(onOpen=lambda conn: opening)
    client = arrive(server).say(1, "r", {}).say(32, 1, {}, "t")
    assert app.names() == ["onOpen"]
    client.leave()
    assert app.names() == ["onOpen"]
    opening.callback(None)
    assert app.names() == ["onOpen", "onClose"]


def test_messages_go_on_when_on_open_has_finished(serve, arrive):
    opening = Deferred()
    server, app = serve(onOpen=lambda conn: opening)
    client = arrive(server).say(1, "r", {}).say(32, 1, {}, "t")
    opening.callback(None)
    assert app.names() == ["onOpen", "onSubscribe"]
    assert [message[0] for message in client.heard()] == [2, 33]
    client.leave()
    assert app.names()[2:] == ["onClose"]


def test_what_an_application_keeps_of_its_on_open_stays(serve, arrive):
    opening = Deferred()

    def onOpen(conn):
        conn.opening = "mine"
        return opening

    server, _ = serve(onOpen=onOpen)
    client = arrive(server).say(1, "r", {})
    opening.callback(None)
    assert client.conn.opening == "mine"
    assert client.conn.stillOpening is None


def test_a_failing_on_open_is_reported(serve, arrive):
    server, app = serve(onOpen=failing)
    client = arrive(server).say(1, "r", {}).say(32, 1, {}, "t")
    assert app.names() == ["onOpen", "onError", "onSubscribe"]
    assert client.wire.closed is None


@pytest.mark.parametrize(
    "message",
    [
        [5, "signature", {}],
        [6, {}, "wamp.close.normal"],
        [16, 1, {}, "t"],
        [32, 1, {}, "t"],
        [34, 1, 1],
        [48, 1, {}, "p"],
        [49, 1, {}],
        [64, 1, {}, "p"],
        [66, 1, 1],
        [99],
        [1, None, {}],
    ],
)
def test_before_hello_anything_else_is_answered_with_abort(serve, arrive, message):
    server, app = serve()
    client = arrive(server).say(*message).say(1, "r", {})
    ((kind, details, reason),) = client.heard()
    assert (kind, reason) == (3, "wamp.error.protocol_violation")
    assert details["message"]
    assert client.wire.closed[0] == 1002
    client.leave()
    assert app.names() == []


@pytest.mark.parametrize("data", ["nonsense", b"[1]", "[5"])
def test_what_cannot_be_read_is_answered_with_abort(serve, arrive, data):
    client = arrive(serve()[0])
    client.client.sayText(data)
    ((kind, _, reason),) = client.heard()
    assert (kind, reason) == (3, "wamp.error.protocol_violation")
    assert client.wire.closed[0] == 1007


@pytest.mark.parametrize("message", [[1, "r", {}], [5, "s", {}], [99], [32, 0, {}, "t"], "x"])
def test_a_violation_of_a_member_is_answered_with_goodbye(serve, join, message):
    server, app = serve()
    bystander = join(server).say(32, 1, {}, "t")
    bystander.heard()
    client = join(server).say(*message).say(32, 1, {}, "t")
    ((kind, details, reason),) = client.heard()
    assert (kind, reason) == (6, "wamp.error.protocol_violation")
    assert details["message"] == client.wire.closed[1]
    client.leave()
    assert app.names()[-1] == "onClose"
    server.topic("t").broadcast(1)
    assert len(bystander.heard()) == 1


def test_who_does_not_say_hello_is_dropped_and_leaves_nothing(serve, arrive):
    server, app = serve(Limits(handshakeTimeout=10))
    client = arrive(server)
    clock = client.wire.reactor
    clock.advance(9)
    assert client.wire.closed is None
    clock.advance(2)
    assert client.heard()[0][2] == "wamp.error.protocol_violation"
    assert client.wire.closed[0] == 1008
    client.leave()
    assert (app.names(), server.connections, server.topicManager.sessions) == ([], {}, {})
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("deed", ["join", "leave"])
def test_the_time_limit_ends_with_hello_or_the_connection(serve, arrive, deed):
    client = arrive(serve()[0])
    client.leave() if deed == "leave" else client.say(1, "r", {})
    assert client.wire.reactor.getDelayedCalls() == []


@pytest.mark.parametrize(("realms", "realm"), [(["a", "b"], "c"), (["a"], ""), (None, "")])
def test_a_realm_that_is_none(makeApp, arrive, realms, realm):
    app = makeApp()
    client = arrive(WampServer(app, realms=realms)).say(1, realm, {})
    assert client.heard() == [[3, {"message": "no such realm"}, "wamp.error.no_such_realm"]]
    assert client.wire.closed == (1000, "")
    client.leave()
    assert app.names() == []


@pytest.mark.parametrize("realms", [None, ["a"]])
def test_a_realm_that_is_too_long(makeApp, arrive, realms):
    app = makeApp()
    server = WampServer(app, Limits(topicLength=5), realms=realms)
    client = arrive(server).say(1, "r" * 6, {})
    reason = "the realm is too long"
    assert client.heard() == [[3, {"message": reason}, "wamp.error.protocol_violation"]]
    assert client.wire.closed == (1007, reason)
    client.leave()
    assert app.names() == []


def test_a_realm_that_is_one(makeApp, arrive):
    client = arrive(WampServer(makeApp(), realms=["a", "b"])).say(1, "b", {})
    assert client.heard()[0][0] == 2


# --- who it is


@pytest.fixture
def guarded(makeApp):
    """A server that lets in Joe, who has a ticket and a secret: (server, app)."""
    app = makeApp()
    users = {"joe": {"secret": "geheim", "ticket": "t-0815", "role": "boss", "extra": {"a": 1}}}
    return WampServer(app, auth=Authenticator(users, delay=1)), app


def hello(authid="joe", *methods):
    return [1, "r", {"authid": authid, "authmethods": list(methods)}]


def test_a_ticket(guarded, arrive):
    server, app = guarded
    client = arrive(server).say(*hello("joe", "ticket"))
    assert client.heard() == [[4, "ticket", {}]]
    assert app.names() == []
    ((kind, _, details),) = client.say(5, "t-0815", {}).heard()
    assert kind == 2
    assert (details["authid"], details["authrole"], details["authmethod"]) == (
        "joe",
        "boss",
        "ticket",
    )
    assert details["authextra"] == {"a": 1}
    assert app.names() == ["onOpen"]
    assert (client.conn.WAMP.authid, client.conn.WAMP.authrole) == ("joe", "boss")
    client.say(48, 1, {}, "p").say(32, 2, {}, "t")
    assert app.names() == ["onOpen", "onCall", "onSubscribe"]


def test_wampcra(guarded, arrive):
    from autobahn.wamp.auth import compute_wcs

    server, app = guarded
    client = arrive(server).say(*hello("joe", "wampcra"))
    ((kind, method, extra),) = client.heard()
    assert (kind, method) == (4, "wampcra")
    signature = compute_wcs("geheim", extra["challenge"]).decode()
    assert client.say(5, signature, {}).heard()[0][0] == 2
    assert app.names() == ["onOpen"]


@pytest.mark.parametrize("authid", ["joe", "nobody"])
def test_a_wrong_answer_is_refused_after_a_while(guarded, arrive, authid):
    server, app = guarded
    client = arrive(server).say(*hello(authid, "ticket")).say(5, "wrong", {})
    client.heard()
    assert client.wire.closed is None
    client.say(5, "t-0815", {})
    client.wire.reactor.advance(1)
    ((kind, _, reason),) = client.heard()
    assert (kind, reason) == (3, "wamp.error.authentication_failed")
    assert client.wire.closed == (1000, "")
    client.leave()
    assert app.names() == []


@pytest.mark.parametrize("methods", [[], ["anonymous"], ["scram"]])
def test_no_method_that_would_do(guarded, arrive, methods):
    server, app = guarded
    client = arrive(server).say(*hello("joe", *methods))
    assert client.heard()[0][::2] == [3, "wamp.error.no_auth_method"]
    assert app.names() == []


@pytest.mark.parametrize(
    "message", [[1, "r", {}], [48, 1, {}, "p"], [6, {}, "wamp.close.x"], [5, None]]
)
def test_a_challenge_is_to_be_answered(guarded, arrive, message):
    server, app = guarded
    client = arrive(server).say(*hello("joe", "ticket"))
    client.heard()
    client.say(*message)
    assert client.heard()[0][::2] == [3, "wamp.error.protocol_violation"]
    assert app.names() == []


def test_who_does_not_answer_the_challenge_is_dropped(guarded, arrive):
    client = arrive(guarded[0]).say(*hello("joe", "ticket"))
    client.wire.reactor.advance(11)
    assert client.wire.closed[0] == 1008


@pytest.mark.parametrize("answer", [False, True])
def test_who_leaves_while_it_is_asked_leaves_nothing(guarded, arrive, answer):
    server, app = guarded
    client = arrive(server).say(*hello("joe", "ticket"))
    if answer:
        client.say(5, "wrong", {})
    client.leave()
    assert client.wire.reactor.getDelayedCalls() == []
    assert (app.names(), server.connections) == ([], {})


def test_a_store_that_waits_holds_messages_back(makeApp, arrive):
    looked = []

    def find(authid):
        looked.append(Deferred())
        return looked[-1]

    server = WampServer(app := makeApp(), auth=find)
    client = arrive(server).say(*hello("joe", "wampcra")).say(48, 1, {}, "p")
    assert client.heard() == []
    looked[0].callback(None)
    # The challenge is there, and the call too early.
    assert [message[0] for message in client.heard()] == [4, 3]
    assert app.names() == []


@pytest.mark.parametrize("kind", CANCELLATIONS)
def test_a_store_that_waits_may_be_left(makeApp, arrive, kind):
    cancelled = []

    def cancel(finding):
        cancelled.append(finding)
        finding.errback(kind())

    server = WampServer(makeApp(), auth=lambda authid: Deferred(cancel))
    with capturedLogs() as events:
        arrive(server).say(*hello("joe", "wampcra")).leave()
    assert len(cancelled) == 1
    assert events == []


def test_anonymous_where_that_is_allowed(makeApp, arrive):
    server = WampServer(makeApp(), auth=Authenticator(anonymous="guest"))
    client = arrive(server).say(1, "r", {})
    ((kind, _, details),) = client.heard()
    assert (kind, details["authrole"], "authid" in details) == (2, "guest", False)
    assert client.conn.WAMP.authrole == "guest"


# --- leaving


@pytest.mark.parametrize("reason", ["wamp.close.normal", "wamp.close.goodbye_and_out", "x"])
def test_goodbye_is_answered(serve, join, reason):
    server, app = serve()
    client = join(server).say(6, {}, reason).say(48, 1, {}, "p")
    assert client.heard() == [[6, {}, "wamp.close.goodbye_and_out"]]
    assert client.wire.closed == (1000, "")
    client.leave()
    assert app.names() == ["onOpen", "onClose"]


def test_abort_is_not(serve, join, arrive):
    server, app = serve()
    for client in join(server), arrive(server):
        client.say(3, {}, "wamp.error.x")
        assert client.heard() == []
        assert client.wire.closed == (1000, "")
        client.leave()
    assert app.names() == ["onOpen", "onClose"]


@pytest.mark.parametrize(
    ("arguments", "goodbye", "closed"),
    [
        ([], [6, {}, "wamp.close.normal"], (1000, "")),
        ([None], [6, {}, "wamp.close.normal"], (1000, "")),
        ([4000, "enough"], [6, {"message": "enough"}, "wamp.close.normal"], (4000, "enough")),
        ([1001, "off"], [6, {"message": "off"}, "wamp.close.system_shutdown"], (1001, "off")),
    ],
)
def test_the_server_says_goodbye(serve, join, arguments, goodbye, closed):
    client = join(serve()[0])
    client.conn.close(*arguments)
    assert client.heard() == [goodbye]
    assert client.wire.closed == closed


# --- subscriptions


@pytest.mark.parametrize("form", FORMS)
def test_subscribed_comes_first(serve, join, form):
    def onSubscribe(conn, topic):
        topic.broadcast("one")
        conn.event(topic, "two")

    server, _ = serve(onSubscribe=onSubscribe)
    client = join(server, form).say(32, 7, {}, "t")
    server.topic("t").broadcast("three")
    (subscribed, *events) = client.heard()
    assert subscribed[:2] == [33, 7]
    assert [event[0:2] for event in events] == [[36, subscribed[2]]] * 3
    assert [event[4] for event in events] == [["one"], ["two"], ["three"]]


def test_also_if_the_application_takes_its_time(serve, join):
    deciding = Deferred()
    server, _ = serve(onSubscribe=lambda conn, topic: deciding)
    client = join(server).say(32, 7, {}, "t")
    server.topic("t").broadcast("one")
    client.conn.event("t", "two")
    client.say(32, 8, {}, "t")
    assert client.heard() == []
    deciding.callback(None)
    server.topic("t").broadcast("three")
    (one, two, *events) = client.heard()
    assert [one[:2], two[:2], one[2]] == [[33, 7], [33, 8], two[2]]
    assert [event[4] for event in events] == [["one"], ["two"], ["three"]]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("callback", "error"),
    [
        (refusing, DENIED),
        (failing, RUNTIME),
    ],
)
def test_a_refused_subscription_does_not_exist(serve, join, callback, error, late):
    deciding = Deferred()

    def onSubscribe(conn, topic):
        topic.broadcast("nobody may hear this")
        if not late:
            callback()
        return deciding.addCallback(callback)

    server, app = serve(onSubscribe=onSubscribe)
    client = join(server).say(32, 7, {}, "t")
    if late:
        server.topic("t").broadcast("nor this")
        assert client.heard() == []
        deciding.callback(None)
    assert client.heard() == [[8, 32, 7, {}, error[0], error[1]]]
    assert ("onError" in app.names()) is (callback is failing)
    assert server.topicManager.topics == {}
    assert len(client.conn.WAMP.subscriptions) == 0
    assert len(client.conn.codec.numbers) == 0
    server.topic("t").broadcast("secret")
    client.conn.event("t", "secret")
    assert client.heard() == []
    assert client.say(34, 8, 1).heard()[0][4] == "wamp.error.no_such_subscription"
    assert client.wire.closed is None


def test_details_that_cannot_be_said(serve, join):
    def refuse(conn, topic):
        raise CallError("urn:x", "", math.nan)

    server, app = serve(onSubscribe=refuse)
    assert join(server).say(32, 7, {}, "t").heard() == [[8, 32, 7, {}, *RUNTIME]]
    assert isinstance(app.last("onError")[1], LocalError)


def test_a_client_that_leaves_before_the_decision(serve, join):
    deciding = Deferred()
    server, app = serve(onSubscribe=lambda conn, topic: deciding)
    client = join(server).say(32, 7, {}, "t")
    client.leave()
    deciding.callback(None)
    assert client.heard() == []
    assert len(client.conn.codec.numbers) == 0
    assert server.topicManager.topics == {}
    assert "onError" not in app.names()


def test_events_that_wait_are_limited(serve, join):
    deciding = Deferred()
    server, _ = serve(Limits(sendBuffer=1000), onSubscribe=lambda conn, topic: deciding)
    client = join(server).say(32, 7, {}, "t")
    for _ in range(20):
        server.topic("t").broadcast("x" * 100)
    assert client.wire.closed == (1013, "slow consumer")
    client.leave()
    deciding.callback(None)


def test_subscribing_twice_is_one_subscription(serve, join):
    server, app = serve()
    client = join(server).say(32, 7, {}, "t").say(32, 8, {}, "t")
    one, two = client.heard()
    assert [one[1], two[1], one[2]] == [7, 8, two[2]]
    assert app.names() == ["onOpen", "onSubscribe"]
    server.topic("t").broadcast(1)
    assert len(client.heard()) == 1
    client.say(34, 9, one[2]).say(34, 10, one[2])
    assert client.heard() == [[35, 9], [8, 34, 10, {}, "wamp.error.no_such_subscription"]]
    assert app.names() == ["onOpen", "onSubscribe", "onUnSubscribe"]
    assert len(client.conn.codec.numbers) == 0


def test_nothing_comes_after_unsubscribed(serve, join):
    def onUnSubscribe(conn, topic):
        topic.broadcast("x")
        conn.event(topic, "y")

    server, _ = serve(onUnSubscribe=onUnSubscribe)
    client = join(server).say(32, 7, {}, "t")
    number = client.heard()[0][2]
    client.say(34, 8, number)
    server.topic("t").broadcast("z")
    assert client.heard() == [[35, 8]]


def test_a_failing_on_unsubscribe_is_reported_and_the_subscription_gone(serve, join):
    server, app = serve(onUnSubscribe=failing)
    client = join(server).say(32, 7, {}, "t")
    number = client.heard()[0][2]
    assert client.say(34, 8, number).heard() == [[35, 8]]
    assert app.names()[-1] == "onError"


@pytest.mark.parametrize("number", [1, 99])
def test_a_subscription_of_somebody_else(serve, join, number):
    server, app = serve()
    join(server).say(32, 7, {}, "t")
    client = join(server).say(34, 1, number)
    assert client.heard() == [[8, 34, 1, {}, "wamp.error.no_such_subscription"]]
    assert app.names().count("onUnSubscribe") == 0


def test_all_subscribers_of_a_topic_share_its_number(serve, join):
    server, _ = serve()
    clients = [join(server, form) for form in FORMS] + [join(server)]
    numbers = {client.say(32, 1, {}, "t").heard()[0][2] for client in clients}
    others = {client.say(32, 2, {}, "u").heard()[0][2] for client in clients}
    assert len(numbers) == len(others) == 1
    assert numbers != others
    for client in clients:
        client.leave()
    assert len(clients[0].conn.codec.numbers) == 0


def test_who_is_put_into_a_topic_gets_nothing_before_it_subscribes(serve, join):
    """It would close the connection: it knows no such subscription."""
    server, app = serve()
    client = join(server)
    topic = server.topic("t").add(client.conn)
    topic.broadcast("one")
    client.conn.event("t", "two")
    assert client.conn in topic
    assert client.heard() == []
    client.say(32, 1, {}, "t")
    topic.broadcast("three")
    subscribed, event = client.heard()
    assert (subscribed[0], event[4]) == (33, ["three"])
    assert "onSubscribe" not in app.names()


def test_who_is_taken_out_of_a_topic_may_still_unsubscribe(serve, join):
    server, app = serve()
    client = join(server).say(32, 1, {}, "t")
    number = client.heard()[0][2]
    topic = server.topic("t").remove(client.conn)
    topic.broadcast("x")
    assert client.heard() == []
    topic.add(client.conn).broadcast("y")
    assert client.heard()[0][4] == ["y"]
    topic.remove(client.conn)
    assert client.say(34, 2, number).heard() == [[35, 2]]
    assert "onUnSubscribe" not in app.names()


def test_too_many_subscriptions(serve, join):
    server, _ = serve(Limits(subscriptions=1))
    client = join(server).say(32, 1, {}, "t").say(32, 2, {}, "u")
    subscribed, goodbye = client.heard()
    assert subscribed[0] == 33
    assert goodbye == [
        6,
        {"message": "too many subscriptions"},
        "wamp.error.protocol_violation",
    ]
    assert client.wire.closed[0] == 1008
    client.leave()
    assert len(client.conn.codec.numbers) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda name: [16, 1, {}, name],
        lambda name: [16, 1, {"acknowledge": True}, name],
        lambda name: [32, 1, {}, name],
        lambda name: [48, 1, {}, name],
    ],
)
def test_names_have_a_length(serve, join, make):
    client = join(serve()[0]).say(*make("é" * 1024))
    assert client.wire.closed is None
    assert client.say(*make("é" * 1025)).wire.closed[0] == 1007


def test_kin_of_register_are_refused(serve, join):
    client = join(serve()[0]).say(64, 1, {}, "p").say(66, 2, 3).say(32, 4, {"match": "prefix"}, "t")
    assert [message[:5] for message in client.heard()] == [
        [8, 64, 1, {}, "wamp.error.not_authorized"],
        [8, 66, 2, {}, "wamp.error.no_such_registration"],
        [8, 32, 4, {}, "wamp.error.option_not_allowed"],
    ]
    assert client.wire.closed is None


# --- publications


def test_the_publisher_is_excluded_unless_it_asks(serve, join):
    server, app = serve(onPublish=relay)
    me, other = join(server).say(32, 1, {}, "t"), join(server).say(32, 1, {}, "t")
    me.heard(), other.heard()
    me.say(16, 2, {}, "t", [1]).say(16, 3, {"exclude_me": False}, "t", [2])
    assert [event[4] for event in me.heard()] == [[2]]
    assert [event[4] for event in other.heard()] == [[1], [2]]
    me.say(16, 4, {"exclude": [int(other.id)]}, "t", [3])
    assert app.last("onPublish")[3:] == [[me.id, other.id], []]
    me.say(16, 4, {"exclude_me": False, "exclude": [int(other.id)]}, "t", [4])
    me.say(16, 5, {"exclude_me": False, "eligible": [int(me.id)]}, "t", [5])
    me.say(16, 6, {"exclude_me": False, "eligible": []}, "t", [6])
    assert [event[4] for event in me.heard()] == [[4], [5]]
    assert other.heard() == []


def test_an_application_that_ignores_exclude_echoes(serve, join):
    server, _ = serve(onPublish=lambda conn, topic, event, *lists: topic.broadcast(event))
    client = join(server).say(32, 1, {}, "t").say(16, 2, {}, "t", [1])
    assert client.heard()[1][4] == [1]


@pytest.mark.parametrize("late", [False, True])
def test_an_acknowledged_publication(serve, join, late):
    async def relayLater(*args):
        await waiting
        relay(*args)

    waiting = Deferred()
    server, _ = serve(onPublish=relayLater if late else relay)
    publisher = join(server)
    subscriber = join(server, "wamp.2.msgpack").say(32, 1, {}, "t")
    subscriber.heard()
    publisher.say(16, 7, {"acknowledge": True}, "t", [1])
    if late:
        assert publisher.heard() == []
        waiting.callback(None)
    ((kind, request, publication),) = publisher.heard()
    assert (kind, request) == (17, 7)
    ((_, _, heard, _, args),) = subscriber.heard()
    assert (heard, args) == (publication, [1])


def test_only_the_event_itself_has_the_id_of_the_publication(serve, join):
    def onPublish(conn, topic, *args):
        server.topic("other").broadcast(0)
        topic.broadcast(1).broadcast(2)

    server, _ = serve(onPublish=onPublish)
    client = join(server).say(32, 1, {}, "t").say(32, 2, {}, "other")
    client.heard()
    client.say(16, 7, {"acknowledge": True}, "t", [1])
    *events, published = client.heard()
    server.topic("t").broadcast(3)
    events += client.heard()
    ids = {event[4][0]: event[2] for event in events}
    assert ids[1] == published[2]
    assert len(set(ids.values())) == 4


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("callback", "error"), [(refusing, DENIED), (failing, RUNTIME)])
def test_a_refused_publication(serve, join, callback, error, late):
    async def callLater(*args):
        callback()

    server, app = serve(onPublish=callLater if late else callback)
    client = join(server).say(16, 7, {}, "t", [1])
    assert client.heard() == []
    client.say(16, 8, {"acknowledge": True}, "t", [1])
    assert client.heard() == [[8, 16, 8, {}, *error]]
    assert app.names().count("onError") == (2 if callback is failing else 0)


def test_payloads(serve, join, connect):
    server, app = serve(onPublish=relay)
    forms = [join(server, form).say(32, 1, {}, "t") for form in FORMS]
    old = connect(server).say(5, "t")
    for client in forms:
        client.heard()

    def heardByAll():
        said = [[event[4:] for event in client.heard()] for client in forms]
        assert said[0] == said[1] == said[2]
        return said[0], [event for _, _, event in old.heard()]

    publisher = join(server)
    publisher.say(16, 2, {}, "t", [{"a": 1}])
    assert app.last("onPublish")[2] == {"a": 1}
    assert heardByAll() == ([[[{"a": 1}]]], [{"a": 1}])
    publisher.say(16, 2, {}, "t", [1, 2], {"a": 3})
    assert app.last("onPublish")[2] == Payload([1, 2], {"a": 3})
    assert heardByAll() == ([[[1, 2], {"a": 3}]], [{"args": [1, 2], "kwargs": {"a": 3}}])
    publisher.say(16, 2, {}, "t")
    assert heardByAll() == ([[]], [{"args": [], "kwargs": {}}])
    connect(server).say(7, "t", [1])
    assert heardByAll() == ([[[[1]]]], [[1]])


def test_an_event_is_made_once_for_each_form(serve, join, connect):
    server, _ = serve()
    clients = [join(server, form).say(32, 1, {}, "t") for form in FORMS for _ in range(2)]
    old = [connect(server).say(5, "t") for _ in range(2)]
    server.topic("t").broadcast(b"\x01")
    sent = [client.wire.sent[-1] for client in clients + old]
    for one, two in zip(sent[::2], sent[1::2], strict=True):
        assert one is two
    events = [client.heard()[-1] for client in clients]
    assert len({event[2] for event in events}) == 1
    assert [event[4] for event in events[::2]] == [["\0AQ=="], [b"\x01"], [b"\x01"]]


def test_what_cannot_be_said_in_one_form_nobody_hears(serve, join, connect):
    server, _ = serve()
    clients = [connect(server).say(5, "t"), join(server, "wamp.2.msgpack").say(32, 1, {}, "t")]
    clients[1].heard()
    with pytest.raises(LocalError):
        server.topic("t").broadcast(10**400)
    assert [client.heard() for client in clients] == [[], []]


# --- calls


@pytest.mark.parametrize("form", FORMS)
def test_calls(serve, join, form):
    server, app = serve(onCall=lambda conn, id, topic, params: params)
    client = join(server, form).say(48, 1, {}, "p", [1, 2]).say(48, 2, {}, "p", [{"a": 1}])
    assert client.heard() == [[50, 1, {}, [[1, 2]]], [50, 2, {}, [{"a": 1}]]]
    client.say(48, 3, {}, "p", [1], {"b": 2})
    params = app.last("onCall")[3]
    assert (type(params), params, params.kwargs) == (Params, [1], {"b": 2})


@pytest.mark.parametrize(
    ("onCall", "answer"),
    [
        (lambda conn, id, *args: conn.callResult(id), [50, 7, {}, [[]]]),
        (lambda conn, id, *args: conn.callResult(id, None), [50, 7, {}, [None]]),
        (lambda conn, id, topic, params: conn.callError(id, topic), [8, 48, 7, {}, "p"]),
        (
            lambda conn, id, topic, params: conn.callError(id, topic, "no", [1]),
            [8, 48, 7, {}, "p", ["no", [1]]],
        ),
        (lambda *args: Payload([1, 2], {"a": 3}), [50, 7, {}, [1, 2], {"a": 3}]),
        (refusing, [8, 48, 7, {}, *DENIED]),
        (failing, [8, 48, 7, {}, *RUNTIME]),
        (lambda *args: math.nan, [8, 48, 7, {}, *RUNTIME]),
        (
            lambda *args: Component().onCall(*args),
            [8, 48, 7, {}, "wamp.error.no_such_procedure", ["no procedure p"]],
        ),
    ],
)
def test_answers(serve, join, onCall, answer):
    assert join(serve(onCall=onCall)[0]).say(48, 7, {}, "p").heard() == [answer]


CANCELED = [8, 48, 7, {}, "wamp.error.canceled", ["canceled by the caller"]]


class Stoppable:
    """An ``onCall`` that waits, and what it makes of being stopped."""

    def __init__(self, then=None):
        self.waiting = Deferred()
        self.stopped = 0
        self._then = then

    async def __call__(self, *args):
        try:
            return await self.waiting
        except CancelledError:
            self.stopped += 1
            if self._then is None:
                raise
            result = self._then()
            return await result if isinstance(result, Deferred) else result


@pytest.mark.parametrize("options", [{}, {"mode": None}, {"mode": "kill"}, {"mode": "killnowait"}])
def test_a_canceled_call_is_stopped(serve, join, options):
    onCall = Stoppable()
    server, app = serve(onCall=onCall)
    client = join(server).say(48, 7, {}, "p").say(49, 7, options)
    assert client.heard() == [CANCELED]
    assert client.say(49, 7, options).heard() == []
    assert onCall.stopped == 1
    assert client.conn.runningCalls == {}
    assert "onError" not in app.names()
    assert client.say(48, 7, {}, "p").wire.closed is None  # the id can be used again
    client.leave()


@pytest.mark.parametrize(
    ("mode", "answer"),
    [(None, []), ("skip", []), ("killnowait", []), ("kill", [CANCELED])],
)
def test_autobahn_js_hears_no_more_of_a_canceled_call(serve, arrive, mode, answer):
    roles = {"callee": {"features": {"registration_revocation": True}}}
    client = arrive(serve(onCall=Stoppable())[0]).say(1, "r", {"roles": roles})
    client.wire.sent.clear()
    assert client.say(48, 7, {}, "p").say(49, 7, {"mode": mode}).heard() == answer


@pytest.mark.parametrize("fails", [False, True])
def test_a_call_that_is_skipped_goes_on(serve, join, fails):
    waiting = Deferred()
    server, app = serve(onCall=lambda *args: waiting)
    client = join(server).say(48, 7, {}, "p").say(49, 7, {"mode": "skip"})
    assert client.heard() == [CANCELED]
    with capturedLogs() as events:
        waiting.errback(ValueError()) if fails else waiting.callback(1)
    assert client.heard() == []
    assert events == []
    assert ("onError" in app.names()) is fails


@pytest.mark.parametrize(
    ("mode", "heard"), [("kill", [[50, 7, {}, ["half"]]]), ("killnowait", [CANCELED])]
)
def test_what_is_stopped_may_come_to_a_result_even_so(serve, join, mode, heard):
    server, app = serve(onCall=Stoppable(lambda: "half"))
    assert join(server).say(48, 7, {}, "p").say(49, 7, {"mode": mode}).heard() == heard
    assert "onError" not in app.names()


def test_what_fails_while_it_is_stopped_is_reported(serve, join):
    server, app = serve(onCall=Stoppable(failing))
    client = join(server).say(48, 7, {}, "p").say(49, 7, {"mode": "kill"})
    assert client.heard() == [[8, 48, 7, {}, *RUNTIME]]
    assert isinstance(app.last("onError")[1], ValueError)


def test_what_waits_for_asyncio_is_stopped_in_its_way(serve, join):
    def cancelled():
        raise asyncio.CancelledError

    server, app = serve(onCall=Stoppable(cancelled))
    client = join(server).say(48, 7, {}, "p").say(49, 7, {"mode": "kill"})
    assert client.heard() == [CANCELED]
    assert client.wire.closed is None
    assert "onError" not in app.names()


def test_what_is_stopped_may_take_its_time(serve, join):
    late = Deferred()
    server, _ = serve(onCall=Stoppable(lambda: late))
    client = join(server).say(48, 7, {}, "p").say(49, 7, {"mode": "kill"})
    assert client.heard() == []
    # Who does not want to wait for that says so.
    assert client.say(49, 7, {"mode": "kill"}).heard() == [CANCELED]
    late.callback(1)
    assert client.heard() == []


def test_a_call_that_is_answered_by_hand_cannot_be_stopped(serve, join):
    server, _ = serve()
    client = join(server).say(48, 7, {}, "p").say(49, 7, {"mode": "kill"})
    assert client.heard() == [CANCELED]
    client.conn.callResult(7, 1)
    assert client.heard() == []


def test_a_call_of_another_client_is_not_stopped(serve, join):
    onCall = Stoppable()
    server, _ = serve(onCall=onCall)
    one, other = join(server).say(48, 7, {}, "p"), join(server)
    assert other.say(49, 7, {"mode": "kill"}).heard() == []
    assert onCall.stopped == 0
    onCall.waiting.callback(5)
    assert one.heard() == [[50, 7, {}, [5]]]


def test_a_call_that_stops_by_itself_has_failed(serve, join):
    """Nobody has cancelled it: that is an error of the application's."""
    onCall = Stoppable()
    server, app = serve(onCall=onCall)
    client = join(server).say(48, 7, {}, "p")
    onCall.waiting.cancel()
    assert client.heard() == [[8, 48, 7, {}, *RUNTIME]]
    assert isinstance(app.last("onError")[1], CancelledError)


@pytest.mark.parametrize("options", [{}, {"mode": "kill"}])
def test_canceling_what_has_been_answered_is_nothing(serve, join, options):
    client = join(serve(onCall=lambda *args: 1)[0]).say(48, 7, {}, "p").say(49, 7, options)
    assert client.say(49, 99, options).heard() == [[50, 7, {}, [1]]]
    assert client.wire.closed is None


def test_reading_pauses_while_too_many_callbacks_are_in_flight(serve, join):
    waiting = []

    def onCall(*args):
        waiting.append(Deferred())
        return waiting[-1]

    client = join(serve(Limits(callsInFlight=2), onCall=onCall)[0])
    for id in range(1, 4):
        client.say(48, id, {}, "p")
    assert (len(waiting), client.wire.paused) == (2, 1)
    waiting[0].callback("a")
    assert len(waiting) == 3
    assert client.heard() == [[50, 1, {}, ["a"]]]


def test_subscribing_again_while_that_is_decided_counts_too(serve, join):
    deciding = Deferred()
    client = join(serve(Limits(callsInFlight=3), onSubscribe=lambda *args: deciding)[0])
    for id in range(1, 5):
        client.say(32, id, {}, "t")
    assert client.wire.paused == 1
    assert client.conn.undecided["t"].requests == [1, 2, 3]
    deciding.callback(None)
    assert client.wire.paused == 0
    assert client.conn.callbacksInFlight == 0
    assert client.heard() == [[33, id, 1] for id in range(1, 5)]


# --- what the application sees


def test_both_versions_look_alike(serve, join, connect):
    server, app = serve(onPublish=relay)
    old, new = connect(server), join(server)
    for client, messages in [
        (old, [(5, "t"), (7, "t", 1, True), (2, "7", "p", 1), (6, "t")]),
        (new, [(32, 1, {}, "t"), (16, 2, {}, "t", [1]), (48, 7, {}, "p", [1]), (34, 3, 1)]),
    ]:
        app.told.clear()
        for message in messages:
            client.say(*message)
        client.leave()
        assert [(name, conn is client.conn) for name, conn, *_ in app.told] == [
            (name, True)
            for name in ("onSubscribe", "onPublish", "onCall", "onUnSubscribe", "onClose")
        ]
        assert app.last("onPublish")[1:] == [server.topic("t"), 1, [client.id], []]
        assert app.last("onCall")[2:] == [server.topic("p"), [1]]
        assert isinstance(client.id, str)


def test_names_are_mapped(makeApp, join, connect):
    app = makeApp(onPublish=relay)
    server = WampServer(app, names={"http://example.com/simple#*": "com.example.*"})
    old, new = connect(server).say(5, "http://example.com/simple#x"), join(server)
    new.say(32, 1, {}, "com.example.x")
    topics = [str(entry[2]) for entry in app.told if entry[0] == "onSubscribe"]
    assert topics == ["http://example.com/simple#x"] * 2
    new.heard()
    old.say(7, "http://example.com/simple#x", 1)
    new.say(16, 2, {}, "com.example.x", [2])
    assert [event for _, _, event in old.heard()] == [1, 2]
    assert [event[4] for event in new.heard()] == [[1]]


def test_prefixes_are_noted_and_not_told(serve, join):
    client = join(serve()[0])
    assert client.conn.prefix("ex", "http://example.com/") is client.conn
    assert client.heard() == []
    assert client.conn.getUri("ex:a") == "http://example.com/a"


def test_protocol_alone_gives_names_of_topics(makeApp, join):
    app = makeApp(onSubscribe=lambda conn, topic: conn.event(topic, "there") and None)
    client = join(ServerProtocol(app)).say(32, 1, {}, "t").say(34, 2, 1)
    assert client.heard()[0] == [33, 1, 1]
    assert [entry[2] for entry in app.told[1:]] == ["t", "t"]


def test_an_error_from_below_is_for_an_application_that_knows_the_client(serve, arrive):
    server, app = serve()
    client = arrive(server)
    with capturedLogs() as events:
        server.onError(client.wire, ValueError("from below"))
    assert (app.names(), len(events)) == ([], 1)
    client.say(1, "r", {})
    server.onError(client.wire, error := ValueError("from below"))
    assert app.last("onError") == [client.conn, error]


def test_a_failure_of_the_authenticator_is_logged_and_no_welcome(makeApp, arrive, loggedFailures):
    class Broken(Authenticator):
        def begin(self, *args, **options):
            return Deferred.fromCoroutine(broken())

    async def broken():
        raise ValueError("a secret")

    app = makeApp()
    client = arrive(WampServer(app, auth=Broken())).say(1, "r", {})
    assert client.heard() == [[3, {"message": "internal error"}, "wamp.error.runtime_error"]]
    assert len(loggedFailures.flush(ValueError)) == 1
    assert app.names() == []
