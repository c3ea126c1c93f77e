"""A WAMP client whose server is the test, on a clock of the test's."""

from __future__ import annotations

import json

import pytest
from autobahn.wamp.auth import compute_wcs, derive_key
from twisted.internet.defer import CancelledError

from ratchet_py.client import BackOff, ConnectError, ConnectionClosed, SendBufferFull, WampClient
from ratchet_py.errors import CallError, LocalError, ProtocolError, RemoteError
from tests.client.conftest import result

AUTHREQ = "http://api.wamp.ws/procedure#authreq"
AUTH = "http://api.wamp.ws/procedure#auth"


class Session:
    """A client, and what its server says and hears in JSON."""

    def __init__(self, connector, **options):
        options.setdefault("reconnect", BackOff(jitter=0))
        self.client = WampClient("ws://host/", connector=connector, **options)
        self.errors = []
        self.client.on("error", self.errors.append)
        self.connector = connector
        self.opening = self.client.start().whenOpen().addCallback(lambda _: self.client)

    @property
    def line(self):
        return self.connector.lines[-1]

    def welcome(self, id="s1"):
        self.connector.accept()
        self.say(0, id, 1, "a test")
        return self

    def say(self, *message):
        self.line.say(json.dumps(message))

    def heard(self):
        return [json.loads(text) for text in self.line.heard() if isinstance(text, str)]

    def lose(self):
        self.line.lose()

    def end(self):
        self.client.stop()
        if self.connector.lines and self.line.conn.closeCode is None:
            self.lose()


@pytest.fixture
def session(connector):
    """``session(...)`` makes a :class:`Session`; it is ended with the test."""
    sessions = []

    def make(**options):
        sessions.append(Session(connector, **options))
        return sessions[-1]

    yield make
    for each in sessions:
        each.end()
        result(each.opening)


def failure(deferred):
    return result(deferred).value


def test_a_session_is_open_with_its_welcome(session):
    one = session()
    one.connector.accept()
    assert one.connector.asked[0][1] == ["wamp"]
    assert (result(one.opening), one.client.sessionId) == (None, None)
    one.say(0, "s1", 1, "Ratchet")
    assert result(one.opening) is one.client
    assert (one.client.sessionId, one.client.server) == ("s1", "Ratchet")
    one.lose()
    assert one.client.sessionId is None


def test_calls(session):
    one = session().welcome()
    sum_, refused, plain = (one.client.call(name, *args) for name, *args in CALLS)
    assert one.heard() == [[2, "1", "add", 1, 2], [2, "2", "http://e/full"], [2, "3", "x", {}]]
    one.say(4, "2", "http://e/error#full", "the room is full", {"seats": 0})
    one.say(3, "1", 3)
    one.say(4, "3", "http://e/error#no", "")
    one.say(3, "3", "a second answer")
    one.say(4, "77", "http://e/error#no", "an answer to nothing")
    assert result(sum_) == 3
    error = failure(refused)
    assert type(error) is CallError
    assert (error.uri, error.desc) == ("http://e/error#full", "the room is full")
    assert error.details == {"seats": 0}
    assert failure(plain).details is None


CALLS = [("add", 1, 2), ("http://e/full",), ("x", {})]


def test_calls_have_a_limit(session):
    one = session(callTimeout=10).welcome()
    usual, patient = one.client.call("slow"), one.client.call("slower", timeout=60)
    one.connector.reactor.advance(10)
    error = failure(usual)
    assert type(error) is TimeoutError
    assert str(error) == "the answer of slow has not come within 10 seconds"
    one.say(3, "1", "too late")
    one.say(3, "2", "in time")
    assert result(patient) == "in time"


def test_a_call_can_be_cancelled(session):
    one = session().welcome()
    call = one.client.call("add")
    call.cancel()
    assert result(call).check(CancelledError)
    one.say(3, "1", 3)


def test_calls_fail_with_the_connection(session):
    one = session().welcome()
    calls = [one.client.call("add") for _ in range(3)]
    one.lose()
    assert [failure(call).code for call in calls] == [1006] * 3
    assert isinstance(failure(one.client.call("add")), ConnectionClosed)


def test_what_cannot_be_sent(session):
    one = session().welcome()
    with pytest.raises(LocalError):
        one.client.call("add", float("inf"))
    with pytest.raises(LocalError):
        one.client.publish("t", object())
    one.lose()
    with pytest.raises(ConnectionClosed, match="no session"):
        one.client.publish("t", 1)


def test_subscriptions(session):
    one = session().welcome()
    seen = []
    first, second = (lambda *event, n=n: seen.append((n, *event)) for n in (1, 2))
    one.client.subscribe("news", first)
    one.client.subscribe("news", second)
    assert one.heard() == [[5, "news"]]
    one.say(8, "news", {"a": 1})
    one.say(8, "other", 1)
    assert seen == [(1, "news", {"a": 1}), (2, "news", {"a": 1})]
    one.client.unsubscribe("news", first)
    one.client.unsubscribe("news", first)
    assert one.heard() == []
    one.client.unsubscribe("news")
    one.client.unsubscribe("news")
    one.client.unsubscribe("nothing")
    assert one.heard() == [[6, "news"]]
    one.say(8, "news", 2)
    assert len(seen) == 2


def test_a_subscription_that_cannot_be_sent_is_none(session):
    one = session().welcome()
    producer = one.line.transport.producer
    producer.pauseProducing()
    one.client.publish("t", "x" * 9_000_000)
    with pytest.raises(SendBufferFull):
        one.client.subscribe("news", print)
    producer.resumeProducing()
    one.line.heard()
    one.client.subscribe("news", print)
    assert one.heard() == [[5, "news"]]


def test_a_handler_that_fails_is_an_error(session):
    one = session().welcome()
    one.client.subscribe("news", lambda topic, event: 1 / 0)
    one.say(8, "news", 1)
    assert [type(error) for error in one.errors] == [ZeroDivisionError]
    assert not one.line.conn.isClosed


def test_publications(session):
    one = session().welcome()
    one.client.publish("t", 1)
    one.client.publish("t", 1, excludeMe=True)
    one.client.publish("t", 1, ["a"], ["b"])
    one.client.publish("t", 1, eligible=["b"], excludeMe=True)
    assert one.heard() == [
        [7, "t", 1],
        [7, "t", 1, True],
        [7, "t", 1, ["a"], ["b"]],
        [7, "t", 1, ["s1"], ["b"]],
    ]


def test_prefixes(session):
    one = session().welcome()
    seen = []
    one.client.prefix("ex", "http://example.com/")
    one.client.subscribe("ex:news", lambda topic, event: seen.append(topic))
    one.client.publish("ex:news", 1)
    one.client.call("ex:add").addErrback(lambda _: None)
    one.say(1, "srv", "http://server.example")
    assert one.client.resolve("srv:x") == "http://server.example#x"
    assert one.heard() == [
        [1, "ex", "http://example.com/"],
        [5, "http://example.com/news"],
        [7, "http://example.com/news", 1],
        [2, "1", "http://example.com/add"],
    ]
    one.say(8, "http://example.com/news", 1)
    assert seen == ["http://example.com/news"]
    one.say(1, "long", "x" * 2000)
    assert one.client.resolve("long:x") == "long:x"
    for number in range(200):
        one.say(1, f"p{number}", "http://e/")
    assert len(one.client._serverPrefixes) == one.connector.limits.prefixes
    one.client.unsubscribe("ex:news")
    assert one.heard() == [[6, "http://example.com/news"]]


def test_everything_is_there_again_after_a_loss(session):
    one = session()
    one.client.prefix("ex", "http://example.com/")
    one.client.subscribe("ex:news", print)
    one.client.subscribe("gone", print)
    one.client.unsubscribe("gone")
    one.welcome()
    said = [[1, "ex", "http://example.com/"], [5, "http://example.com/news"]]
    assert one.heard() == said
    one.lose()
    one.client.subscribe("later", print)
    one.connector.reactor.advance(0.5)
    one.welcome("s2")
    assert one.heard() == [*said, [5, "later"]]
    assert one.client.sessionId == "s2"
    # What is said while it closes is for the next one.
    one.line.close(1001)
    one.client.subscribe("last", print)
    one.client.unsubscribe("later")
    one.lose()
    one.connector.reactor.advance(1)
    one.welcome("s3")
    assert one.heard() == [*said, [5, "last"]]


def test_without_a_welcome_the_connection_is_given_up(session):
    one = session()
    one.connector.accept()
    one.connector.reactor.advance(10)
    assert one.line.heard()[0].closeCode == 1001
    one.lose()
    assert "the server's welcome" in str(one.errors[0])
    one.connector.reactor.advance(0.5)
    assert result(one.welcome().opening) is one.client


@pytest.mark.parametrize("message", [[0, "s1", 2, "x"], [9, 9], [8]])
def test_what_is_no_wamp_closes(session, message):
    one = session()
    one.connector.accept()
    one.say(*message)
    assert one.line.heard()[0].closeCode in (1002, 1007)
    assert isinstance(one.errors[0], ProtocolError)


def test_one_attempt_if_it_does_not_reconnect(session):
    one = session(reconnect=None)
    one.connector.refuse()
    assert isinstance(failure(one.opening), ConnectError)
    assert len(one.connector.attempts) == 1


def test_no_other_connection_if_it_does_not_reconnect(session):
    one = session(reconnect=None).welcome()
    one.lose()
    assert not one.connector.reactor.getDelayedCalls()


# -- WAMP-CRA --------------------------------------------------------------------------------------


def challenge(**more):
    return json.dumps({"authkey": "ann", "timestamp": "now", **more})


def test_the_user_is_authenticated_before_anything_else(session):
    one = session(auth=("ann", "secret"))
    one.client.subscribe("news", print)
    one.welcome()
    assert one.heard() == [[2, "1", AUTHREQ, "ann"]]
    one.client.subscribe("more", print)
    one.say(3, "1", challenge())
    signature = compute_wcs("secret", challenge()).decode()
    assert one.heard() == [[2, "2", AUTH, signature]]
    assert result(one.opening) is None
    one.say(3, "2", {"pubsub": [], "rpc": []})
    assert one.heard() == [[5, "news"], [5, "more"]]
    one.lose()
    one.connector.reactor.advance(0.5)
    assert one.welcome("s2").heard() == [[2, "3", AUTHREQ, "ann"]]


def test_a_salted_key(session):
    one = session().welcome()
    said = challenge(authextra={"salt": "pepper", "iterations": 100, "keylen": 16})
    permissions = one.client.authenticate("ann", "secret", {"from": "a test"})
    assert one.heard() == [[2, "1", AUTHREQ, "ann", {"from": "a test"}]]
    one.say(3, "1", said)
    key = derive_key("secret", "pepper", 100, 16)
    assert one.heard() == [[2, "2", AUTH, compute_wcs(key, said).decode()]]
    one.say(3, "2", {"pubsub": []})
    assert result(permissions) == {"pubsub": []}


@pytest.mark.parametrize(
    "said",
    [
        None,
        5,
        "nonsense",
        "[]",
        "[" * 100_000,
        challenge(authextra={"salt": 5}),
        challenge(authextra={"salt": "x", "iterations": 10**12}),
        challenge(authextra={"salt": "x", "keylen": 10**9}),
        challenge(authextra={"salt": "x", "iterations": "many"}),
        challenge(authextra={"salt": "x", "iterations": 0}),
        challenge(authextra={"salt": "x", "iterations": True}),
    ],
)
def test_a_challenge_that_is_none(session, said):
    one = session().welcome()
    authenticating = one.client.authenticate("ann", "secret")
    one.say(3, "1", said)
    assert isinstance(failure(authenticating), RemoteError)


def test_who_is_refused_does_not_come_back(session):
    one = session(auth=("ann", "wrong")).welcome()
    one.say(3, "1", challenge())
    one.say(4, "2", "http://api.wamp.ws/error#invalid-signature", "no")
    one.lose()
    assert failure(one.opening).uri.endswith("invalid-signature")
    assert not one.connector.reactor.getDelayedCalls()


def test_a_loss_while_it_authenticates(session):
    one = session(auth=("ann", "secret")).welcome()
    one.lose()
    assert one.errors == []
    one.connector.reactor.advance(0.5)
    assert len(one.connector.attempts) == 2
