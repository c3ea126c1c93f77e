"""What PHP has serialized, and what it has not."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ratchet_py.session.serialize import MalformedSession, PhpObject, unserialize


def serialize(value):
    """As PHP does, in so far as it is needed here."""
    match value:
        case None:
            return b"N;"
        case bool():
            return b"b:%d;" % value
        case int():
            return b"i:%d;" % value
        case float():
            return b"d:%b;" % {"inf": "INF", "-inf": "-INF"}.get(repr(value), repr(value)).encode()
        case str():
            return serialize(value.encode())
        case bytes():
            return b's:%d:"%b";' % (len(value), value)
        case list():
            return serialize(dict(enumerate(value)))
    items = b"".join(serialize(each) for item in value.items() for each in item)
    return b"a:%d:{%b}" % (len(value), items)


integers = st.integers(-(2**63), 2**63 - 1)
scalars = (
    st.none()
    | st.booleans()
    | integers
    | st.floats(allow_nan=False)
    | st.text()
    | st.just(b"\xff\x00")
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1), inner, min_size=1),
    max_leaves=20,
)


@given(values)
def test_what_was_serialized_comes_back(value):
    assert unserialize(serialize(value)) == value


# Bytes that PHP's grammar has, in any order, go deeper than any bytes do.
tokens = st.sampled_from(
    b's:|:1:|:2:|"|";|{|}|a:|i:|0|;|N;|O:8:"stdClass"|C:1:"A"|E:3:"A:B";|R:|r:|R:1;|r:2;|b:1;|d:.5;'
    b"|\xff|\x00|-|99999999999".split(b"|")
)


@given(st.binary() | st.lists(tokens, max_size=40).map(b"".join))
@example(b"a:99999999999:{")
@example(b"i:" + b"9" * 10_000 + b";")
@example(b"d:" + b"9" * 10_000 + b";")
@example(b's:99:"a";')
@example(b's:-1:"a";')
@example(b"a:1:{a:0:{}i:0;}")
@example(b"a:1:{i:0;}")
@example(b"N;N;")
@example(b"R:1;")
@example(b"r:0;")
@example(b"a:1:{i:0;R:1;}")
@example(b'E:1:"A";')
@example(b'o:8:"stdClass":0:{}')
@example(b'S:1:"\\61";')
def test_anything_else_is_an_error_that_is_documented(data):
    with suppress(MalformedSession):
        unserialize(data)


def test_what_is_cut_off_is_never_taken_for_whole():
    whole = (
        b'a:6:{i:0;N;i:1;b:1;i:2;d:-1.5E+300;s:1:"k";a:1:{i:0;R:2;}i:3;O:1:"A":0:{}i:4;E:3:"A:B";}'
    )
    unserialize(whole)
    for cut in range(len(whole)):
        with pytest.raises(MalformedSession):
            unserialize(whole[:cut])


def test_depth():
    def nested(depth):
        return b"a:1:{i:0;" * depth + b"N;" + b"}" * depth

    assert json.dumps(unserialize(nested(200))) == "[" * 200 + "null" + "]" * 200
    for depth in (201, 100_000):
        with pytest.raises(MalformedSession, match="deeper than 200"):
            unserialize(nested(depth))


def test_an_array_is_what_json_encode_makes_of_it():
    assert unserialize("a:0:{}") == []
    assert unserialize("a:2:{i:0;i:5;i:1;i:6;}") == [5, 6]
    assert unserialize("a:2:{i:1;i:6;i:0;i:5;}") == {1: 6, 0: 5}
    assert unserialize('a:1:{s:1:"a";i:5;}') == {"a": 5}
    assert unserialize('a:1:{s:2:"01";i:5;}') == {"01": 5}


def test_text_is_text_and_the_rest_bytes():
    assert unserialize('s:3:"aä";') == "aä"
    assert unserialize(b's:2:"\xff\x00";') == b"\xff\x00"
    assert unserialize(b'a:1:{s:1:"\xff";i:1;}') == {b"\xff": 1}


def test_objects_become_records_and_nothing_else():
    data = (
        b'O:4:"User":4:{s:4:"name";s:3:"Ann";s:7:"\0*\0mail";s:1:"m";'
        b's:9:"\0Base\0pin";i:1;s:9:"\0User\0pin";i:2;}'
    )
    user = unserialize(data)
    assert isinstance(user, PhpObject)
    assert user.className == "User"
    assert dict(user) == {"name": "Ann", "mail": "m", "pin": 2}
    assert user.data is None
    assert user.get("other") is None
    # Not even what it holds is shown.
    assert repr(user) == "<PhpObject User ['name', 'mail', 'pin']>"
    with pytest.raises(TypeError):
        json.dumps(user)
    with pytest.raises(TypeError):
        user["name"] = "Joe"


def test_a_class_with_a_form_of_its_own():
    record = unserialize('C:3:"Abc":6:{"}{;x}}')
    assert (record.className, record.data, len(record)) == ("Abc", b'"}{;x}', 0)


def test_an_enumeration():
    record = unserialize('E:11:"Suit:Hearts";')
    assert (record.className, dict(record)) == ("Suit", {"name": "Hearts"})


def test_references():
    shared = unserialize("a:3:{i:0;a:1:{i:0;i:7;}i:1;R:2;i:2;R:3;}")
    assert shared == [[7], [7], 7]
    assert shared[0] is shared[1]
    # The second name of an object counts, the second name of a variable does not.
    objects = unserialize('a:4:{i:0;O:1:"A":0:{}i:1;r:2;i:2;s:1:"x";i:3;R:4;}')
    assert objects[0] is objects[1]
    assert objects[3] == "x"


def test_an_object_may_contain_itself():
    node = unserialize('O:4:"Node":1:{s:4:"next";r:1;}')
    assert node["next"] is node
    assert node == node["next"]
    assert "Node" in repr(node)


def test_an_array_that_contains_itself_is_a_dict():
    itself = unserialize("a:1:{i:0;R:1;}")
    assert itself[0] is itself
    through = unserialize('a:2:{i:0;O:1:"A":1:{s:1:"a";R:1;}i:1;a:1:{i:0;R:1;}}')
    assert through[0]["a"] is through[1][0] is through
    # That is of this one only.
    assert unserialize("a:2:{i:0;a:1:{i:0;R:2;}i:1;a:1:{i:0;i:5;}}")[1] == [5]
    assert unserialize("a:2:{i:0;a:1:{i:0;i:5;}i:1;R:2;}") == [[5], [5]]


def test_what_is_serialized_within_a_form_of_its_own_counts():
    data = 'a:4:{i:0;s:1:"x";i:1;C:1:"A":14:{a:1:{i:0;R:2;}}i:2;a:1:{i:0;i:5;}i:3;R:5;}'
    found = unserialize(data)
    assert (found[1].data, found[3]) == (b"a:1:{i:0;R:2;}", [5])
    assert unserialize('a:3:{i:0;C:1:"A":8:{i:1;i:2;}i:1;s:1:"x";i:2;R:5;}')[2] == "x"
    assert unserialize('a:3:{i:0;C:1:"A":0:{}i:1;s:1:"x";i:2;R:3;}')[2] == "x"


@pytest.mark.parametrize(
    "within", ["x", "i:1;x", "a:1:{i:0;i:1;", "a:1:{i:0;R:3;}x", 'a:2:{i:0;C:1:"A":1:{x}']
)
def test_what_is_counted_within_another_form_nobody_knows(within):
    form = f'C:1:"A":{len(within)}:{{{within}}}'
    assert unserialize(f'a:3:{{i:0;s:1:"x";i:1;{form}i:2;R:2;}}')[2] == "x"
    assert unserialize(f"a:3:{{i:0;N;i:1;{form}i:2;a:1:{{i:0;N;}}}}")[2] == [None]
    with pytest.raises(MalformedSession, match="reference"):
        unserialize(f"a:4:{{i:0;N;i:1;{form}i:2;N;i:3;R:4;}}")


def test_what_is_counted_within_a_form_within_a_form():
    form = 'C:1:"A":13:{C:1:"A":1:{x}}'
    assert unserialize(f"a:2:{{i:0;{form}i:1;R:3;}}")[1].data == b"x"
    with pytest.raises(MalformedSession, match="reference"):
        unserialize(f"a:3:{{i:0;{form}i:1;N;i:2;R:4;}}")
