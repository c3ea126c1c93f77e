import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet_py.errors import LocalError
from ratchet_py.rfc6455.frame import (
    OP_BINARY,
    OP_CLOSE,
    OP_CONTINUE,
    OP_PING,
    OP_PONG,
    OP_TEXT,
    Frame,
    encode,
    encodeClose,
)


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x82\x00"),
        (125, b"\x82\x7d"),
        (126, b"\x82\x7e\x00\x7e"),
        (65535, b"\x82\x7e\xff\xff"),
        (65536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_the_length_is_in_its_shortest_form(size, head):
    assert encode(b"x" * size, OP_BINARY) == head + b"x" * size
    masked = bytes((head[0], head[1] | 0x80)) + head[2:]
    assert encode(b"x" * size, OP_BINARY, mask=b"\0\0\0\0") == masked + b"\0" * 4 + b"x" * size


@pytest.mark.parametrize(
    ("opcode", "final", "rsv1", "first"),
    [
        (OP_TEXT, True, False, 0x81),
        (OP_TEXT, False, False, 0x01),
        (OP_TEXT, True, True, 0xC1),
        (OP_BINARY, False, True, 0x42),
        (OP_CONTINUE, True, False, 0x80),
        (OP_PONG, True, False, 0x8A),
    ],
)
def test_the_first_byte(opcode, final, rsv1, first):
    assert encode(b"", opcode, final, rsv1)[0] == first


def test_the_examples_of_the_rfc():
    # Section 5.7.
    assert encode(b"Hello", OP_TEXT).hex() == "810548656c6c6f"
    assert encode(b"Hello", OP_TEXT, mask=b"\x37\xfa\x21\x3d").hex() == "818537fa213d7f9f4d5158"
    assert encode(b"Hel", OP_TEXT, final=False).hex() == "010348656c"
    assert encode(b"lo", OP_CONTINUE).hex() == "80026c6f"


def test_ratchets_names():
    frame = Frame(b"hi", final=False)
    assert (frame.getOpcode(), frame.getPayload(), frame.isFinal()) == (1, b"hi", False)
    assert frame.getContents() == b"\x01\x02hi"
    assert (Frame.OP_CLOSE, Frame.OP_PING, Frame.OP_PONG) == (OP_CLOSE, OP_PING, OP_PONG)


@pytest.mark.parametrize(
    ("frame", "code", "reason"),
    [
        (Frame(b"\x03\xe8bye", opcode=OP_CLOSE), 1000, "bye"),
        (Frame(b"", opcode=OP_CLOSE), None, ""),
        (Frame(b"\x03", opcode=OP_CLOSE), None, ""),
        (Frame(b"\x03\xe8\xff", opcode=OP_CLOSE), 1000, "\ufffd"),
        (Frame(b"\x03\xe8bye", opcode=OP_PING), None, ""),
    ],
)
def test_what_a_close_frame_says(frame, code, reason):
    assert (frame.closeCode, frame.reason) == (code, reason)


def test_close_frames():
    assert encodeClose(None) == b"\x88\x00"
    assert encodeClose(1000) == b"\x88\x02\x03\xe8"
    assert encodeClose(4999, "bye") == b"\x88\x05\x13\x87bye"


@pytest.mark.parametrize("code", [-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 70_000])
def test_codes_that_must_not_be_sent(code):
    with pytest.raises(LocalError, match=str(code)):
        encodeClose(code)


def test_a_reason_needs_a_code():
    with pytest.raises(LocalError):
        encodeClose(None, "because")


@given(st.text(min_size=100))
def test_a_reason_is_cut_between_characters(reason):
    wire = encodeClose(1000, reason)
    words = wire[4:]
    assert len(words) <= 123
    assert reason.startswith(words.decode())
    assert wire[1] == len(wire) - 2
    whole = len(reason.encode())
    assert len(words) == whole if whole <= 123 else len(words) >= 120


def test_a_reason_that_utf8_cannot_hold():
    assert encodeClose(1000, "a\ud800b")[4:] == b"a?b"


def test_equality():
    assert Frame(b"a", opcode=OP_PING) == Frame(b"a", opcode=OP_PING)
    assert hash(Frame(b"a", opcode=OP_PING)) == hash(Frame(b"a", opcode=OP_PING))
    assert Frame(b"a", opcode=OP_PING) != Frame(b"a", opcode=OP_PONG)
    assert Frame(b"a", opcode=OP_PING) != b"a"


@pytest.mark.parametrize(
    ("frame", "shown"),
    [
        (Frame(opcode=OP_PING), "<Frame PING, 0 bytes>"),
        (Frame(b"\x00\xff", opcode=OP_BINARY), "<Frame BINARY, 2 bytes: 00 ff>"),
        (Frame("grüße".encode(), opcode=OP_TEXT), "<Frame TEXT, 7 bytes: 'grüße'>"),
        (Frame(b"\xff", False, OP_TEXT, True), "<Frame TEXT, not final, rsv1, 1 bytes: '\ufffd'>"),
        (Frame(b"\x03\xe8bye", opcode=OP_CLOSE), "<Frame CLOSE, 5 bytes: 1000 'bye'>"),
        (Frame(b"\x03", opcode=OP_CLOSE), "<Frame CLOSE, 1 bytes>"),
        (Frame(b"", opcode=11), "<Frame opcode 11, 0 bytes>"),
    ],
)
def test_repr(frame, shown):
    assert repr(frame) == shown


@given(st.integers(0, 15), st.binary(), st.booleans(), st.booleans(), st.integers(1, 100_000))
def test_repr_survives_anything_and_stays_short(opcode, payload, final, rsv1, times):
    assert len(repr(Frame(payload * times, final, opcode, rsv1))) < 700
