import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ratchet_py
from ratchet_py.errors import LocalError, ProtocolError
from ratchet_py.limits import Limits
from ratchet_py.wamp.commands import Call, Command, Prefix, Publish, Subscribe, Unsubscribe
from ratchet_py.wamp.v1 import WampV1
from ratchet_py.websocket.interfaces import PreparedMessage

codec = WampV1()


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('[1,"ex","http://example.com/"]', Prefix("ex", "http://example.com/")),
        ('[1,7,"http://example.com/",true]', Prefix("7", "http://example.com/")),
        ('[2,"id","add"]', Call("id", "add", [])),
        ('[2,"id","add",1]', Call("id", "add", [1])),
        ('[2,"id","add",1,2.0]', Call("id", "add", [1, 2.0])),
        ('[2,"id","add",[1,2]]', Call("id", "add", [1, 2])),
        ('[2,"id","add",[]]', Call("id", "add", [])),
        ('[2,"id","add",{}]', Call("id", "add", {})),
        ('[2,"id","add",{"a":1}]', Call("id", "add", {"a": 1})),
        ('[2,"id","add",null]', Call("id", "add", [None])),
        ('[2,"id","add",[1],2]', Call("id", "add", [[1], 2])),
        ('[2,7,"add"]', Call(7, "add", [])),
        ('[2,"",5]', Call("", "5", [])),
        ('[5,"news"]', Subscribe("news")),
        ('[5.0,"news","more"]', Subscribe("news")),
        ("[5,12]", Subscribe("12")),
        ("[5,1.5]", Subscribe("1.5")),
        ('[5,""]', Subscribe("")),
        ('[6,"news"]', Unsubscribe("news")),
        (b'[6,"news"]', Unsubscribe("news")),
        ('[7,"news",1]', Publish("news", 1)),
        ('[7,"news",null]', Publish("news", None)),
        ('[7,"news",1,true]', Publish("news", 1, excludeMe=True)),
        ('[7,"news",1,"yes"]', Publish("news", 1, excludeMe=True)),
        ('[7,"news",1,1]', Publish("news", 1, excludeMe=True)),
        ('[7,"news",1,false]', Publish("news", 1)),
        ('[7,"news",1,null]', Publish("news", 1)),
        ('[7,"news",1,0]', Publish("news", 1)),
        ('[7,"news",1,""]', Publish("news", 1)),
        ('[7,"news",1,["a"]]', Publish("news", 1, ["a"])),
        ('[7,"news",1,[],["b"]]', Publish("news", 1, [], ["b"])),
        ('[7,"news",1,["a"],null]', Publish("news", 1, ["a"])),
        ('[7,"news",1,true,["b"]]', Publish("news", 1, [], ["b"], excludeMe=True)),
        ('[7,"news",1,["a"],["b"],3]', Publish("news", 1, ["a"], ["b"])),
        ('[7,"t",18446744073709551617]', Publish("t", 2**64 + 1)),
    ],
)
def test_commands(text, command):
    assert repr(codec.decode(text)) == repr(command)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ("[5,", "not JSON"),
        (b'[5,"\xff"]', "UTF-8"),
        ('[7,"t",1e999]', "not JSON"),
        ('[7,"t",NaN]', "not JSON"),
        ('[7,"t",' + "1" * 5000 + "]", "not JSON"),
        (r'[7,"t","\ud800"]', "not JSON"),
        ("[" * 512 + "]" * 512, "too deep"),
        ("null", "a WAMP message is a list"),
        ("{}", "a WAMP message is a list"),
        ('{"0":5,"1":"t"}', "a WAMP message is a list"),
        ('"t"', "a WAMP message is a list"),
        ("[]", "a WAMP message is a list"),
        ('["5","t"]', "type"),
        ('[true,"t","u"]', "type"),
        ('[null,"t"]', "type"),
        ('[[5],"t"]', "type"),
        ('[{},"t"]', "type"),
        ('[5.5,"t"]', "type"),
        *((f'[{kind},"a","b","c"]', "type") for kind in (-1, 0, 3, 4, 8, 9, 10**30)),
        ("[1]", "PREFIX without"),
        ('[1,"ex"]', "PREFIX without"),
        ('[1,"ex",5]', "URI of a PREFIX"),
        ('[1,"ex",null]', "URI of a PREFIX"),
        ('[1,null,"http://example.com/"]', "prefix of a PREFIX"),
        ("[2]", "CALL without"),
        ('[2,"id"]', "CALL without"),
        ('[2,null,"add"]', "id of a CALL"),
        ('[2,true,"add"]', "id of a CALL"),
        ('[2,["a"],"add"]', "id of a CALL"),
        ('[2,{},"add"]', "id of a CALL"),
        ('[2,"id",null]', "procedure of a CALL"),
        ('[2,"id",["a"]]', "procedure of a CALL"),
        ("[5]", "SUBSCRIBE without"),
        ("[5,null]", "topic of a SUBSCRIBE"),
        ("[5,true]", "topic of a SUBSCRIBE"),
        ("[5,[]]", "topic of a SUBSCRIBE"),
        ('[5,{"a":1}]', "topic of a SUBSCRIBE"),
        ("[6]", "UNSUBSCRIBE without"),
        ("[6,false]", "topic of an UNSUBSCRIBE"),
        ("[7]", "PUBLISH without"),
        ('[7,"t"]', "PUBLISH without"),
        ("[7,null,1]", "topic of a PUBLISH"),
        ('[7,"t",1,{}]', "exclude of a PUBLISH"),
        ('[7,"t",1,[],true]', "eligible of a PUBLISH"),
        ('[7,"t",1,[],"b"]', "eligible of a PUBLISH"),
        ('[7,"t",1,false,{}]', "eligible of a PUBLISH"),
    ],
)
def test_malformed(text, reason):
    with pytest.raises(ProtocolError, match=reason) as caught:
        codec.decode(text)
    assert caught.value.closeCode == 1007
    assert 0 < len(caught.value.reason.encode()) <= 123


def test_depth_is_the_limits():
    shallow = WampV1(Limits(jsonDepth=2))
    assert shallow.decode('[7,"t",[1]]') == Publish("t", [1])
    with pytest.raises(ProtocolError, match="too deep"):
        shallow.decode('[7,"t",[[]]]')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
messages = st.tuples(
    st.integers(0, 9) | json_values, st.lists(st.text() | st.integers() | json_values, max_size=5)
).map(lambda parts: json.dumps([parts[0], *parts[1]]))


@given(st.text() | st.binary() | messages | messages.map(str.encode))
def test_anything_is_a_command_or_malformed(data):
    try:
        verdict = codec.decode(data)
    except ProtocolError as error:
        verdict = error
    if isinstance(verdict, ProtocolError):
        assert verdict.closeCode == 1007
        assert 0 < len(verdict.reason.encode()) <= 123
    else:
        assert isinstance(verdict, Command)


@given(json_values)
def test_an_event_comes_out_as_it_came_in(value):
    try:
        text = codec.event("t", value, 0)
    except LocalError:
        return
    event = codec.decode(text.replace("[8,", "[7,", 1))
    assert repr(event) == repr(Publish("t", value))


def test_answers():
    assert codec.welcome("me") == f'[0,"me",1,"Ratchet_py/{ratchet_py.__version__}"]'
    assert codec.prefix("ex", "http://example.com/") == '[1,"ex","http://example.com/"]'
    assert codec.result("id", None) == '[3,"id",null]'
    assert codec.result(7, {}) == "[3,7,{}]"
    assert codec.result(1.0, ()) == "[3,1.0,[]]"
    assert codec.error("id", "urn:x", "", None) == '[4,"id","urn:x",""]'
    assert codec.error("id", "urn:x", "no", 0) == '[4,"id","urn:x","no",0]'
    assert codec.event("t", {"a": [1.0, 2**64]}, 0) == '[8,"t",{"a":[1.0,18446744073709551616]}]'


def test_an_event_is_prepared_for_many():
    event = codec.event("t", "grüße", 0)
    assert isinstance(event, PreparedMessage)
    assert event.frame.endswith('[8,"t","grüße"]'.encode())


def test_infinity_is_not_sent():
    for send in (
        lambda: codec.event("t", float("inf"), 0),
        lambda: codec.result("id", [float("nan")]),
        lambda: codec.error("id", "urn:x", "", {"a": float("-inf")}),
    ):
        with pytest.raises(LocalError):
            send()
