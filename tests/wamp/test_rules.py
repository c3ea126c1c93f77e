"""Rules: which names they match, and how version 1 is told of them."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet_py.wamp.rules import Rule, permissions


@pytest.mark.parametrize(
    ("uri", "match", "right", "wrong"),
    [
        ("com.a", "exact", ["com.a"], ["com.A", "com.a.", "com.a.b", "com", "", "com.a\n"]),
        ("com.a*", "exact", ["com.a*"], ["com.ab"]),
        ("com.a", "prefix", ["com.a", "com.a.b", "com.ab"], ["com", "com.A.b", "xcom.a"]),
        ("com.a.", "prefix", ["com.a.b", "com.a."], ["com.a", "com.ab"]),
        ("", "prefix", ["", "anything"], []),
        (
            "com..b",
            "wildcard",
            ["com.a.b", "com.a-z#.b"],
            ["com..b", "com.b", "com.a.a.b", "com.a.b.", "com.a.c", "comXa.b", "com.a.b\n"],
        ),
        ("..", "wildcard", ["a.b.c"], ["a.b", "..", "a.b.c.d"]),
        ("", "wildcard", ["a"], ["", "a.b"]),
        ("a.c+", "wildcard", ["a.c+"], ["a.cc"]),
        (
            "http://example.com/*/log",
            "glob",
            ["http://example.com/a/log", "http://example.com/a/b/log", "http://example.com//log"],
            ["http://example.com/log", "http://example.com/a/LOG", "http://exampleXcom/a/log"],
        ),
        ("room?", "glob", ["room1", "room\n"], ["room", "room12"]),
        ("room[ab]", "glob", ["rooma"], ["roomc", "room[ab]"]),
    ],
)
def test_what_a_pattern_matches(uri, match, right, wrong):
    rule = Rule(uri, match)
    assert [name for name in right if not rule.matches(name)] == []
    assert [name for name in wrong if rule.matches(name)] == []


NAMES = st.text(st.sampled_from("ab.#*?[]"), max_size=8)


@given(NAMES, NAMES)
def test_patterns_agree_with_the_plain_way_to_say_it(pattern, name):
    assert bool(Rule(pattern).matches(name)) == (pattern == name)
    assert bool(Rule(pattern, "prefix").matches(name)) == name.startswith(pattern)
    assert bool(Rule(pattern, "glob").matches(name)) == fnmatch.fnmatchcase(name, pattern)
    parts, wanted = name.split("."), pattern.split(".")
    assert bool(Rule(pattern, "wildcard").matches(name)) == (
        len(parts) == len(wanted)
        and all(part and want in ("", part) for part, want in zip(parts, wanted, strict=True))
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"match": "regex"},
        {"match": "Prefix"},
        {"actions": {"register"}},
        {"actions": "call"},
        {"actions": {"call", "Publish"}},
    ],
)
def test_a_rule_that_says_nothing_sensible_is_none(wrong):
    with pytest.raises(ValueError, match=r"match|actions"):
        Rule("t", **wrong)


def test_rules_compare_and_say_what_they_are():
    rule = Rule("a.", "prefix", {"call"}, "staff", "joe", False)
    assert rule == Rule("a.", "prefix", {"call"}, "staff", "joe", False)
    assert eval(repr(rule)) == rule
    assert repr(Rule("a", "glob")) == "Rule(uri='a', match='glob')"


def test_what_version_1_is_told():
    rules = [
        Rule("a"),
        Rule("b.", "prefix"),
        Rule("c", actions={"call"}, allow=False),
        Rule("d", actions={"publish"}),
        Rule("e..", "wildcard"),
        Rule("f*", "glob"),
    ]
    assert permissions(rules) == {
        "pubsub": [
            {"uri": "a", "prefix": False, "pub": True, "sub": True},
            {"uri": "b.", "prefix": True, "pub": True, "sub": True},
            {"uri": "d", "prefix": False, "pub": True, "sub": False},
        ],
        "rpc": [{"uri": "a", "call": True}, {"uri": "c", "call": False}],
    }
