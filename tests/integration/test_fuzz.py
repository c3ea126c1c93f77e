"""A random client against the running server: whatever it sends, it gets the right answer.

The client knows what it does, so it knows what must come back, and what the application must see.
The name of a test is the seed of its client; in CI these are always the same. To see one again, or
to let more of them loose:

    RATCHET_FUZZ_SEED=1234 RATCHET_FUZZ_STEPS=10000 pytest tests/integration/test_fuzz.py
"""

from __future__ import annotations

import os
import zlib
from functools import cache
from random import Random

import pytest
import pytest_twisted
from twisted.internet.error import ConnectionDone
from twisted.internet.task import deferLater

from tests.integration.test_frames import inflate
from tests.integration.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    close,
    frame,
    request,
)

STEPS = int(os.environ.get("RATCHET_FUZZ_STEPS", "400"))

if "RATCHET_FUZZ_SEED" in os.environ:
    SEEDS = [int(os.environ["RATCHET_FUZZ_SEED"])]
elif os.environ.get("CI"):
    SEEDS = [1, 2, 3]
else:
    SEEDS = [Random().randrange(1 << 32)]

ALPHABET = "aZ09 \x00\x7f\u00e9\u00df\u0416\u4e2d\u20ac\ufeff\uffff\U0001f600\U0010ffff"
SIZES = [0, 1, 2, 3, 4, 125, 126, 127, 255, 256, 1000, 4096, 65535, 65536, 70000]
BAD_TEXT = [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"ok\xe2\x28"]
BAD_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2999, 5000, 65535]
GOOD_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]
# What a client offers, and how far back it may refer when it compresses.
OFFERS = {
    None: None,
    "permessage-deflate": 15,
    "permessage-deflate; client_max_window_bits": 15,
    "permessage-deflate; server_max_window_bits=8, permessage-deflate": 15,
    "x-unknown, permessage-deflate; client_no_context_takeover; client_max_window_bits=10": 10,
}
REFUSALS = {400, 403, 404, 405, 426, 431, 505}


def deflate(data, windowBits):
    compressor = zlib.compressobj(wbits=-windowBits)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


@cache
def bomb(windowBits):
    """What inflates to a byte more than may be."""
    return deflate(bytes((1 << 24) + 1), windowBits)


class Script:
    """What one client sends, and what must come of it.

    Attributes:
        wire: The bytes.
        answers: The frames that must come back.
        messages: What must reach the application.
    """

    def __init__(self, random, windowBits):
        self.wire = bytearray()
        self.answers = []
        self.messages = []
        self._random = random
        self._windowBits = windowBits

    # -- what keeps the connection open --

    def message(self):
        random = self._random
        opcode = random.choice([TEXT, BINARY])
        payload = self._payload(opcode)
        rsv = 4 if self._windowBits and random.random() < 0.5 else 0
        data = deflate(payload, self._windowBits) if rsv else payload
        pieces = self._cut(data, random.choice([0, 0, 0, 1, 2, 10]))
        for number, piece in enumerate(pieces):
            self._frame(
                CONTINUATION if number else opcode,
                piece,
                fin=number == len(pieces) - 1,
                rsv=0 if number else rsv,
            )
            if number < len(pieces) - 1 and random.random() < 0.3:
                random.choice([self.ping, self.pong])()
        self.messages.append(payload.decode() if opcode == TEXT else payload)
        self.answers.append((opcode, payload))

    def ping(self):
        payload = self._random.randbytes(self._random.choice([0, 1, 125]))
        self._frame(PING, payload)
        self.answers.append((PONG, payload))

    def pong(self):
        self._frame(PONG, self._random.randbytes(self._random.choice([0, 1, 125])))

    # -- what ends it --

    def close(self):
        code = self._random.choice([None, *GOOD_CODES])
        self.wire += close(code, b"" if code is None else self._payload(TEXT)[:0] + b"bye")
        self._ends(code)

    def broken(self):
        """Break a rule, now and then within a message, and send on as if nothing had happened."""
        random = self._random
        within = random.random() < 0.3
        if within:
            self._frame(BINARY, b"begin", fin=False)
        control = random.choice([CLOSE, PING, PONG])
        unknown = random.choice([3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
        faults = [
            (1002, frame(control, b"", mask=None)),
            (1002, frame(unknown, b"a")),
            (1002, frame(control, b"", rsv=random.choice([1, 2, 3, 4]))),
            (1002, frame(control, bytes(126))),
            (1002, frame(control, b"", fin=False)),
            (1002, frame(CLOSE, b"\x03")),
            (1002, close(random.choice(BAD_CODES))),
            (1007, close(1000, random.choice(BAD_TEXT))),
        ]
        if within:
            faults += [
                (1002, frame(random.choice([TEXT, BINARY]), b"a")),
                (1002, frame(CONTINUATION, b"a", rsv=4)),
                (1002, frame(CONTINUATION, b"a", form=random.choice([16, 64]))),
                (1009, frame(CONTINUATION, b"", announce=random.randrange(1 << 24, 1 << 63))),
            ]
        else:
            faults += [
                (1002, frame(CONTINUATION, b"a", fin=random.random() < 0.5)),
                (1002, frame(TEXT, b"a", mask=None)),
                (1002, frame(TEXT, b"a", rsv=random.choice([1, 2, 3]))),
                (1002, frame(TEXT, b"a", form=random.choice([16, 64]))),
                (1002, frame(TEXT, b"", announce=random.randrange(1 << 63, 1 << 64))),
                (1009, frame(TEXT, b"", announce=random.randrange((1 << 24) + 1, 1 << 63))),
                (1007, frame(TEXT, random.choice(BAD_TEXT), fin=random.random() < 0.5)),
            ]
            if self._windowBits:
                bad = random.choice(BAD_TEXT)
                faults += [
                    (1007, frame(TEXT, b"\xff\xff\xff", rsv=4)),
                    (1007, frame(TEXT, deflate(bad, self._windowBits), rsv=4)),
                    (1009, frame(BINARY, bomb(self._windowBits), rsv=4)),
                ]
            else:
                faults.append((1002, frame(TEXT, b"a", rsv=4)))
        code, wire = random.choice(faults)
        self.wire += wire
        self._ends(code)

    def noise(self):
        self.wire += self._random.randbytes(self._random.choice([1, 10, 1000]))

    def halfFrame(self):
        whole = frame(TEXT, b"never complete")
        self.wire += whole[: self._random.randrange(len(whole))]

    def _ends(self, code):
        self.answers.append((CLOSE, b"" if code is None else code.to_bytes(2, "big")))
        # Nothing of this is to be answered, or to reach the application.
        if self._random.random() < 0.5:
            self.wire += frame(TEXT, b"too late") + frame(PING, b"too late")

    def _frame(self, opcode, payload, **options):
        self.wire += frame(opcode, payload, mask=self._random.randbytes(4), **options)

    def _payload(self, opcode):
        size = self._random.choice(SIZES)
        if opcode == BINARY:
            return self._random.randbytes(size)
        return "".join(self._random.choices(ALPHABET, k=size)).encode()

    def _cut(self, data, times):
        where = sorted(self._random.randrange(len(data) + 1) for _ in range(times))
        return [data[start:stop] for start, stop in zip([0, *where], [*where, None], strict=True)]

    def segments(self, wire):
        """The bytes, cut as a network may cut them."""
        if self._random.random() < 0.1:
            return [bytes([byte]) for byte in wire[:300]] + [wire[300:]]
        return self._cut(wire, self._random.choice([0, 1, 10]))


async def send(client, segments):
    from twisted.internet import reactor

    for segment in segments:
        client.send(bytes(segment))
        # So that it goes out, and may be read, before the next one.
        await deferLater(reactor, 0)


def halfClose(client):
    if client.lost is None:
        client.transport.loseWriteConnection()


async def answers(client):
    """All frames up to the end of the connection, inflated."""
    received = []
    await client.gone()
    while (one := client._parse()) is not None:
        assert one.fin, one
        assert one.rsv in (0, 4), one
        received.append((one.opcode, inflate(one.payload) if one.rsv else one.payload))
    assert not client._data
    return received


def assertSame(received, expected):
    """Compare, and show only the first difference: most of these are long."""
    for number, (one, other) in enumerate(zip(received, expected, strict=False)):
        if one != other:
            pytest.fail(f"number {number} is {one!r:.200}, and not {other!r:.200}")
    if len(received) != len(expected):
        pytest.fail(f"{len(received)} and not {len(expected)}; {received[len(expected) :]!r:.200}")


async def session(served, echo, random, budget):
    """One connection, from the handshake to its end; returns how many steps it took."""
    offer = random.choice(list(OFFERS))
    handshake = request(Sec_WebSocket_Extensions=offer)
    script = Script(random, OFFERS[offer])
    steps = random.randrange(min(budget, 30)) + 1
    for _ in range(steps - 1):
        random.choice([script.message, script.message, script.ping, script.pong])()
    certain = len(script.answers)
    ending = random.choice(["close", "broken", "broken", "noise", "halfFrame", "leave", "reset"])
    if ending not in ("leave", "reset"):
        getattr(script, ending)()

    client = await served.client()
    if ending == "reset":
        # Bytes that a reset overtakes may never arrive; the handshake must.
        await send(client, [handshake])
        assert (await client.response()).status == 101
        await send(client, script.segments(script.wire))
        client.reset()
        await client.gone()
    else:
        await send(client, script.segments(handshake + script.wire))
        if ending in ("noise", "halfFrame", "leave"):
            halfClose(client)
        assert (await client.response()).status == 101
        received = await answers(client)
        if ending == "noise":
            assertSame(received[:certain], script.answers)
        else:
            if ending == "broken":
                # Its close frame has a reason, which is not for us to know.
                opcode, payload = received[-1]
                assert len(payload) > 2
                received[-1] = (opcode, payload[:2])
            assertSame(received, script.answers)
        assert client.lost.check(ConnectionDone), client.lost
    await echo.until("close")
    assert echo.events[0] == "open"
    assert echo.events[-1] == "close"
    seen = [event[1] for event in echo.events[1:-1]]
    if ending == "noise":
        assertSame(seen[: len(script.messages)], script.messages)
    elif ending == "reset":
        assertSame(seen, script.messages[: len(seen)])
    else:
        assertSame(seen, script.messages)
    echo.events.clear()
    return steps


async def badHandshake(served, echo, random):
    """A handshake of which a few bytes are not what they should be."""
    head = bytearray(request(Sec_WebSocket_Extensions=random.choice(list(OFFERS))))
    for _ in range(random.choice([1, 1, 1, 2, 5])):
        where = random.randrange(len(head))
        byte = random.choice([random.randrange(256), *b'\0\t\n\v\r\x1c\x80\x85 :,;"='])
        edit = random.choice(["replace", "insert", "delete"])
        head[where : where + (edit != "insert")] = b"" if edit == "delete" else bytes([byte])
    client = await served.client()
    await send(client, [head])
    halfClose(client)
    await client.gone()
    status = 0
    if client._data:
        status = (await client.response()).status
        assert status in REFUSALS | {101}, bytes(head)
    if status == 101:
        await echo.until("close")
        assert echo.events == ["open", "close"]
    else:
        assert echo.events == [], bytes(head)
    echo.events.clear()


@pytest.mark.parametrize("seed", SEEDS)
@pytest_twisted.ensureDeferred
async def test_whatever_a_client_does(serve, echo, pubsub, bystander, seed):
    print(f"RATCHET_FUZZ_SEED={seed} RATCHET_FUZZ_STEPS={STEPS}")
    random = Random(seed)
    served = await serve({"/": echo, "/bystander": pubsub})
    other = await bystander(served, "/bystander")
    budget = STEPS
    while budget > 0:
        if random.random() < 0.3:
            await badHandshake(served, echo, random)
            budget -= 1
        else:
            budget -= await session(served, echo, random, budget)
        await other.isServed()
