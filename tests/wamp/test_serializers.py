import enum
import math
import struct
import tracemalloc
import uuid

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet_py.errors import LocalError
from ratchet_py.wamp import Payload
from ratchet_py.wamp.serializers import Cbor, Json, MsgPack
from ratchet_py.websocket.interfaces import PreparedBytes, PreparedMessage

DEPTH = 511
ALL = [Json(), MsgPack(), Cbor()]
BINARY = ALL[1:]

everywhere = pytest.mark.parametrize("serializer", ALL, ids=lambda each: each.name)
binary = pytest.mark.parametrize("serializer", BINARY, ids=lambda each: each.name)

# What there is in all of them; text that begins with a null character is how JSON has bytes.
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text().filter(lambda text: not text.startswith("\0"))
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.sampled_from(ALL), st.lists(values))
def test_what_is_written_is_read_back(serializer, value):
    read = serializer.decode(serializer.encode(value), DEPTH)
    assert repr(read) == repr(value)


encoded = st.lists(values).flatmap(
    lambda value: st.sampled_from([each.encode(value) for each in ALL])
)


@given(st.sampled_from(ALL), st.text() | st.binary() | encoded)
def test_anything_is_a_value_or_a_value_error(serializer, data):
    try:
        verdict = serializer.decode(data, 20)
    except ValueError as error:
        verdict = error
    if isinstance(verdict, ValueError):
        assert 0 < len(str(verdict).encode()) <= 123
    else:
        serializer.encode(verdict)


class Colour(enum.Enum):
    RED = "red"


@everywhere
@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ((1, (2,)), [1, [2]]),
        ({"a": ()}, {"a": []}),
        (
            {2: "a", 1.5: "b", None: "c", True: "d"},
            {"2": "a", "1.5": "b", "null": "c", "true": "d"},
        ),
        (Colour.RED, "red"),
        (enum.IntEnum("Number", {"ONE": 1}).ONE, 1),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (bytearray(b"\x01"), b"\x01"),
        (PreparedMessage("text"), "text"),
        (Payload([1], {"a": (2,)}), {"args": [1], "kwargs": {"a": [2]}}),
        ([Payload()], [{"args": [], "kwargs": {}}]),
    ],
)
def test_what_an_application_may_say_beyond_that(serializer, value, plain):
    assert serializer.decode(serializer.encode([value]), DEPTH) == [plain]


def circle():
    one = []
    one.append(one)
    return one


@everywhere
@pytest.mark.parametrize(
    "make",
    [
        lambda: math.nan,
        lambda: [math.inf],
        lambda: {"a": -math.inf},
        lambda: (math.nan,),
        lambda: {1, 2},
        lambda: object(),
        lambda: 1j,
        lambda: {(1, 2): 3},
        lambda: {uuid.UUID(int=5): 1},
        lambda: "\ud800",
        circle,
    ],
)
def test_what_has_no_form_has_none_in_any(serializer, make):
    with pytest.raises(LocalError):
        serializer.encode([make()])


def test_integers_beyond_64_bits():
    large = [2**64, -(2**63) - 1, 10**300]
    assert Json().decode(Json().encode(large), DEPTH) == large
    assert Cbor().decode(Cbor().encode(large), DEPTH) == large
    assert MsgPack().decode(MsgPack().encode(large), DEPTH) == [float(each) for each in large]
    with pytest.raises(LocalError):
        MsgPack().encode(10**400)


@everywhere
def test_what_goes_to_many_is_prepared(serializer):
    prepared = serializer.prepare([1])
    kind = PreparedMessage if serializer.name == "json" else PreparedBytes
    assert type(prepared) is kind
    assert serializer.decode(serializer.encode([1]), DEPTH) == [1]


@everywhere
def test_depth(serializer):
    def nested(depth, innermost):
        value = innermost
        for _ in range(depth):
            value = [value] if depth % 2 else {"a": value}
        return serializer.encode(value)

    for depth, innermost in [(10, 1.5), (10, "a"), (9, []), (9, {}), (9, [1.5])]:
        serializer.decode(nested(depth, innermost), 10)
    for depth, innermost in [(11, 1.5), (11, "a"), (10, []), (10, {}), (10, [1.5])]:
        with pytest.raises(ValueError, match=r"deep|depth"):
            serializer.decode(nested(depth, innermost), 10)


@everywhere
def test_the_limit_can_be_used(serializer):
    value = []
    for _ in range(DEPTH - 1):
        value = [value]
    assert serializer.decode(serializer.encode(value), DEPTH) == value


def test_text_and_binary_are_not_mixed():
    for serializer, message in (Json(), b"[1]"), (MsgPack(), "\x91\x01"), (Cbor(), "\x81\x01"):
        with pytest.raises(ValueError, match="message"):
            serializer.decode(message, DEPTH)


# --- JSON


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'["\u0000AQI="]', [b"\x01\x02"]),
        (r'["\u0000"]', [b""]),
        (r'[{"a":["\u0000AQI="]},"\u0000AQI="]', [{"a": [b"\x01\x02"]}, b"\x01\x02"]),
        (r'["\u0000AQI"]', ["\0AQI"]),
        (r'["\u0000\u0000"]', ["\0\0"]),
        (r'["\u0000é"]', ["\0é"]),
        (r'["a\u0000AQI="]', ["a\0AQI="]),
        (r'["\\u0000AQI="]', ["\\u0000AQI="]),
        (r'"\u0000AQI="', "\0AQI="),
    ],
)
def test_bytes_in_json(text, value):
    assert Json().decode(text, DEPTH) == value


def test_bytes_deep_down():
    text = "[" * DEPTH + r'"\u0000AQI="' + "]" * DEPTH
    value = Json().decode(text, DEPTH)
    for _ in range(DEPTH):
        (value,) = value
    assert value == b"\x01\x02"


# --- MessagePack


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x92\x01",
        b"\x91\x01\x01",
        b"\xc1",
        b"\x91\xa1\xff",
        b"\x91\xa3\xed\xa0\x80",
        b"\x81\x01\x01",
        b"\x81\xc4\x01a\x01",
        b"\x81\x91\x01\x01",
        b"\x91\xd4\x05\x00",
        b"\x91\xd4\x00\x01",
        b"\x91\xd6\xff\x00\x00\x00\x01",
        b"\x91\xcb" + struct.pack(">d", math.nan),
        b"\x91\xca" + struct.pack(">f", math.inf),
        b"\x91" * 100_000 + b"\x01",
        b"\xdd\x7f\xff\xff\xff",
        b"\xdf\x7f\xff\xff\xff",
        b"\xdb\x7f\xff\xff\xffabc",
    ],
)
def test_not_message_pack(data):
    with pytest.raises(ValueError, match=r"."):
        MsgPack().decode(data, DEPTH)


def test_undefined_of_javascript_is_null():
    assert MsgPack().decode(b"\x92\xd4\x00\x00\x01", DEPTH) == [None, 1]
    assert Cbor().decode(b"\x82\xf7\x81\xf7", DEPTH) == [None, [None]]


# --- CBOR


@pytest.mark.parametrize("tag", [64, 68])
def test_arrays_of_bytes_of_javascript_are_bytes(tag):
    data = cbor2.dumps([cbor2.CBORTag(tag, b"\x01\x02"), {"a": cbor2.CBORTag(tag, b"")}])
    assert Cbor().decode(data, DEPTH) == [b"\x01\x02", {"a": b""}]
    for other in ["text", [1], 1, None, cbor2.CBORTag(tag, [])]:
        with pytest.raises(ValueError, match=r"array of bytes"):
            Cbor().decode(cbor2.dumps([cbor2.CBORTag(tag, other)]), DEPTH)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x82\x01",
        b"\x81\x01\x01",
        b"\x01\xff",
        b"\xff",
        b"\x9f\x01",
        b"\x81\x61\xff",
        b"\xa1\x01\x01",
        b"\xa1\x41a\x01",
        b"\x81\xe5",
        b"\x81\xf9\x7e\x00",
        b"\x81\xf9\x7c\x00",
        b"\x81" * 100_000 + b"\x01",
        b"\x9a\x7f\xff\xff\xff",
        b"\xba\x7f\xff\xff\xff",
        b"\x7a\x7f\xff\xff\xffabc",
        b"\x5b\x3f\xff\xff\xff\xff\xff\xff\xffabc",
        b"\xc2\x01",
        b"\xc2\x59\x07\x00" + b"\x7f" * 0x700,
        # dates, fractions, references, regular expressions, addresses, sets, unknown tags
        *(
            cbor2.dumps(cbor2.CBORTag(tag, content))
            for tag, content in [
                (0, "2020-01-01T00:00:00Z"),
                (1, 0),
                (4, [1, 1]),
                (5, [1, 1]),
                (25, 0),
                (28, [1]),
                (29, 0),
                (30, [1, 2]),
                (35, "(a+)+$"),
                (36, "x"),
                (37, bytes(16)),
                (65, bytes(4)),
                (72, bytes(4)),
                (85, bytes(4)),
                (100, 1),
                (256, ["a"]),
                (258, [1]),
                (260, bytes(4)),
                (1004, "2020-01-01"),
                (43000, [1, 1]),
                (55799, 1),
                (123456, 1),
            ]
        ),
        b"\xd8\x1c\x81\xd8\x1d\x00",  # a list that holds itself
    ],
)
def test_not_cbor_as_we_read_it(data):
    with pytest.raises(ValueError, match=r"."):
        Cbor().decode(data, DEPTH)


def test_cbor_of_other_shapes():
    assert Cbor().decode(b"\x9f\x01\xbf\x61a\x7f\x61b\x61c\xff\xff\xff", DEPTH) == [1, {"a": "bc"}]
    assert Cbor().decode(b"\x82\xf9\x3e\x00\xfa\x3f\xc0\x00\x00", DEPTH) == [1.5, 1.5]


@binary
@pytest.mark.parametrize("head", ["list", "map"])
def test_announced_lengths_are_not_believed(serializer, head):
    heads = {
        ("msgpack", "list"): b"\xdd\x00\x10\x00\x00",
        ("msgpack", "map"): b"\xdf\x00\x10\x00\x00\xa1a",
        ("cbor", "list"): b"\x9a\x00\x10\x00\x00",
        ("cbor", "map"): b"\xba\x00\x10\x00\x00\x61a",
    }
    data = heads[serializer.name, head] * 400
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"."):
            serializer.decode(data, DEPTH)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
