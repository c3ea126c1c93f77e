from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet_py.client import wamp_v1
from ratchet_py.client.wamp_v1 import Event, Failed, Result, Welcome, decode
from ratchet_py.errors import LocalError, ProtocolError
from ratchet_py.wamp.commands import Call, Prefix, Publish, Subscribe, Unsubscribe
from ratchet_py.wamp.v1 import WampV1

SERVER = WampV1()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SERVER.welcome("s1"), Welcome("s1", json.loads(SERVER.welcome("s1"))[3])),
        ('[0,"s1",1]', Welcome("s1", "")),
        ('[0,"s1",1,null]', Welcome("s1", "None")),
        (SERVER.prefix("ex", "http://example.com/"), Prefix("ex", "http://example.com/")),
        (SERVER.result("1", None), Result("1", None)),
        (SERVER.result("1", {"a": [1.0, 2**70]}), Result("1", {"a": [1.0, 2**70]})),
        (SERVER.error("1", "http://e", "", None), Failed("1", "http://e", "")),
        (SERVER.error("1", "http://e", "why", [1]), Failed("1", "http://e", "why", [1])),
        (str(SERVER.event("news", None, 1)), Event("news", None)),
        ('[8,"news",{},"more",5]', Event("news", {})),
        (b'[8,"news",1]', Event("news", 1)),
    ],
)
def test_what_a_server_says(text, said):
    assert decode(text, 511) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "{}",
        "[]",
        "[[]]",
        '["8","news",1]',
        '[8.0,"news",1]',
        "[true]",
        '[8,"news"]',
        '[8,5,"x"]',
        '[3,"1"]',
        "[3,1,2]",
        '[4,"1",5]',
        '[0,"s1"]',
        '[0,"s1",2]',
        '[0,"s1","1"]',
        '[2,"1","add"]',
        '[9,"1"]',
        '[8,"news",' + "[" * 600 + "]" * 600 + "]",
        "\ud800",
        b"\xff",
    ],
)
def test_what_is_no_wamp(text):
    with pytest.raises(ProtocolError) as caught:
        decode(text, 511)
    assert caught.value.closeCode in (1002, 1007)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (wamp_v1.call("1", "add", (1, 2)), Call("1", "add", [1, 2])),
        (wamp_v1.call("1", "add", ()), Call("1", "add", [])),
        (wamp_v1.call("1", "add", ({"a": 1},)), Call("1", "add", {"a": 1})),
        (wamp_v1.subscribe("news"), Subscribe("news")),
        (wamp_v1.unsubscribe("news"), Unsubscribe("news")),
        (wamp_v1.prefix("ex", "http://e/"), Prefix("ex", "http://e/")),
        (wamp_v1.publish("t", 1), Publish("t", 1)),
        (wamp_v1.publish("t", 1, excludeMe=True), Publish("t", 1, excludeMe=True)),
        (wamp_v1.publish("t", 1, exclude=("a",)), Publish("t", 1, ["a"])),
        (wamp_v1.publish("t", 1, eligible={"b"}), Publish("t", 1, [], ["b"])),
        (wamp_v1.publish("t", None, ["a"], ["b"]), Publish("t", None, ["a"], ["b"])),
    ],
)
def test_what_a_client_says(text, command):
    assert SERVER.decode(text) == command


def test_what_cannot_be_said():
    with pytest.raises(LocalError):
        wamp_v1.publish("t", float("nan"))


some = st.none() | st.booleans() | st.integers(-1, 10) | st.floats() | st.text(max_size=3)
messages = st.lists(some | st.lists(some, max_size=2), max_size=5).map(json.dumps)


@given(st.binary() | st.text() | messages)
def test_anything_is_a_record_or_an_error(msg):
    try:
        decode(msg, 511)
    except ProtocolError as error:
        assert error.closeCode in (1002, 1007)  # noqa: PT017
