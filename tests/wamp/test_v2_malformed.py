"""Each message of version 2 with each part missing, of each wrong kind, or too much.

Whatever a client says, in any form and at any moment of its session, it gets a documented answer;
the application hears of no error, and nothing is left behind.
"""

import json

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import capturedLogs, formatEvent

from ratchet_py.wamp import Authenticator, User, WampServer
from tests.wamp.conftest import App, Client

FORMS = {
    "wamp.2.json": (json.dumps, json.loads),
    "wamp.2.msgpack": (msgspec.msgpack.encode, msgspec.msgpack.decode),
    "wamp.2.cbor": (cbor2.dumps, cbor2.loads),
}

ABORT, GOODBYE, ERROR = 3, 6, 8

# All that the specification has, also what only a server may say.
MESSAGES = {
    "HELLO": [1, "realm", {"roles": {"caller": {}}, "authmethods": ["ticket"], "authid": "joe"}],
    "WELCOME": [2, 5, {}],
    "ABORT": [3, {"message": "no"}, "wamp.close.normal"],
    "CHALLENGE": [4, "ticket", {}],
    "AUTHENTICATE": [5, "a ticket", {}],
    "GOODBYE": [6, {"message": "bye"}, "wamp.close.normal"],
    "ERROR": [8, 48, 1, {}, "wamp.error.x", [1], {"a": 1}],
    "PUBLISH": [
        16,
        1,
        {"acknowledge": True, "exclude_me": False, "exclude": [1], "eligible": [2]},
        "topic",
        [1],
        {"a": 1},
    ],
    "PUBLISHED": [17, 1, 2],
    "SUBSCRIBE": [32, 1, {"match": "exact"}, "topic"],
    "SUBSCRIBED": [33, 1, 2],
    "UNSUBSCRIBE": [34, 1, 1],
    "UNSUBSCRIBED": [35, 1],
    "EVENT": [36, 1, 2, {}, [1]],
    "CALL": [48, 1, {"timeout": 5}, "procedure", [1], {"a": 1}],
    "CANCEL": [49, 1, {"mode": "kill"}],
    "RESULT": [50, 1, {}, [1]],
    "REGISTER": [64, 1, {"match": "exact"}, "procedure"],
    "REGISTERED": [65, 1, 2],
    "UNREGISTER": [66, 1, 1],
    "UNREGISTERED": [67, 1],
    "INVOCATION": [68, 1, 2, {}],
    "INTERRUPT": [69, 1, {}],
    "YIELD": [70, 1, {}, [1]],
    "PROPOSED": [255, {}],
}

WRONG = [None, True, False, -1, 0, 1.5, 2.0**80, 2**53 + 1, "", "x", "\udfff", [], [[]], {}]
WRONG += [{"": None}, {"mode": []}, [1] * 50, "x" * 2000]

# What may be said to a client that stays, by what it has said.
ANSWERS = {
    1: {2, 4},
    5: {2},
    16: {17, 36, ERROR},
    32: {33, ERROR},
    34: {35, ERROR},
    48: {50, ERROR},
}
ANSWERS |= {49: {ERROR}, 64: {ERROR}, 66: {ERROR}}

REASONS = {
    "wamp.close.goodbye_and_out",
    "wamp.error.authentication_failed",
    "wamp.error.no_auth_method",
    "wamp.error.no_such_realm",
    "wamp.error.protocol_violation",
}


def variants(message):
    """The message with one thing changed, and as it should be."""
    yield message
    for at in range(len(message)):
        yield message[:at]
        for wrong in WRONG:
            yield [*message[:at], wrong, *message[at + 1 :]]
        if isinstance(message[at], dict):
            for key in message[at]:
                for wrong in WRONG:
                    options = {**message[at], key: wrong}
                    yield [*message[:at], options, *message[at + 1 :]]
    for wrong in WRONG:
        yield [*message, wrong]
    yield [*message, *WRONG]
    yield [message]
    yield dict(enumerate(map(str, message)))


class Secured:
    """A server whose clients come in with a ticket."""

    def __init__(self):
        self.app = App(onPublish=_relay)
        auth = Authenticator([User("joe", ticket="a ticket")], methods=["ticket"])
        self.server = WampServer(self.app, auth=auth)


class Talk:
    """A client at some moment of its session, and what must hold whatever it says."""

    def __init__(self, secured, form, moment):
        self.app, self.server = secured.app, secured.server
        self.encode, self.decode = FORMS[form]
        self.client = Client(self.server, subProtocol=form)
        if moment != "stranger":
            self.say([1, "realm", {"authid": "joe", "authmethods": ["ticket"]}])
        if moment == "member":
            self.say([5, "a ticket", {}])
            self.say([32, 9, {}, "topic"])
            self.say([48, 1, {}, "procedure"])
        self.client.wire.sent.clear()

    def say(self, message):
        try:
            data = self.encode(message)
        except (TypeError, UnicodeError, OverflowError):
            return  # no client can say that in this form
        self.client.sayText(data)

    def heard(self):
        return [self.decode(message) for message in self.client.wire.sent]

    def check(self, *messages):
        """Say them, and see that it is answered as the documentation says."""
        with capturedLogs() as events:
            for message in messages:
                self.say(message)
        assert [formatEvent(event) for event in events] == []
        heard, closed = self.heard(), self.client.wire.closed
        if closed is not None:
            assert closed[0] in (1000, 1002, 1007, 1008), (messages, closed)
            assert len(closed[1].encode()) <= 123
            if heard and heard[-1][0] in (ABORT, GOODBYE):
                assert heard[-1][2] in REASONS, (messages, heard)
                heard.pop()
            else:
                # Only who leaves by an ABORT of its own is told nothing.
                assert any(type(said) is list and said[:1] == [ABORT] for said in messages)
        allowed = set()
        for said in messages:
            kind = said[0] if type(said) is list and said else None
            allowed |= ANSWERS.get(kind, set()) if type(kind) in (int, float) else set()
        assert {answer[0] for answer in heard} <= allowed, (messages, heard)
        assert "onError" not in self.app.names(), (messages, self.app.last("onError"))
        self.client.leave()
        self.client.wire.reactor.advance(60)
        assert self.client.wire.reactor.getDelayedCalls() == []
        assert self.server.connections == {}
        assert self.server.topicManager.sessions == {}
        assert self.server.topicManager.topics == {}


def _relay(conn, topic, event, exclude, eligible):
    topic.broadcast(event, exclude, eligible)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("moment", ["stranger", "challenged", "member"])
@pytest.mark.parametrize("name", MESSAGES)
def test_every_part_missing_wrong_or_too_much(form, moment, name):
    secured = Secured()
    for message in variants(MESSAGES[name]):
        Talk(secured, form, moment).check(message)


scalars = st.none() | st.booleans() | st.integers(-3, 80) | st.floats(allow_nan=False)
values = st.recursive(
    scalars | st.text(max_size=5) | st.sampled_from(["topic", "procedure", "kill", "exact"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@st.composite
def mutated(draw):
    """A message of some kind, with up to three things changed."""
    message = list(draw(st.sampled_from(list(MESSAGES.values()))))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(message)))
        message[at : at + draw(st.integers(0, 1))] = draw(st.lists(values, max_size=2))
    return message


@given(
    st.sampled_from(list(FORMS)),
    st.sampled_from(["stranger", "challenged", "member"]),
    st.lists(mutated(), max_size=5),
)
def test_any_conversation(form, moment, messages):
    Talk(Secured(), form, moment).check(*messages)


@given(
    st.sampled_from(list(FORMS)),
    st.sampled_from(["stranger", "challenged", "member"]),
    st.text() | st.binary(),
)
def test_any_bytes(form, moment, data):
    talk = Talk(Secured(), form, moment)
    talk.encode = lambda message: data
    talk.check(None)
