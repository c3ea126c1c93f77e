"""Messages become frames, once for all who are sent the same."""

from __future__ import annotations

import pytest

from ratchet_py.rfc6455 import Message, PreparedMessage
from ratchet_py.rfc6455.message import PreparedBytes
from ratchet_py.websocket.framer import REMEMBERED, Framer


class Text(str):
    """What an application may make of a ``str``."""


@pytest.mark.parametrize(
    ("msg", "frame"),
    [
        ("", b"\x81\x00"),
        ("h\xe9", b"\x81\x03h\xc3\xa9"),
        (b"\xff", b"\x82\x01\xff"),
        (bytearray(b"\xff"), b"\x82\x01\xff"),
        (memoryview(b"\xff"), b"\x82\x01\xff"),
        (Message("x"), b"\x81\x01x"),
        (Message(b"x"), b"\x82\x01x"),
        (PreparedMessage("x"), b"\x81\x01x"),
        (PreparedBytes(b"x"), b"\x82\x01x"),
        (Text("x"), b"\x81\x01x"),
        ("x" * 126, b"\x81\x7e\x00\x7e" + b"x" * 126),
    ],
)
def test_frames(msg, frame):
    framer = Framer()
    assert framer.encode(msg) == frame
    assert framer.prepare(msg).frame == frame
    assert framer.encode(msg) == frame


@pytest.mark.parametrize("msg", [None, 1, ["x"], {"x": 1}, object()])
def test_what_is_no_message(msg):
    with pytest.raises(TypeError, match="a message is str, bytes or Message, not"):
        Framer().encode(msg)
    with pytest.raises(TypeError):
        Framer().prepare(msg)


@pytest.mark.parametrize("msg", ["hello", b"hello"])
def test_the_last_one_is_remembered_with_its_frame(msg):
    framer = Framer()
    frame = framer.encode(msg)
    assert framer.last is msg
    assert framer.frame is frame
    prepared = framer.prepare(msg)
    assert framer.prepare(msg) is prepared  # and so its compressed frames are made once
    assert framer.last is msg


def test_another_message_takes_its_place():
    framer = Framer()
    first = "first"
    prepared = framer.prepare(first)
    framer.encode("second")
    assert framer.prepare(first) is not prepared


def test_what_may_change_or_is_large_is_not_remembered():
    framer = Framer()
    for msg in (bytearray(b"x"), Text("x"), PreparedMessage("x"), "x" * (REMEMBERED + 1)):
        framer.encode(msg)
        framer.prepare(msg)
        assert framer.last is None
    changing = bytearray(b"x")
    framer.encode(changing)
    changing[0] = ord("y")
    assert framer.encode(changing) == b"\x82\x01y"


def test_a_prepared_message_is_not_prepared_again():
    prepared = PreparedMessage("x")
    assert Framer().prepare(prepared) is prepared
