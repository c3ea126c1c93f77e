import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet_py.broker import Publication
from ratchet_py.broker.envelope import decode, encode, signature
from ratchet_py.errors import LocalError
from ratchet_py.wamp import Payload

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    SCALARS.filter(lambda value: not (isinstance(value, str) and value.startswith("\0"))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
PAYLOADS = st.builds(
    Payload, st.lists(VALUES, max_size=3), st.dictionaries(TEXT, VALUES, max_size=3)
)
SESSIONS = st.lists(TEXT, max_size=3)


@given(VALUES | PAYLOADS, SESSIONS, SESSIONS, st.integers(0, 2**53), TEXT)
def test_what_is_written_is_read(event, exclude, eligible, id, node):
    publication = Publication(event, exclude, eligible, id)
    message = encode(publication, node)
    back = decode(message)
    assert back == publication
    assert back.id == id
    assert message.startswith(signature(node))
    members = json.loads(message)
    assert members["node"] == node
    assert ("event" in members) != isinstance(event, Payload)


def test_only_its_own_messages_have_a_nodes_signature():
    assert not encode(Publication(1), "node 10").startswith(signature("node 1"))


@given(st.binary() | VALUES.map(lambda value: json.dumps(value, default=repr).encode()))
def test_whatever_comes_is_read_or_refused(message):
    try:
        publication = decode(message)
    except ValueError:
        pass
    else:
        assert isinstance(publication, Publication)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"null",
        b"[1]",
        b"{}",
        b'{"event":1',
        b'{"event":NaN}',
        b'{"event":"\xff"}',
        b'{"args":1}',
        b'{"args":[],"kwargs":[]}',
        b'{"kwargs":{}}',
        b'{"event":1,"exclude":"a"}',
        b'{"event":1,"eligible":{}}',
        b'{"event":1,"eligible":null}',
        b'{"event":1,"id":-1}',
        b'{"event":1,"id":9007199254740993}',
        b'{"event":1,"id":true}',
        b'{"event":1,"id":1.0}',
        b'{"event":' + b"[" * 1000 + b"]" * 1000 + b"}",
        b"[" * 200_000,
    ],
    ids=lambda message: repr(message[:30]),
)
def test_what_is_no_publication_is_refused(message):
    with pytest.raises(ValueError, match=r"^[^\n]{5,100}$"):
        decode(message)


def test_as_deep_as_a_client_may_go():
    event = []
    for _ in range(510):
        event = [event]
    assert decode(encode(Publication(event), "n")).event == event
    payload = Payload([event])
    assert decode(encode(Publication(payload), "n")).event == payload


def test_text_that_looks_like_bytes_stays_what_it_is():
    assert decode(encode(Publication("\0 not base64"), "n")).event == "\0 not base64"


@pytest.mark.parametrize("event", [math.nan, math.inf, object(), {"a": {1, 2}}])
def test_what_json_cannot_say_is_refused(event):
    with pytest.raises(LocalError):
        encode(Publication(event), "n")


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_bytes_may_lie_as_deep_as_anything(opening, closing):
    message = '{"event":' + opening * 511 + r'"\u0000AA=="' + closing * 511 + "}"
    event = decode(message.encode()).event
    for _ in range(511):
        event = event[0] if isinstance(event, list) else event["a"]
    assert event == b"\0"
