from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet_py.client.response import ResponseParser
from ratchet_py.errors import RemoteError

GOOD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX: a\r\nx: b\r\n\r\n\x81\x00"


@given(st.integers(0, len(GOOD)), st.integers(0, len(GOOD)))
def test_however_it_is_cut(first, second):
    first, second = sorted((first, second))
    parser = ResponseParser(1000)
    pieces = [GOOD[:first], GOOD[first:second], GOOD[second:]]
    responses = []
    rest = b""
    for piece in pieces:
        if responses:
            rest += piece
        elif (response := parser.receive(piece)) is not None:
            responses.append(response)
            rest = parser.rest
    (response,) = responses
    assert (response.status, response.phrase) == (101, "Switching Protocols")
    assert response.headers["upgrade"] == "websocket"
    assert response.headers.getAll("X") == ["a", "b"]
    assert rest == b"\x81\x00"


@given(st.integers(0, 66), st.integers(0, 66))
def test_interim_responses_are_passed_over(first, second):
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    first, second = sorted((first, second))
    parser = ResponseParser(1000)
    assert parser.receive(interim[:first]) is None
    assert parser.receive(interim[first:second]) is None
    assert parser.receive(interim[second:] + GOOD).status == 101
    assert parser.rest == b"\x81\x00"


def test_interim_responses_without_end():
    with pytest.raises(RemoteError, match="larger than 100 bytes"):
        ResponseParser(100).receive(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
    with pytest.raises(RemoteError, match="does not speak HTTP"):
        ResponseParser(100).receive(b"HTTP/1.1 100 Continue\r\n\r\nmore")


def test_a_head_without_fields_or_phrase():
    assert ResponseParser(99).receive(b"HTTP/1.0 404\r\n\r\n").phrase == ""
    assert dict(ResponseParser(99).receive(b"HTTP/1.1 204 \r\n\r\n").headers) == {}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "does not speak HTTP"),
        (b"\x15\x03\x01", "does not speak HTTP"),
        (b"HTTP/2 200\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 99 x\r\n\r\n", "malformed"),
        (b"HTTP/1.1 1010 x\r\n\r\n", "malformed"),
        (b"HTTP/1.1 101 x\r\nno colon\r\n\r\n", "malformed"),
        (b"HTTP/1.1 101 x\r\nA: b\r\n c\r\n\r\n", "malformed"),
        (b"HTTP/1.1 101 x\r\nA : b\r\n\r\n", "malformed"),
        (b"HTTP/1.1 101 x\r\nA: \x00\r\n\r\n", "malformed"),
        (b"HTTP/1.1 101 x\r\nA: b\nC: d\r\n\r\n", "malformed"),
        (b"HTTP/1.1 101 x\r\nA: " + b"b" * 100, "larger than 100 bytes"),
        (b"HTTP/1.1 101 x\r\nA: " + b"b" * 100 + b"\r\n\r\n", "larger than 100 bytes"),
    ],
)
def test_what_is_no_answer(data, reason):
    with pytest.raises(RemoteError, match=reason):
        ResponseParser(100).receive(data)


@given(st.binary(), st.binary())
def test_any_bytes_are_an_answer_an_error_or_not_enough(start, data):
    for prefix in (b"", b"HTTP/1.1 101 x\r\n", b"HTTP/1.1 "):
        parser = ResponseParser(1000)
        try:
            if parser.receive(prefix + start) is None:
                parser.receive(data + b"\r\n\r\n")
        except RemoteError:
            pass
