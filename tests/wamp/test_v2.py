import json

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet_py.errors import LocalError, ProtocolError
from ratchet_py.limits import Limits
from ratchet_py.wamp import NameMap, Params, Payload
from ratchet_py.wamp.commands import (
    Abort,
    Authenticate,
    Call,
    Cancel,
    Command,
    EndSubscription,
    Goodbye,
    Hello,
    Publish,
    Refusal,
    Subscribe,
)
from ratchet_py.wamp.serializers import Cbor, Json, MsgPack
from ratchet_py.wamp.subscription_numbers import SubscriptionNumbers
from ratchet_py.wamp.v2 import WampV2

CODECS = [WampV2(serializer) for serializer in (Json(), MsgPack(), Cbor())]
ENCODERS = {
    "wamp.2.json": json.dumps,
    "wamp.2.msgpack": msgspec.msgpack.encode,
    "wamp.2.cbor": cbor2.dumps,
}

every = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)


def said(codec, message):
    return codec.decode(ENCODERS[codec.name](message))


COMMANDS = [
    ([1, "realm1", {}], Hello("realm1")),
    ([1, "realm1", {"roles": {"caller": {}}, "agent": "x"}], Hello("realm1")),
    ([1, "", {"roles": None, "authid": None, "authmethods": None}], Hello("")),
    (
        [1, "r", {"authid": "joe", "authmethods": ["ticket", 5, "wampcra"]}],
        Hello("r", "joe", ["ticket", "wampcra"]),
    ),
    ([3, {}, "wamp.error.x"], Abort("wamp.error.x")),
    ([5, "signature", {}], Authenticate("signature")),
    ([5, "signature"], Authenticate("signature")),
    ([6, {"message": "bye"}, "wamp.close.x"], Goodbye("wamp.close.x")),
    ([16, 1, {}, "t"], Publish("t", Payload(), excludeMe=True)),
    ([16, 1, {}, "t", []], Publish("t", Payload(), excludeMe=True)),
    ([16, 1, {}, "t", [5]], Publish("t", 5, excludeMe=True)),
    ([16, 1, {}, "t", [[5]], {}], Publish("t", [5], excludeMe=True)),
    ([16, 1, {}, "t", [None]], Publish("t", None, excludeMe=True)),
    ([16, 1, {}, "t", [1, 2]], Publish("t", Payload([1, 2]), excludeMe=True)),
    ([16, 1, {}, "t", [1], {"a": 2}], Publish("t", Payload([1], {"a": 2}), excludeMe=True)),
    ([16, 1, {}, "t", [], {"a": 2}], Publish("t", Payload([], {"a": 2}), excludeMe=True)),
    ([16, 7, {"acknowledge": True}, "t", [5]], Publish("t", 5, excludeMe=True, request=7)),
    ([16, 7, {"acknowledge": False}, "t", [5]], Publish("t", 5, excludeMe=True)),
    ([16, 7, {"exclude_me": False}, "t", [5]], Publish("t", 5)),
    (
        [16, 7, {"exclude": [1, 2**53, "old", 3.0]}, "t", [5]],
        Publish("t", 5, ["1", "9007199254740992", "old", "3"], excludeMe=True),
    ),
    ([16, 7, {"eligible": [4]}, "t", [5]], Publish("t", 5, [], ["4"], excludeMe=True)),
    ([16, 7, {"eligible": []}, "t", [5]], Publish("t", 5, [], [""], excludeMe=True)),
    ([16, 7, {"exclude": [], "eligible": None}, "t", [5]], Publish("t", 5, excludeMe=True)),
    (
        [16, 7, {"acknowledge": True, "eligible_authrole": ["x"]}, "t", [5]],
        Refusal(16, 7, "wamp.error.option_not_allowed", "no eligible_authrole here"),
    ),
    (
        [16, 7, {"exclude_authid": ["x"]}, "t", [5]],
        Refusal(16, None, "wamp.error.option_not_allowed", "no exclude_authid here"),
    ),
    ([16, 7, {}, "", [5]], Refusal(16, None, "wamp.error.invalid_uri", "a topic has a name")),
    ([32, 1, {}, "t"], Subscribe("t", 1)),
    ([32, 2**53, {"match": "exact"}, "has space #"], Subscribe("has space #", 2**53)),
    ([32, 1.0, {"match": None, "get_retained": None}, "t", "more"], Subscribe("t", 1)),
    (
        [32, 1, {"match": "prefix"}, "t"],
        Refusal(32, 1, "wamp.error.option_not_allowed", "topics are matched exactly here"),
    ),
    (
        [32, 1, {"match": ""}, "t"],
        Refusal(32, 1, "wamp.error.option_not_allowed", "topics are matched exactly here"),
    ),
    ([32, 1, {}, ""], Refusal(32, 1, "wamp.error.invalid_uri", "a topic has a name")),
    ([34, 1, 2], EndSubscription(1, 2)),
    ([48, 1, {}, "p"], Call(1, "p", [])),
    ([48, 1.0, {}, "p", []], Call(1, "p", [])),
    ([48, 1, {}, "p", [1]], Call(1, "p", [1])),
    ([48, 1, {}, "p", [1, 2], {}], Call(1, "p", [1, 2])),
    ([48, 1, {}, "p", [[1, 2]]], Call(1, "p", [1, 2])),
    ([48, 1, {}, "p", [{"a": 1}]], Call(1, "p", {"a": 1})),
    ([48, 1, {}, "p", [[1], 2]], Call(1, "p", [[1], 2])),
    ([48, 1, {}, "p", [None]], Call(1, "p", [None])),
    ([48, 1, {}, ""], Refusal(48, 1, "wamp.error.invalid_uri", "a procedure has a name")),
    ([49, 1, {}], Cancel(1, None)),
    ([49, 1, {"mode": None}], Cancel(1, None)),
    *(([49, 1, {"mode": mode}], Cancel(1, mode)) for mode in ("kill", "killnowait", "skip")),
    (
        [64, 1, {}, "p"],
        Refusal(64, 1, "wamp.error.not_authorized", "clients cannot provide procedures here"),
    ),
    (
        [66, 1, 2],
        Refusal(66, 1, "wamp.error.no_such_registration", "clients cannot provide procedures here"),
    ),
]


@every
@pytest.mark.parametrize(("message", "command"), COMMANDS)
def test_commands(codec, message, command):
    assert said(codec, message) == command
    assert repr(said(codec, message)) == repr(command)


@every
def test_params_with_keywords(codec):
    for args in [], [1, 2], [[1]], [{"b": 1}]:
        params = said(codec, [48, 1, {}, "p", args, {"a": 3}]).params
        assert type(params) is Params
        assert params == args
        assert params.kwargs == {"a": 3}


IDS = [0, -1, 2**53 + 1, 1.5, "1", None, True, [1]]
NO_OBJECT = [None, [], "a", 1, True]
NO_TEXT = [None, 5, [], {}, True]

MALFORMED = [
    [],
    {},
    "text",
    5,
    None,
    ["32", 1, {}, "t"],
    [None, 1],
    [True, "r", {}],
    [[1], "r", {}],
    *([kind, 1, {}, "t"] for kind in (0, 2, 4, 7, 8, 17, 33, 35, 36, 37, 50, 65, 67, 68, 70, 99)),
    # cut short
    *([1, "r", {}][:size] for size in (1, 2)),
    *([3, {}, "r"][:size] for size in (1, 2)),
    [5],
    *([6, {}, "r"][:size] for size in (1, 2)),
    *([16, 1, {}, "t"][:size] for size in (1, 2, 3)),
    *([32, 1, {}, "t"][:size] for size in (1, 2, 3)),
    *([34, 1, 2][:size] for size in (1, 2)),
    *([48, 1, {}, "p"][:size] for size in (1, 2, 3)),
    *([49, 1, {}][:size] for size in (1, 2)),
    *([64, 1, {}, "p"][:size] for size in (1, 2, 3)),
    *([66, 1, 2][:size] for size in (1, 2)),
    # no id
    *([16, id, {}, "t"] for id in IDS),
    *([32, id, {}, "t"] for id in IDS),
    *([34, id, 1] for id in IDS),
    *([34, 1, id] for id in IDS),
    *([48, id, {}, "t"] for id in IDS),
    *([49, id, {}] for id in IDS),
    *([64, id, {}, "p"] for id in IDS),
    *([66, id, 1] for id in IDS),
    *([66, 1, id] for id in IDS),
    # of the wrong kind
    *([1, realm, {}] for realm in NO_TEXT),
    *([1, "r", details] for details in NO_OBJECT),
    [1, "r", {"roles": ["caller"]}],
    [1, "r", {"authid": 5}],
    [1, "r", {"authmethods": "ticket"}],
    *([kind, details, "r"] for details in NO_OBJECT for kind in (3, 6)),
    *([kind, {}, reason] for reason in NO_TEXT for kind in (3, 6)),
    *([5, signature, {}] for signature in NO_TEXT),
    *([5, "s", extra] for extra in NO_OBJECT),
    *([kind, 1, options, "t"] for options in NO_OBJECT for kind in (16, 32, 48, 64)),
    *([kind, 1, {}, name] for name in NO_TEXT for kind in (16, 32, 48, 64)),
    *([kind, 1, {}, "t", args] for args in (None, {}, "a", 1) for kind in (16, 48)),
    *([kind, 1, {}, "t", [], kwargs] for kwargs in NO_OBJECT for kind in (16, 48)),
    *([16, 1, {name: 1}, "t"] for name in ("acknowledge", "exclude_me")),
    *([16, 1, {name: "1"}, "t"] for name in ("exclude", "eligible")),
    *([16, 1, {"exclude": [id]}, "t"] for id in (0, None, True, 1.5, [1], {})),
    [32, 1, {"match": 5}, "t"],
    [49, 1, []],
    [49, 1, {"mode": "now"}],
    [49, 1, {"mode": 5}],
]


@every
@pytest.mark.parametrize("message", MALFORMED, ids=repr)
def test_malformed(codec, message):
    with pytest.raises(ProtocolError) as caught:
        said(codec, message)
    assert caught.value.closeCode == 1002
    assert 0 < len(caught.value.reason.encode()) <= 123


@every
@pytest.mark.parametrize("data", ["", b"", "hello", b"hello \xff", "[1", b"\x93\x01"])
def test_what_cannot_be_read(codec, data):
    with pytest.raises(ProtocolError) as caught:
        codec.decode(data)
    assert caught.value.closeCode == 1007
    assert 0 < len(caught.value.reason.encode()) <= 123


@every
def test_depth_is_the_limits(codec):
    shallow = WampV2({"j": Json, "m": MsgPack, "c": Cbor}[codec.name[7]](), Limits(jsonDepth=3))
    assert said(shallow, [16, 1, {}, "t", [[1]]]).event == [1]
    with pytest.raises(ProtocolError, match=r"deep|depth"):
        said(shallow, [16, 1, {}, "t", [[[1]]]])


# In JSON alone a NUL at the front says that the text stands for binary data.
texts = st.text(max_size=5).filter(lambda text: not text.startswith("\0"))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
kinds = st.sampled_from([1, 3, 5, 6, 8, 16, 32, 34, 48, 49, 64, 66, 70]) | st.integers(0, 80)
messages = st.tuples(kinds | values, st.integers(0, 5) | values, st.lists(values, max_size=5)).map(
    lambda parts: [parts[0], parts[1], *parts[2]]
)


def verdict(codec, data):
    try:
        return codec.decode(data)
    except ProtocolError as error:
        return error


@given(st.sampled_from(CODECS), st.text() | st.binary())
def test_anything_is_a_command_or_malformed(codec, data):
    found = verdict(codec, data)
    if isinstance(found, ProtocolError):
        assert found.closeCode in (1002, 1007)
        assert 0 < len(found.reason.encode()) <= 123
    else:
        assert isinstance(found, Command)


@given(messages)
def test_all_forms_of_a_message_mean_the_same(message):
    found = [verdict(codec, ENCODERS[codec.name](message)) for codec in CODECS]
    if isinstance(found[0], ProtocolError):
        assert [each.closeCode for each in found] == [found[0].closeCode] * 3
    else:
        assert [repr(each) for each in found[1:]] == [repr(found[0])] * 2


# --- what goes out


def decoded(codec, message):
    if codec.name == "wamp.2.json":
        return json.loads(message)
    return (msgspec.msgpack.decode if codec.name == "wamp.2.msgpack" else cbor2.loads)(message)


@every
def test_answers(codec):
    codec.numbers.take("t")
    number = codec.numbers.get("t")
    kind, session, details = decoded(codec, codec.welcome("9007199254740992", {"realm": "r"}))
    assert (kind, session, details["realm"]) == (2, 2**53, "r")
    assert set(details["roles"]) == {"broker", "dealer"}
    for message, expected in [
        (codec.challenge("ticket", {}), [4, "ticket", {}]),
        (codec.abort("wamp.error.x", "no"), [3, {"message": "no"}, "wamp.error.x"]),
        (codec.goodbye("wamp.close.normal"), [6, {}, "wamp.close.normal"]),
        (codec.subscribed(1, 2), [33, 1, 2]),
        (codec.unsubscribed(1), [35, 1]),
        (codec.published(1, 2**53), [17, 1, 2**53]),
        (codec.result(1, None), [50, 1, {}, [None]]),
        (codec.result(1, ()), [50, 1, {}, [[]]]),
        (codec.result(1, [1, 2]), [50, 1, {}, [[1, 2]]]),
        (codec.result(1, Payload()), [50, 1, {}]),
        (codec.result(1, Payload([1, 2])), [50, 1, {}, [1, 2]]),
        (codec.result(1, Payload([], {"a": 1})), [50, 1, {}, [], {"a": 1}]),
        (codec.error(1, "urn:x", "", None), [8, 48, 1, {}, "urn:x"]),
        (codec.error(1, "urn:x", "no", None), [8, 48, 1, {}, "urn:x", ["no"]]),
        (codec.error(1, "urn:x", "", 0), [8, 48, 1, {}, "urn:x", ["", 0]]),
        (
            codec.error(1, "http://api.wamp.ws/error#not-authorized", "no", None),
            [8, 48, 1, {}, "wamp.error.not_authorized", ["no"]],
        ),
        (codec.refusal(32, 1, "urn:x", "no"), [8, 32, 1, {}, "urn:x", ["no"]]),
        (codec.event("t", 5, 7), [36, number, 7, {}, [5]]),
        (codec.event("t", [5], 7), [36, number, 7, {}, [[5]]]),
        (codec.event("t", Payload([5]), 7), [36, number, 7, {}, [5]]),
        (codec.event("t", Payload(), 7), [36, number, 7, {}]),
        (codec.event("t", Payload([], {"a": 1}), 7), [36, number, 7, {}, [], {"a": 1}]),
        (codec.event("unknown", 5, 7), [36, 0, 7, {}, [5]]),
    ]:
        assert decoded(codec, message) == expected
    assert codec.prefix("ex", "http://example.com/") is None


@every
def test_an_event_without_an_id_gets_one(codec):
    ids = {decoded(codec, codec.event("t", 5, 0))[2] for _ in range(50)}
    assert len(ids) == 50
    assert all(1 <= id <= 2**53 for id in ids)


@every
def test_session_ids(codec):
    ids = {codec.newSessionId() for _ in range(50)}
    assert len(ids) == 50
    assert all(1 <= int(id) <= 2**53 for id in ids)


@every
def test_nan_is_not_sent(codec):
    for send in (
        lambda: codec.event("t", float("nan"), 0),
        lambda: codec.result(1, [float("inf")]),
        lambda: codec.error(1, "urn:x", "", {"a": float("-inf")}),
    ):
        with pytest.raises(LocalError):
            send()


def test_names_are_translated():
    names = NameMap({"http://example.com/#*": "com.example.*"})
    codec = WampV2(Json(), names=names)
    assert said(codec, [32, 1, {}, "com.example.t"]).topic == "http://example.com/#t"
    assert said(codec, [16, 1, {}, "com.example.t"]).topic == "http://example.com/#t"
    acknowledged = [16, 1, {"acknowledge": True}, "com.example.t"]
    assert said(codec, acknowledged).topic == "http://example.com/#t"
    assert said(codec, [48, 1, {}, "com.example.p"]).procedure == "http://example.com/#p"
    assert said(codec, [48, 1, {}, "other"]).procedure == "other"
    error = json.loads(codec.error(1, "http://example.com/#full", "", None))
    assert error[4] == "com.example.full"


def test_numbers_live_as_long_as_somebody_holds_them():
    numbers = SubscriptionNumbers()
    first = numbers.take("a")
    assert numbers.take("b") != first
    assert numbers.take("a") == numbers.get("a") == first
    numbers.release("a")
    assert numbers.get("a") == first
    numbers.release("a")
    assert numbers.get("a") == 0
    assert len(numbers) == 1
    assert numbers.take("a") not in (first, numbers.get("b"))
