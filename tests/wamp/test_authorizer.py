"""Permissions per topic and procedure: which rule decides, and what comes of it."""

from types import SimpleNamespace

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import capturedLogs

from ratchet_py.errors import CallError, NotAuthorized
from ratchet_py.wamp import Authorizer, Rule, User, WampServer
from ratchet_py.wamp.users import Accepted

NOT_AUTHORIZED = "http://api.wamp.ws/error#not-authorized"


@pytest.fixture
def guarded(makeApp):
    """A server behind rules, and its application: ``guarded(rules, onCall=...)``."""

    def guarded(rules, default=False, **callbacks):
        app = makeApp(**callbacks)
        return WampServer(Authorizer(app, rules, default)), app

    return guarded


def become(client, role=None, authid=None, permissions=()):
    client.conn.WAMP.authenticated(Accepted(authid, role, "ticket", permissions))
    return client


def ask(client):
    """Try each action on ``t``; those which reach the application."""
    client.say(2, "id", "t").say(5, "t").say(7, "t", 1)
    return client


def names(app):
    return [name for name in app.names() if name != "onOpen"]


ALL = ["onCall", "onSubscribe", "onPublish"]


# --- which rule decides


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ([], []),
        ([Rule("t")], ALL),
        ([Rule("u")], []),
        ([Rule("t", actions={"call"})], ["onCall"]),
        ([Rule("t", actions={"subscribe"})], ["onSubscribe"]),
        ([Rule("t", actions=["publish"])], ["onPublish"]),
        ([Rule("t", allow=False), Rule("t")], []),
        ([Rule("t"), Rule("t", allow=False)], ALL),
        ([Rule("t", role="member")], ALL),
        ([Rule("t", role="admin")], []),
        ([Rule("t", authid="joe")], ALL),
        ([Rule("t", authid="ann")], []),
        ([Rule("t", role="member", authid="ann")], []),
        ([Rule("", match="prefix")], ALL),
        ([lambda conn, action, uri: True], ALL),
        (lambda conn, action, uri: True, ALL),
        (lambda conn, action, uri: action == "publish" and uri == "t", ["onPublish"]),
        (lambda conn, action, uri: conn.WAMP.authid == "joe", ALL),
        (lambda conn, action, uri: None, []),
        (lambda conn, action, uri: 0, []),
        ([lambda *args: None, Rule("t")], ALL),
        ([lambda *args: False, Rule("t")], []),
        (lambda *args: succeed(True), ALL),
        (lambda *args: succeed(False), []),
        ([lambda *args: succeed(None), Rule("t")], ALL),
        ([lambda *args: succeed(None), lambda *args: succeed(None)], []),
        ([lambda *args: succeed(None), lambda *args: succeed(True)], ALL),
        ([lambda *args: succeed(False), Rule("t")], []),
    ],
)
def test_the_first_that_has_something_to_say(guarded, connect, rules, told):
    server, app = guarded(rules)
    client = ask(become(connect(server), "member", "joe"))
    assert names(app) == told
    assert len(client.conn.WAMP.subscriptions) == ("onSubscribe" in told)
    refused = [message for message in client.heard() if message[0] == 4]
    assert [message[:3] for message in refused] == (
        [] if "onCall" in told else [[4, "id", NOT_AUTHORIZED]]
    )


def test_by_default_what_no_rule_speaks_of_is_allowed(guarded, connect):
    server, app = guarded([Rule("t", actions={"call"}, allow=False)], default=True)
    ask(connect(server))
    assert names(app) == ["onSubscribe", "onPublish"]


def test_the_users_own_rules_go_first(guarded, connect):
    server, app = guarded([Rule("t", actions={"subscribe"}), Rule("t", actions={"publish"})])
    own = [Rule("t", actions={"call"}), Rule("t", actions={"publish"}, allow=False)]
    ask(become(connect(server), "member", "joe", own))
    assert names(app) == ["onCall", "onSubscribe"]


def test_who_is_not_authenticated_has_no_role(guarded, connect):
    server, app = guarded([Rule("t", role="member"), Rule("t", actions={"call"})])
    ask(connect(server))
    assert names(app) == ["onCall"]


def test_the_name_is_the_full_one(guarded, connect):
    server, _app = guarded([Rule("http://example.com/t")])
    client = connect(server).say(1, "ex", "http://example.com/").say(5, "ex:t").say(5, "ex:u")
    assert [str(topic) for topic in client.conn.WAMP.subscriptions] == ["http://example.com/t"]


# --- what comes of it


def test_who_is_refused_was_never_there(guarded, connect):
    server, app = guarded([Rule("t", role="member")])
    member = become(connect(server), "member").say(5, "t")
    stranger = connect(server).say(5, "t").say(6, "t")
    server.topic("t").broadcast(1)
    assert stranger.heard() == []
    assert member.heard() == [[8, "t", 1]]
    assert names(app) == ["onSubscribe"]
    member.say(6, "t")
    assert names(app) == ["onSubscribe", "onUnSubscribe"]


def test_events_that_are_not_judged_pass(guarded, connect):
    server, app = guarded([], onOpen=lambda conn: 1 / 0)
    connect(server).leave()
    assert app.names() == ["onOpen", "onError", "onClose"]


# --- rules that fail


@pytest.mark.parametrize("how", ["raises", "fails"])
def test_a_rule_that_fails_refuses(guarded, connect, loggedFailures, how):
    def rule(*args):
        if how == "fails":
            return fail(ZeroDivisionError())
        raise ZeroDivisionError

    server, app = guarded([rule, Rule("t")], default=True)
    client = ask(connect(server))
    assert names(app) == []
    assert len(client.conn.WAMP.subscriptions) == 0
    assert [message[2] for message in client.heard()] == [NOT_AUTHORIZED]
    assert len(loggedFailures.flush(ZeroDivisionError)) == 3


@pytest.mark.parametrize("how", ["raises", "fails"])
def test_a_rule_may_refuse_in_its_own_words(guarded, connect, how):
    def rule(*args):
        if how == "fails":
            return fail(CallError("urn:no", "not today"))
        raise CallError("urn:no", "not today")

    server, app = guarded(rule)
    with capturedLogs() as events:
        client = ask(connect(server))
    assert client.heard() == [[4, "id", "urn:no", "not today"]]
    assert names(app) == []
    assert len(client.conn.WAMP.subscriptions) == 0
    assert events == []


# --- rules that take their time


@pytest.fixture
def deciding():
    """The Deferreds of a rule that takes its time, in the order it was asked."""
    return []


@pytest.fixture
def slow(deciding):
    def slow(conn, action, uri):
        deciding.append(Deferred())
        return deciding[-1]

    return slow


def test_nothing_reaches_a_client_before_it_is_decided(guarded, connect, slow, deciding):
    server, app = guarded(slow)
    client = connect(server).say(5, "t")
    server.topic("t").broadcast("before")
    assert client.heard() == []
    assert names(app) == []
    deciding[0].callback(True)
    assert names(app) == ["onSubscribe"]
    server.topic("t").broadcast("after")
    assert client.heard() == [[8, "t", "after"]]
    client.leave()
    assert server.topicManager.topics == {}


def test_who_is_refused_late_was_never_there(guarded, connect, slow, deciding):
    server, app = guarded(slow)
    client = connect(server).say(5, "t")
    server.topic("t").broadcast("before")
    deciding[0].callback(False)
    server.topic("t").broadcast("after")
    assert client.heard() == []
    assert names(app) == []
    assert server.topicManager.topics == {}


@pytest.mark.parametrize("allowed", [True, False])
def test_to_ask_twice_is_to_ask_once(guarded, connect, slow, deciding, allowed):
    server, app = guarded(slow)
    client = connect(server).say(5, "t").say(5, "t")
    assert len(deciding) == 1
    deciding[0].callback(allowed)
    assert names(app) == ["onSubscribe"] * allowed
    assert len(client.conn.WAMP.subscriptions) == allowed
    assert client.conn.callbacksInFlight == 0


def test_who_unsubscribes_meanwhile_has_not_subscribed(guarded, connect, slow, deciding):
    server, app = guarded(slow)
    client = connect(server).say(5, "t").say(6, "t")
    deciding[0].callback(True)
    assert names(app) == []
    assert len(client.conn.WAMP.subscriptions) == 0
    client.say(5, "t")
    deciding[1].callback(True)
    assert names(app) == ["onSubscribe"]
    assert len(client.conn.WAMP.subscriptions) == 1


def test_the_second_try_is_not_decided_by_the_first(guarded, connect, slow, deciding):
    server, app = guarded(slow)
    client = connect(server).say(5, "t").say(6, "t").say(5, "t")
    deciding[0].callback(True)
    assert names(app) == []
    assert len(client.conn.WAMP.subscriptions) == 0
    deciding[1].callback(True)
    assert names(app) == ["onSubscribe"]
    assert len(client.conn.WAMP.subscriptions) == 1


def test_who_leaves_meanwhile_has_not_subscribed(guarded, connect, slow, deciding):
    server, app = guarded(slow)
    client = connect(server).say(5, "t")
    client.leave()
    deciding[0].callback(True)
    assert names(app) == ["onClose"]
    assert server.topicManager.topics == {}


def test_a_publication_waits(guarded, connect, slow, deciding):
    server, app = guarded(slow)
    connect(server).say(7, "t", 1, [], ["x"]).say(7, "t", 2)
    deciding[0].callback(True)
    deciding[1].callback(False)
    ((_, _, event, exclude, eligible),) = [args[1:] for args in app.told if args[0] == "onPublish"]
    assert (event, exclude, eligible) == (1, [], ["x"])


async def late(conn, id, topic, params):
    return "late"


async def nothing(conn, id, topic, params):
    pass


@pytest.mark.parametrize(
    ("onCall", "answer"),
    [
        (lambda conn, id, topic, params: params, [3, "id", [1, 2]]),
        (lambda conn, id, topic, params: conn.callResult(id, 5), [3, "id", 5]),
        (lambda *args: succeed(7), [3, "id", 7]),
        (late, [3, "id", "late"]),
        (nothing, [3, "id", None]),
        (lambda *args: None, None),
        (lambda conn, *args: conn, None),
        (lambda *args: fail(NotAuthorized("no")), [4, "id", NOT_AUTHORIZED, "no"]),
        (
            lambda *args: fail(ZeroDivisionError()),
            [4, "id", "http://api.wamp.ws/error#internal", "internal error"],
        ),
    ],
)
def test_a_call_is_answered_as_without_rules(guarded, connect, slow, deciding, onCall, answer):
    server, _app = guarded(slow, onCall=onCall)
    client = connect(server).say(2, "id", "p", 1, 2)
    assert client.heard() == []
    deciding[0].callback(True)
    assert client.heard() == ([] if answer is None else [answer])
    assert client.conn.callbacksInFlight == 0


def test_an_answer_by_hand_may_come_later_still(guarded, connect, slow, deciding):
    server, _app = guarded(slow)
    client = connect(server).say(2, "id", "p")
    deciding[0].callback(True)
    client.conn.callResult("id", "by hand")
    assert client.heard() == [[3, "id", "by hand"]]


@pytest.mark.parametrize("mode", ["kill", "killnowait"])
def test_a_call_that_is_canceled_while_a_rule_decides(guarded, connect, slow, deciding, mode):
    """That is no fault of the rule's, and nothing to log."""
    server, app = guarded(slow)
    client = connect(server, subProtocol="wamp.2.json").say(1, "realm", {})
    client.heard()
    with capturedLogs() as events:
        client.say(48, 7, {}, "p").say(49, 7, {"mode": mode})
    assert client.heard() == [[8, 48, 7, {}, "wamp.error.canceled", ["canceled by the caller"]]]
    assert events == []
    assert names(app) == []
    deciding[0].callback(True)
    assert names(app) == []


def test_an_async_on_subscribe_behind_a_slow_rule(guarded, connect, slow, deciding):
    opening = Deferred()
    server, _app = guarded(slow, onSubscribe=lambda *args: opening)
    client = connect(server).say(5, "t")
    deciding[0].callback(True)
    assert len(client.conn.WAMP.subscriptions) == 1
    opening.errback(NotAuthorized())
    assert len(client.conn.WAMP.subscriptions) == 0


def test_rules_of_a_user_come_in_with_him(makeApp, connect, wire):
    app = makeApp()
    user = User("joe", permissions=[Rule("t")])
    server = WampServer(Authorizer(app, []), auth=[user])
    wire.httpRequest = SimpleNamespace(user=user)
    server.onOpen(wire)
    server.onMessage(wire, '[5,"t"]')
    assert names(app) == ["onSubscribe"]


# --- version 2


@pytest.fixture
def join(connect):
    """A client of version 2 that has joined."""

    def join(server):
        client = connect(server, subProtocol="wamp.2.json").say(1, "realm", {"roles": {}})
        assert client.heard()[0][0] == 2
        return client

    return join


def test_version_2_is_told(guarded, join):
    server, app = guarded([])
    client = join(server).say(48, 1, {}, "p").say(32, 2, {}, "t")
    client.say(16, 3, {"acknowledge": True}, "t", [1]).say(16, 4, {}, "t", [1])
    assert [message[:5] for message in client.heard()] == [
        [8, 48, 1, {}, "wamp.error.not_authorized"],
        [8, 32, 2, {}, "wamp.error.not_authorized"],
        [8, 16, 3, {}, "wamp.error.not_authorized"],
    ]
    assert names(app) == []


def test_version_2_hears_nothing_before_it_is_decided(guarded, join, slow, deciding):
    server, app = guarded(slow, onSubscribe=lambda conn, topic: topic.broadcast("welcome"))
    client = join(server).say(32, 1, {}, "t").say(32, 2, {}, "t")
    server.topic("t").broadcast("before")
    assert client.heard() == []
    assert len(deciding) == 1
    deciding[0].callback(True)
    server.topic("t").broadcast("after")
    first, second, *events = client.heard()
    assert [first[:2], second[:2]] == [[33, 1], [33, 2]]
    assert [event[4] for event in events] == [["welcome"], ["after"]]
    assert names(app) == ["onSubscribe"]


def test_version_2_is_refused_late(guarded, join, slow, deciding):
    server, app = guarded(slow)
    client = join(server).say(32, 1, {}, "t")
    deciding[0].callback(False)
    assert [message[:5] for message in client.heard()] == [
        [8, 32, 1, {}, "wamp.error.not_authorized"]
    ]
    assert names(app) == []
    assert server.topicManager.topics == {}
