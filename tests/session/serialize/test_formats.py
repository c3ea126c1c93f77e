"""PHP's three formats of sessions, each written by PHP itself."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ratchet_py.session.serialize import (
    MalformedSession,
    PhpBinaryHandler,
    PhpHandler,
    PhpSerializeHandler,
)

FORMATS = {
    "php": PhpHandler(),
    "php_binary": PhpBinaryHandler(),
    "php_serialize": PhpSerializeHandler(),
}


@pytest.mark.parametrize("name", FORMATS)
def test_what_php_has_written(name, php, tmp_path):
    id = php("native.php", "files", tmp_path, name)
    data = FORMATS[name].unserialize((tmp_path / f"sess_{id}").read_bytes())
    user = data.pop("user")
    assert data.pop("same") is user
    assert data.pop("last") is user
    assert user["friend"] is user
    assert user.className == "User"
    assert (user["name"], user["mail"], user["secret"]) == ("Ann", "ann@example.com", "of the user")
    hearts, again = data.pop("suits")
    assert hearts is again
    assert (hearts.className, hearts["name"]) == ("Suit", "Hearts")
    custom = data.pop("custom")
    assert (custom.className, dict(custom)) == ("Custom", {0: 1, "two": 2})
    old = data.pop("old")
    assert (old.className, old.data) == ("Old", b'a:2:{i:0;s:2:"of";i:1;s:3:"old";}')
    ring = data.pop("ring")
    assert ring["name"] == "ring"
    assert ring["next"] is ring
    assert data == {
        "name": 'Änn "quoted"; |',
        "visits": 7,
        "big": 2**63 - 1,
        "small": -(2**63),
        "ratio": 0.1,
        "huge": 1.5e300,
        "endless": [math.inf, -math.inf],
        "on": True,
        "off": False,
        "nothing": None,
        "roles": ["admin", "editor"],
        "alias": ["admin", "editor"],
        "empty": [],
        "cart": {"apple": 2, 5: {"x": [1, [2, [3]]]}},
        "deep": {"down": {"x": [1, [2, [3]]]}},
        "binary": b"\xff\x00|",
    }


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_nothing(name):
    assert FORMATS[name].unserialize(b"") == {}


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("php", b"name"),
        ("php", b"name|"),
        ("php", b'name|s:3:"Ann";rest'),
        ("php", b'\x04names:3:"Ann";'),
        ("php", b'a:1:{s:4:"name";s:3:"Ann";}'),
        ("php_binary", b"\x7fname"),
        ("php_binary", b"\x04name"),
        ("php_binary", b'name|s:3:"Ann";'),
        ("php_serialize", b"i:1;"),
        ("php_serialize", b'O:8:"stdClass":0:{}'),
        ("php_serialize", b'name|s:3:"Ann";'),
    ],
)
def test_another_format_is_an_error(name, raw):
    with pytest.raises(MalformedSession):
        FORMATS[name].unserialize(raw)


pieces = st.sampled_from([b"a|", b"i:1;", b"\x01", b"|", b"R:1;", b"}"])


@given(name=st.sampled_from(sorted(FORMATS)), raw=st.binary() | st.lists(pieces).map(b"".join))
@example(name="php", raw=b"a|" * 10_000)
@example(name="php_binary", raw=b"\x00i:1;" * 1_000)
def test_any_bytes_are_a_session_or_an_error_that_is_documented(name, raw):
    with suppress(MalformedSession):
        assert isinstance(FORMATS[name].unserialize(raw), dict)


def test_references_reach_from_one_variable_to_another():
    data = PhpHandler().unserialize(b'a|a:1:{i:0;i:7;}b|R:1;c|O:1:"A":0:{}d|r:3;')
    assert data["b"] is data["a"]
    assert data["d"] is data["c"]


def test_a_list_of_variables_is_named_by_numbers():
    assert PhpSerializeHandler().unserialize(b"a:1:{i:0;i:7;}") == {0: 7}
