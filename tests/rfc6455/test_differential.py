"""The same bytes to our codec and to wsproto: the same messages and the same verdict.

Where the two differ, on purpose or because of a fault of wsproto's, and why:

- *Limits.* wsproto has none; where we say 1009, its records must begin with ours.
- *Close code 1014* is registered with IANA after wsproto took its list, which
  refuses it; see ``test_close_codes``.
- *How early.* We judge a frame by its head, wsproto some rules only when its payload comes in. So
  wsproto gets zero bytes after the end of each wire, enough to complete any frame within limits.
- *Surrogates.* CPython's incremental decoder, on which wsproto rests, takes two bytes of a
  surrogate for the beginning of a character; we refuse them. See ``test_surrogates``.
- *A control frame inside a compressed message* makes wsproto forget that it is compressed. See
  ``test_a_ping_inside_a_compressed_message``; the generated wires do not have it.
- *After the final block of a deflate stream* wsproto ignores what follows; we refuse it unless it
  is the padding of RFC 7692 section 7.2.3.4. Only compressor output is generated here.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol, Opcode, ParseFailed

from ratchet_py.errors import ProtocolError
from ratchet_py.limits import Limits
from ratchet_py.rfc6455.close_code import CloseCode, isSendable
from ratchet_py.rfc6455.frame import OP_BINARY, OP_CLOSE, OP_PING, OP_PONG, OP_TEXT, Frame, encode
from ratchet_py.rfc6455.message_buffer import MessageBuffer
from ratchet_py.rfc6455.permessage_deflate import PerMessageDeflateOptions, compressOnce

KEY = b"\x00\x81\x7f\xff"
LIMITS = Limits(messageSize=1000, frameSize=1000)
PADDING = bytes(2000)


def ours(wire, compressed=False):
    extension = PerMessageDeflateOptions().accept([])[1] if compressed else None
    records = MessageBuffer(LIMITS, extension=extension).receive(wire)
    if records and isinstance(records[-1], ProtocolError):
        return records[:-1], int(records[-1].closeCode)
    return records, None


def theirs(wire, compressed=False):
    extensions = []
    if compressed:
        extensions.append(PerMessageDeflate())
        extensions[0].accept("permessage-deflate; client_no_context_takeover")
    protocol = FrameProtocol(client=False, extensions=extensions)
    records = []
    payload = None
    verdict = None
    protocol.receive_bytes(wire)
    try:
        for frame in protocol.received_frames():
            if frame.opcode is Opcode.CLOSE:
                code, reason = frame.payload
                words = b"" if code == 1005 else code.to_bytes(2) + (reason or "").encode()
                records.append(Frame(words, opcode=OP_CLOSE))
            elif frame.opcode.iscontrol():
                records.append(Frame(bytes(frame.payload), opcode=int(frame.opcode)))
            else:
                payload = frame.payload if payload is None else payload + frame.payload
                if frame.message_finished:
                    records.append(payload if isinstance(payload, str) else bytes(payload))
                    payload = None
    except ParseFailed as error:
        verdict = int(error.code)
    return records, verdict


def judgeAlike(wire, compressed=False):
    records, verdict = ours(wire, compressed)
    theirRecords, theirVerdict = theirs(wire, compressed)
    if verdict == CloseCode.TOO_BIG:
        assert theirRecords[: len(records)] == records
        return
    assert theirRecords == records
    if verdict is not None and theirVerdict is None:
        theirRecords, theirVerdict = theirs(wire + PADDING, compressed)
        assert theirRecords == records
    assert theirVerdict == verdict


TEXTS = st.sampled_from([b"", b"hello", "grüße, \u20ac \U0001f600".encode(), b"x" * 130]) | st.text(
    max_size=60
).map(str.encode)
BAD_TEXTS = st.sampled_from([b"\xff", b"ok\xc0\xaf", b"\xf5\x80", b"\xe2\x28", b"\xc3"])
CODES = st.integers(0, 5100) | st.sampled_from([1000, 1001, 1006, 1011, 3000, 4999])
OPCODES = st.sampled_from([0, 0, 0, 1, 1, 2, 8, 9, 10, 3, 11])
MASKED = st.sampled_from([KEY] * 9 + [None])
FRAMES = st.one_of(
    st.builds(lambda t: encode(t, OP_TEXT, mask=KEY), TEXTS),
    st.builds(lambda t: encode(t, OP_TEXT, final=False, mask=KEY), TEXTS),
    st.builds(lambda t, final: encode(t, 0, final, mask=KEY), TEXTS, st.booleans()),
    st.builds(lambda b: encode(b, OP_BINARY, mask=KEY), st.binary(max_size=200)),
    st.builds(
        lambda op, b: encode(b, op, mask=KEY),
        st.sampled_from([OP_PING, OP_PONG]),
        st.binary(max_size=125),
    ),
    st.builds(lambda t, final: encode(t, OP_TEXT, final, mask=KEY), BAD_TEXTS, st.booleans()),
    st.builds(
        lambda code, t: encode(code.to_bytes(2) + t, OP_CLOSE, mask=KEY),
        CODES.filter(lambda code: code != 1014),
        TEXTS | BAD_TEXTS,
    ),
    st.builds(
        lambda op, t, final, rsv1, mask: encode(t, op, final, rsv1, mask),
        OPCODES,
        TEXTS,
        st.booleans(),
        st.sampled_from([False] * 5 + [True]),
        MASKED,
    ),
    # Lengths in each of their forms, also where a shorter one would do, and beyond the limits.
    st.builds(
        lambda first, length, form: (
            bytes((first, 0x80 | (126 if form == 2 else 127)))
            + (length % 256**form).to_bytes(form)
            + KEY
        ),
        st.sampled_from([0x82, 0x81, 0x89]),
        st.sampled_from([0, 1, 125, 126, 999, 1001, 65535, 65536, 1 << 62, 1 << 63, (1 << 64) - 1]),
        st.sampled_from([2, 8]),
    ),
)


@given(st.lists(FRAMES, max_size=8).map(b"".join), st.integers(0, 40))
def test_the_same_messages_and_the_same_verdict(wire, cut):
    judgeAlike(wire)
    judgeAlike(wire[: max(len(wire) - cut, 0)])


@given(st.binary(max_size=40))
def test_any_bytes(wire):
    judgeAlike(wire)


def compressedFrames(payload, opcode, cut, final):
    data = compressOnce(payload, 15)
    return encode(data[:cut], opcode, False, True, KEY) + encode(data[cut:], 0, final, mask=KEY)


COMPRESSED = st.one_of(
    st.builds(
        lambda b: encode(compressOnce(b, 15), OP_BINARY, rsv1=True, mask=KEY),
        st.binary(max_size=900),
    ),
    st.builds(
        lambda t: encode(compressOnce(t, 15), OP_TEXT, rsv1=True, mask=KEY), TEXTS | BAD_TEXTS
    ),
    st.builds(
        compressedFrames,
        TEXTS | BAD_TEXTS,
        st.sampled_from([OP_TEXT, OP_BINARY]),
        st.integers(0, 30),
        st.just(True),
    ),
    st.builds(lambda t: encode(t, OP_TEXT, mask=KEY), TEXTS),
    st.builds(lambda t: encode(t, OP_PING, rsv1=True, mask=KEY), st.just(b"")),
    st.builds(lambda t: encode(t, OP_PING, mask=KEY), st.binary(max_size=20)),
    st.builds(lambda t: encode(t, 0, rsv1=True, mask=KEY), TEXTS),
    st.just(encode(b"\xff\xff\xff", OP_BINARY, rsv1=True, mask=KEY)),
)


@given(st.lists(COMPRESSED, max_size=8).map(b"".join))
def test_compressed_messages(wire):
    judgeAlike(wire, compressed=True)


def test_close_codes():
    differ = []
    for code in range(5100):
        wire = encode(code.to_bytes(2), OP_CLOSE, mask=KEY)
        assert (ours(wire)[1] is None) == isSendable(code)
        if ours(wire) != theirs(wire):
            differ.append(code)
    assert differ == [1014]


@pytest.mark.parametrize("second", [0xA0, 0xBF])
def test_surrogates(second):
    wire = encode(bytes((0xED, second)), OP_TEXT, final=False, mask=KEY)
    assert ours(wire) == ([], 1007)
    assert theirs(wire) == ([], None)
    # With the next byte they agree.
    wire += encode(b"\x80", 0, mask=KEY)
    assert ours(wire) == theirs(wire) == ([], 1007)


def test_a_ping_inside_a_compressed_message():
    data = compressOnce(b"hello, hello", 15)
    wire = (
        encode(data[:3], OP_TEXT, False, True, KEY)
        + encode(b"", OP_PING, mask=KEY)
        + encode(data[3:], 0, mask=KEY)
    )
    assert ours(wire, True) == ([Frame(opcode=OP_PING), "hello, hello"], None)
    assert theirs(wire, True)[0] != ours(wire, True)[0]
