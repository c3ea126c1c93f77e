import pytest

from ratchet_py.rfc6455.frame import OP_BINARY, OP_TEXT, encode
from ratchet_py.rfc6455.message import Message, PreparedBytes, PreparedMessage


@pytest.mark.parametrize(
    ("payload", "isBinary", "size", "text"),
    [
        ("grüße", False, 7, "grüße"),
        (b"\xff", True, 1, "\ufffd"),
        ("", False, 0, ""),
        (b"", True, 0, ""),
    ],
)
def test_a_message(payload, isBinary, size, text):
    message = Message(payload)
    assert message.payload == message.getPayload() == payload
    assert (message.isBinary, len(message), str(message)) == (isBinary, size, text)
    assert message


def test_messages_are_equal_by_payload_and_kind():
    assert Message("a") == Message("a")
    assert hash(Message("a")) == hash(Message("a"))
    assert Message("a") != Message("b")
    assert Message("a") != Message(b"a")
    assert Message("a") != "a"


def test_repr_is_short():
    assert repr(Message("hi")) == "Message('hi')"
    assert len(repr(Message(b"\xff" * 100_000))) < 300


def test_a_prepared_message_is_a_string_with_its_frame():
    message = PreparedMessage("grüße")
    assert message == "grüße"
    assert isinstance(message, str)
    assert message.frame == encode("grüße".encode(), OP_TEXT)
    assert type(message + "!") is str


def test_a_prepared_message_takes_the_encoding_that_is_there():
    assert PreparedMessage("a", b"b").frame == b"\x81\x01b"


def test_prepared_bytes():
    message = PreparedBytes(b"\x00\xff")
    assert message == b"\x00\xff"
    assert message.frame == encode(b"\x00\xff", OP_BINARY)
    assert type(message + b"!") is bytes


@pytest.mark.parametrize("message", [PreparedMessage("a"), PreparedBytes(b"a")])
def test_what_is_kept_for_compressing_connections(message):
    message.compressed[15] = b"frame"
    assert message.compressed == {15: b"frame"}
