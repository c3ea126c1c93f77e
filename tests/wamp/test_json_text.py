import enum
import json
import math
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ratchet_py.errors import LocalError
from ratchet_py.wamp import json_text

DEPTH = 511

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def same(a, b):
    """Equal, and of the same kind all the way down: 1 is not 1.0, and 0.0 is not -0.0."""
    return repr(a) == repr(b)


@given(values)
@example([2**64, -(2**63) - 1, 10**4299, 1.0, -0.0, 1e300, {}, [], None, "null", "\x00\u2028"])
def test_what_is_written_is_read_back(value):
    assert same(json_text.decode(json_text.encode(value), DEPTH), value)


@given(values)
def test_utf8_is_read_like_text(value):
    text = json_text.encode(value)
    assert same(json_text.decode(text.encode(), DEPTH), json_text.decode(text, DEPTH))


@given(values)
def test_what_is_written_is_what_the_standard_library_reads(value):
    assert same(json.loads(json_text.encode(value)), value)


fragments = [
    "null",
    "true",
    "false",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e308",
    "1e309",
    "18446744073709551617",
    '"a"',
    "\\ud83d\\ude00",
    "\\ud800",
    "\\udc00",
    "\\n",
    "\\/",
    "é",
]
tokens = st.sampled_from([*fragments, *'[]{},:"\\u-.eE+ \n018\x7f\x1f\u2028'])


def strictly(text):
    """The standard library's verdict, made strict: the other opinion."""

    def refuse(constant):
        raise ValueError(constant)

    def finite(text):
        if math.isinf(float(text)):
            raise ValueError(text)
        return float(text)

    value = json.loads(text, parse_constant=refuse, parse_float=finite)
    json.dumps(value, ensure_ascii=False).encode()
    return value


@given(st.lists(tokens, max_size=12).map("".join))
def test_it_is_as_strict_as_the_standard_library_can_be_made(text):
    try:
        expected = strictly(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"^(not JSON|JSON nests)"):
            json_text.decode(text, DEPTH)
    else:
        assert same(json_text.decode(text, DEPTH), expected)


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "[Infinity]", "-Infinity", "1e999", "-1e999", "1" * 5000, "-" + "1" * 5000),
        *(r'"\ud800"', r'"\udc00\ud800"', r'{"\ud800": 1}', r'"\ud800abcdefgh"'),
        *("", " ", "[1,]", "[1] x", "01", "+1", ".5", "'a'", "{1:2}", '"\x01"', "\ufeff1", "\xa01"),
        *(b'"\xff"', b'"\xed\xa0\x80"', b'{"\xc0\x80":1}', '"a"'.encode("utf-16")),
    ],
)
def test_refused(text):
    with pytest.raises(ValueError, match=r"^not JSON"):
        json_text.decode(text, DEPTH)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r'["\ud800"]', "half a surrogate pair"),
        (rb'["\ud800x"]', "half a surrogate pair"),
        (r'["\uDC00\uD800"]', "half a surrogate pair"),
        (r'["\ud83d\ude00" x]', "expected"),
        ("[1e999]", "Number out of range"),
        ("[" + "1" * 5000 + "]", "Integer value out of range"),
        (b'"\xff"', "UTF-8"),
        ('["', "truncated"),
    ],
)
def test_the_reason_names_the_fault(text, reason):
    with pytest.raises(ValueError, match=rf"^not JSON: .*{reason}"):
        json_text.decode(text, DEPTH)


def test_the_reason_is_short_however_deep_the_fault_lies():
    with pytest.raises(ValueError, match=r"^not JSON") as caught:
        json_text.decode("[" * 300 + "1e999" + "]" * 300, DEPTH)
    assert len(str(caught.value)) < 100


def test_the_last_of_a_repeated_key_counts():
    assert json_text.decode('{"a":1,"a":2}', DEPTH) == {"a": 2}


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_depth_is_counted_exactly(opening):
    closing = {"[": "]", '{"a":': "}"}[opening]

    def nested(depth):
        return opening * (depth - 1) + "[]" + closing * (depth - 1)

    json_text.decode(nested(DEPTH), DEPTH)
    json_text.decode(nested(DEPTH).encode(), DEPTH)
    for text in nested(DEPTH + 1), nested(DEPTH + 1).encode(), f"[1, {nested(DEPTH)}]":
        with pytest.raises(ValueError, match=r"^JSON nests too deep$"):
            json_text.decode(text, DEPTH)


def test_many_lists_side_by_side_are_not_deep():
    text = "[" + ",".join(["[[],{}]"] * 1000) + "]"
    assert len(json_text.decode(text, 3)) == 1000
    with pytest.raises(ValueError, match=r"^JSON nests too deep$"):
        json_text.decode(text, 2)


def test_brackets_in_strings_are_not_depth():
    assert json_text.decode('["' + "[" * 2000 + '"]', 1) == ["[" * 2000]


@pytest.mark.parametrize("text", ["[" * 1_000_000, "[" * 1_000_000 + "]" * 1_000_000])
def test_any_depth_is_survived(text):
    with pytest.raises(ValueError, match=r"^(JSON nests too deep|not JSON)"):
        json_text.decode(text, DEPTH)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Name(str):
    __slots__ = ()


class Point:
    def jsonSerialize(self):
        return {"x": 1}


@pytest.mark.parametrize("beside", [(), (None,), (2**64,)], ids=["quick", "null", "big integer"])
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1, 2), "[1,2]"),
        ({1: "a"}, '{"1":"a"}'),
        (Name("x"), '"x"'),
        (Level.HIGH, "3"),
        (Colour.RED, '"red"'),
        (uuid.UUID(int=0), '"00000000-0000-0000-0000-000000000000"'),
        (b"\x01\x02", '"\\u0000AQI="'),
        ("é\u2028\U0001f600", '"é\u2028\U0001f600"'),
        (1.0, "1.0"),
        (Point(), '{"x":1}'),
        ({}, "{}"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_written_the_same_by_either_writer(value, text, beside):
    assert json_text.encode([value, *beside]).startswith(f"[{text}")


@pytest.mark.parametrize("beside", [(), (None,), (2**64,)], ids=["quick", "null", "big integer"])
@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, {"a": math.nan}, "\ud800", {"\udc00": 1}, object(), {1, 2}],
)
def test_not_written(value, beside):
    with pytest.raises(LocalError, match=r"^not a JSON value"):
        json_text.encode([value, *beside])


def test_what_never_ends_is_not_written():
    circle = []
    circle.append(circle)
    deep = []
    # Beyond what C may nest, too: from Python 3.12 on that is not sys.getrecursionlimit().
    for _ in range(100_000):
        deep = [deep]
    for value in circle, deep, 10**5000:
        with pytest.raises(LocalError, match=r"^not a JSON value"):
            json_text.encode(value)


def test_what_may_be_read_can_be_written():
    value = json_text.decode("[" * DEPTH + "]" * DEPTH, DEPTH)
    assert json_text.encode(value) == "[" * DEPTH + "]" * DEPTH
