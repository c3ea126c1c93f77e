import gc
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet_py.errors import ProtocolError
from ratchet_py.limits import Limits
from ratchet_py.rfc6455 import message_buffer
from ratchet_py.rfc6455.close_code import isSendable
from ratchet_py.rfc6455.frame import (
    OP_BINARY,
    OP_CLOSE,
    OP_CONTINUE,
    OP_PING,
    OP_PONG,
    OP_TEXT,
    Frame,
    encode,
)
from ratchet_py.rfc6455.masking import applyMask
from ratchet_py.rfc6455.message_buffer import MessageBuffer
from ratchet_py.rfc6455.permessage_deflate import PerMessageDeflateOptions, compressOnce

KEY = b"\x12\x80\xff\x7e"


def frame(payload=b"", opcode=OP_TEXT, final=True, rsv1=False, key=KEY):
    return encode(payload, opcode, final, rsv1, key)


def raw(first, length, payload=b"", key=KEY):
    """A masked frame with a head of our own: ``length`` is what follows the first byte, in hex."""
    return bytes((first,)) + bytes.fromhex(length) + key + applyMask(payload, key)


def close(payload):
    return frame(payload, OP_CLOSE)


def summary(records):
    """Records as values that compare: an error by its code, whatever its words."""
    return [r.closeCode if isinstance(r, ProtocolError) else r for r in records]


def receive(wire, size=None, **kwargs):
    """All records of a wire, read whole or in pieces of a size."""
    buffer = MessageBuffer(**kwargs)
    size = size or max(len(wire), 1)
    records = []
    for i in range(0, len(wire), size):
        records.extend(buffer.receive(wire[i : i + size]))
    return records


def extension(**options):
    return PerMessageDeflateOptions(**options).accept([])[1]


SIZES = pytest.mark.parametrize("size", [None, 1, 2, 3, 7], ids="read in {}".format)

BMP = "\u07ff\u0800\ud7ff\ue000\uffff"
ASTRAL = "\U00010000\U0010ffff"


@SIZES
@pytest.mark.parametrize(
    ("wire", "records"),
    [
        (frame(b"hello"), ["hello"]),
        (frame(), [""]),
        (frame(b"", OP_BINARY), [b""]),
        (frame(b"\xff\x00", OP_BINARY), [b"\xff\x00"]),
        (frame((BMP + ASTRAL).encode()), [BMP + ASTRAL]),
        *((frame(b"x" * n), ["x" * n]) for n in (1, 2, 3, 4, 125, 126, 127, 65535, 65536)),
        *((frame(b"\xfe" * n, OP_BINARY), [b"\xfe" * n]) for n in (5, 125, 126, 65535, 65536)),
        (frame(b"a") + frame(b"b", OP_BINARY) + frame(b"c"), ["a", b"b", "c"]),
        (frame(b"he", final=False) + frame(b"llo", OP_CONTINUE), ["hello"]),
        (
            frame(b"\xff", OP_BINARY, False) + frame(b"\xfe", 0, False) + frame(b"", 0),
            [b"\xff\xfe"],
        ),
        (frame(b"", final=False) + frame(b"", 0, False) + frame(b"", 0), [""]),
        # A character in three frames.
        (frame(b"\xe2", final=False) + frame(b"\x82", 0, False) + frame(b"\xac", 0), ["\u20ac"]),
        # Control frames stand between the frames of a message.
        (
            frame(b"a", final=False) + frame(b"?", OP_PING) + frame(b"b", 0) + frame(b"c"),
            [Frame(b"?", opcode=OP_PING), "ab", "c"],
        ),
        (frame(b"", OP_PING), [Frame(opcode=OP_PING)]),
        (frame(b"x" * 125, OP_PONG), [Frame(b"x" * 125, opcode=OP_PONG)]),
        (frame(b"a", final=False) + close(b""), [Frame(opcode=OP_CLOSE)]),
        # Nothing after a close frame is read, good or bad.
        (
            frame(b"a") + close(b"\x03\xe8") + frame(b"b") + b"\xff\xff",
            ["a", Frame(b"\x03\xe8", opcode=8)],
        ),
        (close(b"\x03\xe8" + b"x" * 123), [Frame(b"\x03\xe8" + b"x" * 123, opcode=OP_CLOSE)]),
        (
            close(b"\x03\xe8" + "grüße".encode()),
            [Frame(b"\x03\xe8" + "grüße".encode(), opcode=OP_CLOSE)],
        ),
        # Incomplete: nothing yet.
        (frame(b"hello")[:-1], []),
        (frame(b"hello")[:1], []),
        (frame(b"hello", OP_PING)[:-1], []),
        (frame(b"hello", final=False), []),
        (b"", []),
    ],
)
def test_good_frames(wire, records, size):
    assert receive(wire, size) == records


@SIZES
@pytest.mark.parametrize(
    ("wire", "closeCode", "reason"),
    [
        (encode(b"hi", OP_TEXT), 1002, "not masked"),
        (encode(b"", OP_PING), 1002, "not masked"),
        (raw(0xC1, "82", b"hi"), 1002, "reserved"),
        (raw(0xA1, "82", b"hi"), 1002, "reserved"),
        (raw(0x91, "82", b"hi"), 1002, "reserved"),
        (raw(0xC9, "82", b"hi"), 1002, "reserved"),
        *((raw(0x80 | op, "80"), 1002, f"unknown opcode {op}") for op in (3, 4, 5, 6, 7)),
        *((raw(0x80 | op, "80"), 1002, f"unknown opcode {op}") for op in range(11, 16)),
        (raw(0x09, "80"), 1002, "fragmented"),
        (raw(0x08, "80"), 1002, "fragmented"),
        (raw(0x89, "fe007e", b"x" * 126), 1002, "more than 125"),
        (raw(0x88, "fe007e", b"x" * 126), 1002, "more than 125"),
        (raw(0x8A, "ff000000000000007e", b"x" * 126), 1002, "more than 125"),
        (frame(b"x", OP_CONTINUE), 1002, "continuation of no message"),
        (frame(b"x", OP_CONTINUE, False), 1002, "continuation of no message"),
        (frame(b"a", final=False) + frame(b"b"), 1002, "within a message"),
        (frame(b"a", final=False) + frame(b"b", OP_BINARY, False), 1002, "within a message"),
        (frame(b"a", final=False) + frame(b"", OP_PING) + frame(b"b"), 1002, "within a message"),
        (
            frame(b"a", final=False) + frame(b"b", 0) + frame(b"c", 0),
            1002,
            "continuation of no message",
        ),
        # Lengths that are not in their shortest form.
        (raw(0x81, "fe0000"), 1002, "shortest"),
        (raw(0x81, "fe007d", b"x" * 125), 1002, "shortest"),
        (raw(0x82, "ff0000000000000000"), 1002, "shortest"),
        (raw(0x82, "ff000000000000007e", b"x" * 126), 1002, "shortest"),
        (raw(0x82, "ff000000000000ffff", b"x" * 65535), 1002, "shortest"),
        # The top bit, which is a broken rule and not a large message.
        (raw(0x82, "ff8000000000000000"), 1002, "top bit"),
        (raw(0x82, "ffffffffffffffffff"), 1002, "top bit"),
        (raw(0x82, "ff7fffffffffffffff"), 1009, "limit"),
        # Close frames.
        (close(b"\x03"), 1002, "one byte"),
        *(
            (close(code.to_bytes(2)), 1002, f"close code {code}")
            for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
        ),
        (close(b"\x03\xe8\xff"), 1007, "reason"),
        (close(b"\x03\xe8\xe2\x82"), 1007, "reason"),
        # Text.
        (frame(b"\xff"), 1007, "UTF-8"),
        (frame(b"x" * 200 + b"\x80"), 1007, "UTF-8"),
        (frame(b"\xc3"), 1007, "UTF-8"),
        (frame(b"\xed\xa0\x80"), 1007, "UTF-8"),
        (frame(b"\xe2", final=False) + frame(b"\x28", 0, False), 1007, "UTF-8"),
        (frame(b"\xe2\x82", final=False) + frame(b"", 0), 1007, "UTF-8"),
    ],
)
def test_bad_frames(wire, closeCode, reason, size):
    wire = frame(b"before") + wire + frame(b"after") * 3
    records = receive(wire, size)
    assert summary(records[:1] + records[-1:]) == ["before", closeCode]
    assert "after" not in records
    # What was read is not kept alive by the error.
    error = records[-1]
    assert error.__traceback__ is error.__context__ is error.__cause__ is None
    assert reason in records[-1].reason


def test_close_codes():
    for code in range(5100):
        (record,) = receive(close(code.to_bytes(2) + b"why"))
        if isSendable(code):
            assert (record.closeCode, record.reason) == (code, "why")
        else:
            assert summary([record]) == [1002]


@SIZES
@pytest.mark.parametrize(
    ("sizes", "limits", "closeCode"),
    [
        ([10], Limits(messageSize=10, frameSize=10), None),
        ([11], Limits(messageSize=10), 1009),
        ([11], Limits(frameSize=10), 1009),
        ([200], Limits(messageSize=200), None),
        ([201], Limits(messageSize=200), 1009),
        ([70_001], Limits(messageSize=70_000), 1009),
        ([5, 5], Limits(messageSize=10, frameSize=5), None),
        ([5, 6], Limits(messageSize=10), 1009),
        ([5, 6], Limits(frameSize=5), 1009),
        ([0] * 10, Limits(fragments=10), None),
        ([0] * 11, Limits(fragments=10), 1009),
        ([1, 1], Limits(fragments=1), 1009),
        ([], Limits(messageSize=0), None),
    ],
)
def test_limits(sizes, limits, closeCode, size):
    last = len(sizes) - 1
    wire = b"".join(
        frame(b"x" * n, OP_CONTINUE if i else OP_TEXT, i == last) for i, n in enumerate(sizes)
    )
    expected = ["x" * sum(sizes)] if closeCode is None and sizes else [closeCode]
    assert summary(receive(wire, size, limits=limits)) == (expected if sizes else [])


@pytest.mark.parametrize(
    "head", ["828b", "82fe00c8", "82ff0000000000011170", "82ff4000000000000000"]
)
def test_a_limit_is_passed_by_what_is_announced(head):
    # Not even the key has come in.
    assert summary(MessageBuffer(Limits(messageSize=10)).receive(bytes.fromhex(head))) == [1009]


@pytest.mark.parametrize(
    "bad",
    [
        b"\x80",
        b"\xbf",
        b"\xc0",
        b"\xc1",
        b"\xf5",
        b"\xff",
        b"\xc2\x00",
        b"\xe0\x9f",
        b"\xed\xa0",
        b"\xe2\x82\x28",
        b"\xf0\x8f",
        b"\xf4\x90",
        b"\xf0\x90\x80\x7f",
    ],
)
@pytest.mark.parametrize("before", ["", "good", "grüße \U0001f600" * 40])
@pytest.mark.parametrize("fragmented", [False, True])
def test_text_fails_at_its_first_bad_byte(bad, before, fragmented):
    good = before.encode() + bad[:-1]
    wire = frame(good + bad[-1:] + b"x" * 70_000, final=not fragmented)
    head = 14
    buffer = MessageBuffer()
    assert buffer.receive(wire[: head + len(good)]) == []
    assert summary(buffer.receive(wire[head + len(good) :][:1])) == [1007]


def test_each_pair_of_bytes_is_judged_as_early_as_it_can_be():
    # For every beginning of two bytes: it is refused at once, or something completes it.
    tails = [b"", b"\x80", b"\x80\x80", b"\xbf\xbf"]

    def completes(start):
        for tail in tails:
            try:
                (start + tail).decode()
            except UnicodeDecodeError:
                continue
            return True
        return False

    for first in range(0x80, 0x100):
        for second in range(0x100):
            start = bytes((first, second))
            wire = frame(start + b"x" * 10)[: 6 + 2]
            assert (receive(wire) == []) == completes(start), start


def test_nothing_is_read_after_an_error():
    buffer = MessageBuffer()
    assert summary(buffer.receive(b"\xff\xff")) == [1002]
    assert buffer.receive(frame(b"hello")) == []
    assert buffer.receive(b"\xff\xff") == []


@pytest.mark.parametrize("last", [b"\xff\xff", frame(b"", OP_CLOSE)])
def test_what_was_begun_is_let_go_at_the_end(last):
    buffer = MessageBuffer(extension=extension())
    buffer.receive(frame(b"x" * 1000, final=False))
    buffer.receive(last)
    assert buffer._partial is buffer._extension is None


def test_nothing_is_read_after_a_close_frame():
    buffer = MessageBuffer()
    buffer.receive(close(b""))
    assert buffer.receive(frame(b"hello")) == []
    assert buffer.receive(b"\xff") == []


def test_a_client_wants_frames_without_mask():
    wire = encode(b"hi", OP_TEXT) + encode(b"x" * 70_000, OP_BINARY) + encode(b"", OP_PING)
    for size in (None, 1, 1000):
        assert receive(wire, size, masked=False) == ["hi", b"x" * 70_000, Frame(opcode=OP_PING)]
    assert summary(receive(frame(b"hi"), masked=False)) == [1002]


def test_what_was_read_is_not_changed():
    wire = frame(b"x" * 1000)
    head, tail = wire[:100], wire[100:]
    copies = bytearray(head), bytearray(tail)
    buffer = MessageBuffer()
    assert buffer.receive(head) + buffer.receive(tail) == ["x" * 1000]
    assert (head, tail) == copies


class TestCompression:
    TEXT = "grüße, " * 100

    @SIZES
    def test_messages(self, size):
        data = compressOnce(self.TEXT.encode(), 15)
        wire = (
            frame(data, rsv1=True)
            + frame(b"plain")
            + frame(data[:5], rsv1=True, final=False)
            + frame(b"?", OP_PING)
            + frame(b"", OP_CONTINUE, False)
            + frame(data[5:], OP_CONTINUE)
            + frame(compressOnce(b"\xff" * 500, 15), OP_BINARY, rsv1=True)
            + frame(b"\x00", rsv1=True)
        )
        expected = [self.TEXT, "plain", Frame(b"?", opcode=OP_PING), self.TEXT, b"\xff" * 500, ""]
        assert receive(wire, size, extension=extension()) == expected

    @SIZES
    @pytest.mark.parametrize(
        ("wire", "closeCode"),
        [
            (frame(b"\x00", OP_TEXT, False, True) + frame(b"", 0, rsv1=True), 1002),
            (frame(b"", OP_PING, rsv1=True), 1002),
            (frame(b"", OP_CLOSE, rsv1=True), 1002),
            (raw(0xE1, "80"), 1002),
            (frame(b"\xff" * 20, rsv1=True), 1007),
            (frame(compressOnce(b"a\xffb", 15), rsv1=True), 1007),
            (frame(compressOnce(b"a\xc3", 15), rsv1=True), 1007),
            (frame(compressOnce(b"a\xc3", 15), rsv1=True, final=False) + frame(b"", 0), 1007),
        ],
    )
    def test_faults(self, wire, closeCode, size):
        records = receive(wire + frame(b"after"), size, extension=extension())
        assert summary(records) == [closeCode]

    def test_text_fails_at_its_first_bad_byte(self):
        buffer = MessageBuffer(extension=extension())
        bad = compressOnce(b"a\xff", 15)
        assert summary(buffer.receive(frame(bad + b"\x00" * 100, rsv1=True)[:-90])) == [1007]

    @SIZES
    @pytest.mark.parametrize(
        ("length", "limits", "closeCode"),
        [
            (1000, Limits(messageSize=1000), None),
            (1001, Limits(messageSize=1000), 1009),
            (1000, Limits(frameSize=1000), None),
            (1001, Limits(frameSize=1000), 1009),
            (30_000_000, Limits(messageSize=1_000_000), 1009),
        ],
    )
    def test_the_inflated_size_is_limited(self, length, limits, closeCode, size):
        wire = frame(compressOnce(b"x" * length, 15), rsv1=True)
        records = receive(wire, size, limits=limits, extension=extension())
        assert summary(records) == ["x" * length if closeCode is None else closeCode]

    def test_a_frame_is_limited_by_itself(self):
        data = compressOnce(b"x" * 2000, 15)
        flushed = data + b"\x00\x00\xff\xff"
        limits = Limits(frameSize=2000)
        wire = frame(flushed, final=False, rsv1=True) + frame(data, OP_CONTINUE)
        assert receive(wire, limits=limits, extension=extension()) == ["x" * 4000]

    def test_bad_text_before_the_limit_is_bad_text(self):
        wire = frame(compressOnce(b"\xff" + b"x" * 5000, 15), rsv1=True)
        for size in (None, 1):
            records = receive(wire, size, limits=Limits(messageSize=100), extension=extension())
            assert summary(records) == [1007]

    def test_a_bomb_takes_no_more_than_the_limit(self):
        wire = frame(compressOnce(bytes(300_000_000), 15), OP_BINARY, rsv1=True)
        buffer = MessageBuffer(Limits(messageSize=1_000_000), extension=extension())
        tracemalloc.start()
        assert summary(buffer.receive(wire)) == [1009]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4_000_000


# Bytes that a client might send: good frames, bad frames, pieces of frames.
KEYS = st.binary(min_size=4, max_size=4)
GOOD_FRAMES = st.one_of(
    st.builds(lambda t, k: frame(t.encode(), key=k), st.text(max_size=150), KEYS),
    st.builds(lambda b, k: frame(b, OP_BINARY, key=k), st.binary(max_size=150), KEYS),
    st.builds(
        lambda b, op, k: frame(b, op, key=k),
        st.binary(max_size=125),
        st.sampled_from([OP_PING, OP_PONG]),
        KEYS,
    ),
)
ANY_FRAMES = st.builds(
    lambda b, op, final, rsv1, key: encode(b, op, final, rsv1, key),
    st.binary(max_size=140) | st.text(max_size=50).map(str.encode),
    st.sampled_from([0, 0, 1, 2, 8, 9, 10, 3]),
    st.booleans(),
    st.sampled_from([False, False, False, True]),
    st.sampled_from([KEY, KEY, KEY, None]),
)
COMPRESSED = st.builds(
    lambda b, op, final: frame(compressOnce(b, 15), op, final, True),
    st.binary(max_size=300) | st.text(max_size=50).map(str.encode),
    st.sampled_from([OP_TEXT, OP_BINARY]),
    st.booleans(),
)
BYTES = st.lists(GOOD_FRAMES | ANY_FRAMES | COMPRESSED | st.binary(max_size=20), max_size=8).map(
    b"".join
)
SMALL = Limits(messageSize=250, frameSize=200, fragments=3)


def makeBuffer(compressed, takeover, limits):
    return MessageBuffer(
        limits, extension=extension(clientNoContextTakeover=not takeover) if compressed else None
    )


@given(
    BYTES,
    st.lists(st.integers(0, 60), max_size=20),
    st.booleans(),
    st.booleans(),
    st.sampled_from([SMALL, Limits()]),
)
def test_any_split_gives_the_same_records(wire, cuts, compressed, takeover, limits):
    whole = makeBuffer(compressed, takeover, limits).receive(wire)
    buffer = makeBuffer(compressed, takeover, limits)
    records = []
    for cut in cuts:
        records += buffer.receive(wire[:cut])
        wire = wire[cut:]
    records += buffer.receive(wire)
    assert summary(records) == summary(whole)


@given(BYTES, st.booleans(), st.sampled_from([SMALL, Limits()]))
def test_any_bytes_give_records_and_at_most_one_error_at_the_end(wire, compressed, limits):
    buffer = makeBuffer(compressed, False, limits)
    records = buffer.receive(wire)
    for record in records[:-1]:
        assert isinstance(record, (str, bytes, Frame))
        assert not isinstance(record, Frame) or record.opcode != OP_CLOSE
    last = records[-1] if records else None
    if isinstance(last, ProtocolError):
        assert last.closeCode in (1002, 1007, 1009)
        assert last.reason
        assert last.__traceback__ is last.__context__ is last.__cause__ is None
    if isinstance(last, ProtocolError) or (isinstance(last, Frame) and last.opcode == OP_CLOSE):
        assert buffer.receive(wire) == []
    for record in records:
        if not isinstance(record, (Frame, ProtocolError)):
            assert len(record) <= limits.messageSize


MESSAGES = st.lists(
    st.text(max_size=400)
    | st.binary(max_size=400)
    | st.builds(Frame, st.binary(max_size=125), opcode=st.sampled_from([OP_PING, OP_PONG])),
    max_size=8,
)


@given(MESSAGES, st.data(), st.booleans(), st.booleans())
def test_what_is_encoded_is_received(messages, data, compressed, takeover):
    options = {"serverNoContextTakeover": not takeover, "clientNoContextTakeover": not takeover}
    sender = extension(**options) if compressed else None
    wire = b""
    for message in messages:
        key = data.draw(KEYS)
        if isinstance(message, Frame):
            wire += encode(message.payload, message.opcode, mask=key)
            continue
        opcode = OP_TEXT if isinstance(message, str) else OP_BINARY
        payload = message.encode() if isinstance(message, str) else message
        rsv1 = sender is not None and data.draw(st.booleans())
        if rsv1:
            payload = sender.compress(payload)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(payload)), max_size=3)))
        for begin, end in zip([0, *cuts], [*cuts, None], strict=True):
            wire += encode(payload[begin:end], opcode, end is None, rsv1, key)
            opcode, rsv1 = OP_CONTINUE, False
    receiver = extension(**options) if compressed else None
    assert MessageBuffer(extension=receiver).receive(wire) == messages


class TestCost:
    """What a hostile or a large message costs, counted and not timed."""

    READ = 64 * 1024

    @pytest.mark.parametrize("opcode", [OP_TEXT, OP_BINARY])
    @pytest.mark.parametrize("frames", [1, 64])
    def test_a_large_message_is_held_about_twice(self, opcode, frames):
        total = 8 * 1024 * 1024
        piece = b"x" * (total // frames)
        wires = [frame(piece, OP_CONTINUE if i else opcode, i == frames - 1) for i in range(frames)]
        reads = [w[i : i + self.READ] for w in wires for i in range(0, len(w), self.READ)]
        del wires, piece
        buffer = MessageBuffer()
        gc.collect()
        tracemalloc.start()
        records = [record for read in reads for record in buffer.receive(read)]
        held, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(records[0]) == total
        assert peak < 2.3 * total
        assert held < 1.1 * total

    def test_what_arrives_byte_by_byte_is_held_as_bytes(self):
        wire = frame(b"x" * 60_000, OP_BINARY)
        buffer = MessageBuffer()
        gc.collect()
        tracemalloc.start()
        for i in range(50_000):
            buffer.receive(wire[i : i + 1])
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert held < 70_000

    @pytest.mark.parametrize("opcode", [OP_TEXT, OP_BINARY])
    def test_each_byte_is_unmasked_and_checked_once(self, monkeypatch, opcode):
        unmasked = []
        checked = []
        monkeypatch.setattr(
            message_buffer,
            "applyMask",
            lambda data, mask, f=message_buffer.applyMask: (
                unmasked.append(len(data)) or f(data, mask)
            ),
        )
        monkeypatch.setattr(
            message_buffer,
            "utf_8_decode",
            lambda data, *args, f=message_buffer.utf_8_decode: (
                checked.append(len(data)) or f(data, *args)
            ),
        )
        payload = "grüße".encode() * 50_000
        wire = frame(payload, opcode)
        receive(wire, 1000)
        assert sum(unmasked) == len(payload)
        # A character that is cut by the end of a read is looked at again.
        reads = len(wire) // 1000 + 1
        assert sum(checked) <= (len(payload) + 3 * reads if opcode == OP_TEXT else 0)

    def test_a_read_of_many_frames_is_not_copied_for_each(self):
        wire = frame(b"x" * 200, OP_BINARY) * 300
        buffer = MessageBuffer()
        gc.collect()
        tracemalloc.start()
        records = buffer.receive(wire)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(records) == 300
        assert peak < 2 * len(wire)

    def test_empty_fragments_are_counted_and_not_kept(self):
        start, more = frame(b"", final=False), frame(b"", OP_CONTINUE, False) * 1000
        buffer = MessageBuffer(Limits(fragments=10_000))
        assert buffer.receive(start) == []
        gc.collect()
        tracemalloc.start()
        for _ in range(9):
            assert buffer.receive(more) == []
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert held < 2000
        assert summary(buffer.receive(more)) == [1009]

    def test_200000_empty_fragments(self):
        more = frame(b"", OP_CONTINUE, False) * 10_000
        assert summary(receive(frame(b"", final=False) + more * 20, self.READ)) == [1009]

    def test_an_idle_buffer_is_small(self):
        buffer = MessageBuffer()
        buffer.receive(frame(b"x" * 1000, final=False) + frame(b"", OP_CONTINUE) + frame(b"y"))
        assert sys.getsizeof(buffer) <= 150
        assert not any(
            isinstance(getattr(buffer, name), (list, dict, bytearray)) for name in buffer.__slots__
        )
        assert buffer._partial is None
        assert buffer._rest == b""
