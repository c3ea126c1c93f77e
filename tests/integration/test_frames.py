"""The frames table: every row on a raw socket, against an App."""

from __future__ import annotations

import zlib

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from ratchet_py.limits import Limits
from ratchet_py.websocket import MessageComponentInterface
from tests.integration.conftest import Echo, Recording
from tests.integration.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MASK,
    PING,
    PONG,
    TEXT,
    close,
    frame,
    request,
    text,
)

SMALL = Limits(messageSize=1000, frameSize=600, fragments=5)


def started(*more):
    """A message whose first frame is in, and then something else."""
    return frame(TEXT, b"begin", fin=False) + b"".join(more)


BROKEN = {
    "unmasked": frame(TEXT, b"a", mask=None),
    "unmasked control": frame(PING, b"a", mask=None),
    "reserved bit 1 without compression": frame(TEXT, b"a", rsv=4),
    "reserved bit 2": frame(TEXT, b"a", rsv=2),
    "reserved bit 3": frame(BINARY, b"a", rsv=1),
    "reserved bit of a control frame": frame(PING, b"a", rsv=4),
    **{f"opcode {opcode}": frame(opcode, b"a") for opcode in (3, 7, 11, 15)},
    "long control frame": frame(PING, bytes(126)),
    "long close frame": frame(CLOSE, b"\x03\xe8" + b"a" * 124),
    "control frame of a 64 bit length": frame(PONG, b"", form=64),
    "fragmented ping": frame(PING, b"a", fin=False),
    "fragmented close": frame(CLOSE, b"\x03\xe8", fin=False),
    "stray continuation": frame(CONTINUATION, b"a"),
    "stray continuation, not final": frame(CONTINUATION, b"a", fin=False),
    "missing continuation": started(text("another")),
    "missing continuation, binary": started(frame(BINARY, b"another", fin=False)),
    "16 bits for a short length": frame(TEXT, b"a" * 125, form=16),
    "64 bits for a short length": frame(TEXT, b"a" * 125, form=64),
    "64 bits for a length of 16": frame(TEXT, b"a" * 65535, form=64),
    "64 bit length with its top bit set": frame(TEXT, b"", announce=1 << 63, form=64),
    "64 bit length of ones": frame(TEXT, b"", announce=(1 << 64) - 1, form=64),
    "close frame of one byte": frame(CLOSE, b"\x03"),
    **{
        f"close code {code}": close(code)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535)
    },
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest_twisted.ensureDeferred
async def test_a_broken_frame_is_answered_with_1002(serve, echo, broken):
    served = await serve(echo)
    client = await served.open(Sec_WebSocket_Extensions=None)
    client.send(text("before") + broken + text("after"))
    assert await client.next() == "before"
    assert await client.closing(1002)
    await echo.until("close")
    assert echo.events == ["open", ("message", "before"), "close"]


NOT_UTF8 = {
    "a byte that never occurs": frame(TEXT, b"ok \xff"),
    "overlong": frame(TEXT, b"\xc0\xaf"),
    "surrogate": frame(TEXT, b"\xed\xa0\x80"),
    "beyond Unicode": frame(TEXT, b"\xf4\x90\x80\x80"),
    "cut off at the end": frame(TEXT, "ü".encode()[:1]),
    "cut off at the end of the last fragment": started(frame(CONTINUATION, b"\xe2\x82")),
    "in the reason of a close": close(1000, b"\xff"),
    # All these are not at their end yet.
    "in a fragment": frame(TEXT, b"ok \xff", fin=False),
    "across fragments": frame(TEXT, b"\xe2", fin=False) + frame(CONTINUATION, b"\x28", fin=False),
    "in a part of a frame": frame(TEXT, b"ok \xff", announce=100),
    "in a part of a large frame": frame(TEXT, b"ok \xff", announce=70000, form=64),
    "a surrogate's second byte": frame(TEXT, b"\xed\xa0", announce=50),
}


@pytest.mark.parametrize("broken", NOT_UTF8.values(), ids=NOT_UTF8)
@pytest_twisted.ensureDeferred
async def test_text_that_is_not_utf8_is_answered_with_1007(serve, echo, broken):
    served = await serve(echo)
    client = await served.open()
    client.send(broken)
    assert await client.closing(1007)
    await echo.until("close")
    assert echo.events == ["open", "close"]


@pytest_twisted.ensureDeferred
async def test_binary_need_not_be_utf8_and_text_may_be_cut_anywhere(serve, echo):
    served = await serve(echo)
    client = await served.open()
    client.send(frame(BINARY, b"\xff\xed\xa0"))
    assert await client.next() == b"\xff\xed\xa0"
    message = "aü€𝄞"
    pieces = [bytes([byte]) for byte in message.encode()]
    client.send(frame(TEXT, b"", fin=False))
    for piece in pieces:
        client.send(frame(CONTINUATION, piece, fin=False))
    client.send(frame(CONTINUATION, b""))
    assert await client.next() == message


TOO_BIG = {
    "frame": frame(BINARY, b"", announce=601, form=16),
    "frame of 64 bits": frame(BINARY, b"", announce=(1 << 63) - 1, form=64),
    "message": frame(BINARY, bytes(600), fin=False) + frame(CONTINUATION, announce=401, form=16),
    "fragments": frame(BINARY, b"", fin=False) + frame(CONTINUATION, b"", fin=False) * 5,
    "text": frame(TEXT, b"", announce=601, form=16),
}


@pytest.mark.parametrize("big", TOO_BIG.values(), ids=TOO_BIG)
@pytest_twisted.ensureDeferred
async def test_what_is_over_its_limit_is_answered_with_1009_before_its_payload(serve, echo, big):
    served = await serve(echo, limits=SMALL)
    client = await served.open()
    client.send(big)
    assert await client.closing(1009)
    await echo.until("close")
    assert echo.events == ["open", "close"]


@pytest_twisted.ensureDeferred
async def test_what_is_just_at_its_limit_passes(serve, echo):
    served = await serve(echo, limits=SMALL)
    client = await served.open()
    client.send(frame(BINARY, bytes(600)))
    assert await client.next() == bytes(600)
    client.send(frame(BINARY, bytes(600), fin=False), frame(CONTINUATION, bytes(400)))
    assert await client.next() == bytes(1000)
    client.send(frame(BINARY, b"a", fin=False), frame(CONTINUATION, b"a", fin=False) * 3)
    client.send(frame(CONTINUATION, b"a"))
    assert await client.next() == b"aaaaa"


CLOSES = {
    "empty": (b"", b""),
    **{
        str(code): (code.to_bytes(2, "big"), code.to_bytes(2, "big"))
        for code in (1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999)
    },
    "with a reason": (b"\x03\xe8" + "grüße".encode(), b"\x03\xe8"),
    "of 125 bytes": (b"\x03\xe8" + b"a" * 123, b"\x03\xe8"),
}


@pytest.mark.parametrize(("sent", "answer"), CLOSES.values(), ids=CLOSES)
@pytest_twisted.ensureDeferred
async def test_a_close_is_answered_with_its_code(serve, echo, sent, answer):
    served = await serve(echo)
    client = await served.open()
    client.send(frame(CLOSE, sent) + text("too late"))
    assert await client.frame() == (CLOSE, answer, True, 0)
    await client.end()
    await echo.until("close")
    assert echo.events == ["open", "close"]


@pytest_twisted.ensureDeferred
async def test_a_close_inside_a_fragmented_message_is_answered_like_any(serve, echo):
    served = await serve(echo)
    client = await served.open()
    client.send(started(close(4001)))
    assert await client.frame() == (CLOSE, (4001).to_bytes(2, "big"), True, 0)
    await client.end()


@pytest.mark.parametrize(
    "payload", [b"", b"\x00\xff hi", b"a" * 125], ids=["empty", "a few", "125"]
)
@pytest_twisted.ensureDeferred
async def test_a_ping_is_answered_with_its_payload(serve, echo, payload):
    served = await serve(echo)
    client = await served.open()
    client.send(frame(PING, payload))
    assert await client.frame() == (PONG, payload, True, 0)
    client.send(started(frame(PING, payload), frame(CONTINUATION, b" end")))
    assert await client.frame() == (PONG, payload, True, 0)
    assert await client.next() == "begin end"


@pytest_twisted.ensureDeferred
async def test_a_pong_is_nothing(serve, echo):
    served = await serve(echo)
    client = await served.open()
    client.send(frame(PONG, b"unasked") + text("a"))
    assert await client.next() == "a"


class Closer(Echo):
    """Closes at the first message, in one of several ways, and then sends."""

    how = ()

    def onMessage(self, conn, msg):
        self.note("message", msg)
        conn.close(*self.how)
        conn.send("after the close")
        conn.close(4444, "a second close")


@pytest.mark.parametrize(
    ("how", "code", "reason"),
    [((), 1000, ""), ((4000, "grüße"), 4000, "grüße"), ((None,), None, ""), ((1001,), 1001, "")],
    ids=["plain", "code and reason", "no code", "code"],
)
@pytest_twisted.ensureDeferred
async def test_a_close_by_the_application(serve, how, code, reason):
    closer = Closer()
    closer.how = how
    served = await serve(closer)
    client = await served.open()
    client.send(text("a") + text("b"))
    received = await client.frame()
    assert received.opcode == CLOSE
    wanted = b"" if code is None else code.to_bytes(2, "big") + reason.encode()
    assert received.payload == wanted
    # It waits for ours: what comes before that is not delivered, and not answered.
    client.send(text("c") + frame(PING, b"d"))
    assert closer.events == ["open", ("message", "a")]
    client.send(close(code))
    await client.end()
    await closer.until("close")
    assert closer.events == ["open", ("message", "a"), "close"]


@pytest_twisted.ensureDeferred
async def test_a_client_that_does_not_answer_a_close_is_dropped(serve):
    served = await serve(Closer(), limits=Limits(closeTimeout=0.05))
    client = await served.open()
    client.send(text("a"))
    assert (await client.frame()).opcode == CLOSE
    await client.end(clean=False)


@pytest_twisted.ensureDeferred
async def test_sending_after_the_end_raises_nothing(serve, echo):
    served = await serve(echo)
    client = await served.open()
    client.reset()
    await echo.until("close")
    conn = echo.conns[0]
    assert conn.send("nothing") is conn
    conn.close()


@pytest_twisted.ensureDeferred
async def test_kinds_of_payloads(serve, echo):
    served = await serve(echo)
    client = await served.open()
    client.send(text("grüße") + frame(BINARY, b"\x00\xff") + text("") + frame(BINARY))
    assert [await client.next() for _ in range(4)] == ["grüße", b"\x00\xff", "", b""]
    assert echo.events[1:] == [("message", payload) for payload in ("grüße", b"\x00\xff", "", b"")]


@pytest_twisted.ensureDeferred
async def test_an_application_of_messages(serve):
    class Messages(Recording, MessageComponentInterface):
        def onOpen(self, conn):
            pass

        def onMessage(self, conn, message):
            self.note(message.payload, message.isBinary)
            conn.send(message)

        def onClose(self, conn):
            pass

        def onError(self, conn, exc):
            self.note("error", str(exc))

    messages = Messages()
    served = await serve(messages)
    client = await served.open()
    client.send(text("a") + frame(BINARY, b"b"))
    assert [await client.next(), await client.next()] == ["a", b"b"]
    assert messages.events == [("a", False), (b"b", True)]


@pytest_twisted.ensureDeferred
async def test_after_a_half_close_what_is_queued_is_delivered(serve):
    class Much(Echo):
        def onMessage(self, conn, msg):
            conn.send(b"x" * 5_000_000)
            conn.send("the end")

    much = Much()
    served = await serve(much)
    client = await served.open()
    client.send(text("a"))
    client.transport.loseWriteConnection()
    assert await client.next() == b"x" * 5_000_000
    assert await client.next() == "the end"
    await client.end()
    await much.until("close")
    assert much.events == ["open", "close"]


@pytest_twisted.ensureDeferred
async def test_what_came_before_a_half_close_waits_for_on_open(serve):
    opening = Deferred()

    class Slow(Echo):
        async def onOpen(self, conn):
            self.note("opening")
            await opening
            self.note("open")

    slow = Slow()
    served = await serve(slow)
    client = await served.client(request() + text("a"))
    client.send(text("b"))
    client.transport.loseWriteConnection()
    assert (await client.response()).status == 101
    await slow.until("opening")
    opening.callback(None)
    assert [await client.next(), await client.next()] == ["a", "b"]
    await client.end()
    await slow.until("close")
    assert slow.events == ["opening", "open", ("message", "a"), ("message", "b"), "close"]


@pytest.mark.parametrize("pieces", [1, 1024], ids=["in one frame", "in 1024 fragments"])
@pytest_twisted.ensureDeferred
async def test_a_message_of_64_mib(serve, pieces):
    class Length(Echo):
        def onMessage(self, conn, msg):
            conn.send(f"{len(msg)} {zlib.crc32(msg)}")

    size = 64 * 1024 * 1024
    served = await serve(Length(), limits=Limits(messageSize=size, frameSize=size))
    client = await served.open()
    piece = bytes(range(256)) * (size // 256 // pieces)
    wire = frame(BINARY, piece, fin=pieces == 1)
    client.send(wire)
    if pieces > 1:
        middle = frame(CONTINUATION, piece, fin=False)
        for _ in range(pieces - 2):
            client.send(middle)
        client.send(frame(CONTINUATION, piece))
    assert await client.next() == f"{size} {zlib.crc32(piece * pieces)}"


# -- compression: a few cases; the codec's own tests have the rest ---------------------------------

OFFERS = {
    "plain": ("permessage-deflate", "permessage-deflate"),
    "of a browser": ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
    "the second": ("permessage-deflate; server_max_window_bits=8, permessage-deflate", ""),
    "window": ("permessage-deflate; server_max_window_bits=10", "server_max_window_bits=10"),
    "no takeover": (
        "permessage-deflate; server_no_context_takeover",
        "server_no_context_takeover",
    ),
}


def deflate(data):
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflate(data):
    return zlib.decompressobj(wbits=-15).decompress(data + b"\x00\x00\xff\xff")


@pytest.mark.parametrize(("offer", "agreed"), OFFERS.values(), ids=OFFERS)
@pytest_twisted.ensureDeferred
async def test_compression_is_agreed_and_used(serve, echo, offer, agreed):
    served = await serve(echo)
    client = await served.open(Sec_WebSocket_Extensions=offer)
    answer = client.headers["sec-websocket-extensions"]
    assert answer.startswith("permessage-deflate")
    assert agreed in answer
    assert "server_max_window_bits=8" not in answer
    message = b"the same again and " * 200
    client.send(frame(TEXT, deflate(message), rsv=4))
    received = await client.frame()
    assert (received.opcode, received.rsv) == (TEXT, 4)
    assert inflate(received.payload) == message
    client.send(frame(TEXT, deflate(message)[:10], rsv=4, fin=False))
    client.send(frame(PING, b"between"))
    client.send(frame(CONTINUATION, deflate(message)[10:]))
    assert await client.frame() == (PONG, b"between", True, 0)
    assert (await client.frame()).rsv == 4


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; unknown",
        "x-webkit-deflate-frame",
    ],
)
@pytest_twisted.ensureDeferred
async def test_an_offer_that_is_declined(serve, echo, offer):
    served = await serve(echo)
    client = await served.open(Sec_WebSocket_Extensions=offer)
    assert "sec-websocket-extensions" not in client.headers
    client.send(text("plain " * 100))
    assert await client.next() == "plain " * 100


COMPRESSED = {
    "corrupt": (frame(TEXT, b"\xff\xff\xff", rsv=4), 1007),
    "not UTF-8": (frame(TEXT, deflate(b"\xff"), rsv=4), 1007),
    "frame inflates too far": (frame(TEXT, deflate(b"a" * 601), rsv=4), 1009),
    "a bomb": (frame(BINARY, deflate(bytes(500_000)), rsv=4), 1009),
    "compressed continuation": (
        frame(TEXT, deflate(b"a" * 40)[:2], fin=False, rsv=4) + frame(CONTINUATION, b"", rsv=4),
        1002,
    ),
    "message inflates too far": (
        frame(TEXT, deflate(b"a" * 550), fin=False, rsv=4)
        + frame(CONTINUATION, b"\x00\x00\xff\xff" + deflate(b"b" * 500)),
        1009,
    ),
}


@pytest.mark.parametrize(("data", "code"), COMPRESSED.values(), ids=COMPRESSED)
@pytest_twisted.ensureDeferred
async def test_bad_compressed_frames(serve, echo, data, code):
    served = await serve(echo, limits=SMALL)
    client = await served.open(Sec_WebSocket_Extensions="permessage-deflate")
    client.send(data)
    assert await client.closing(code)
    await echo.until("close")
    assert echo.events == ["open", "close"]


def test_the_client_masks():
    assert frame(TEXT, b"abc") == b"\x81\x83" + MASK + bytes([0x37 ^ 97, 0xFA ^ 98, 0x21 ^ 99])
