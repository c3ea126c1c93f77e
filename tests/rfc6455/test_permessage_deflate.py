import random
import sys
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet_py.errors import LocalError, ProtocolError
from ratchet_py.rfc6455.frame import OP_TEXT, encode
from ratchet_py.rfc6455.message import PreparedBytes, PreparedMessage
from ratchet_py.rfc6455.permessage_deflate import (
    PerMessageDeflate,
    PerMessageDeflateOptions,
    compressOnce,
)

DEFAULTS = PerMessageDeflateOptions()
TAKEOVER = PerMessageDeflateOptions(serverNoContextTakeover=False, clientNoContextTakeover=False)
SOME = b"The quick brown fox jumps over the lazy dog. " * 20


def offer(text):
    """``"a; b=1"`` as parameters."""
    pairs = (part.strip().partition("=") for part in text.split(";") if part.strip())
    return [(name, value if equals else None) for name, equals, value in pairs]


def inflate(*payloads, wbits=-15):
    """What a client with one inflater for all of them reads."""
    inflater = zlib.decompressobj(wbits)
    return [inflater.decompress(payload + b"\x00\x00\xff\xff") for payload in payloads]


NO = "no"
ALONE = "server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    ("options", "offered", "answered"),
    [
        (DEFAULTS, "", ALONE),
        (DEFAULTS, "client_max_window_bits", ALONE),
        (DEFAULTS, "server_max_window_bits=10", ALONE + "; server_max_window_bits=10"),
        (DEFAULTS, "server_max_window_bits=15", ALONE + "; server_max_window_bits=15"),
        (DEFAULTS, "server_max_window_bits=9", ALONE + "; server_max_window_bits=9"),
        (DEFAULTS, "client_max_window_bits=10", ALONE + "; client_max_window_bits=10"),
        (DEFAULTS, "client_max_window_bits=8", ALONE + "; client_max_window_bits=8"),
        (TAKEOVER, "", ""),
        (TAKEOVER, "server_no_context_takeover", "server_no_context_takeover"),
        (TAKEOVER, "client_no_context_takeover", "client_no_context_takeover"),
        (
            PerMessageDeflateOptions(serverMaxWindowBits=11, clientMaxWindowBits=12),
            "client_max_window_bits; server_max_window_bits=13",
            ALONE + "; server_max_window_bits=11; client_max_window_bits=12",
        ),
        (
            PerMessageDeflateOptions(serverMaxWindowBits=11, clientMaxWindowBits=12),
            "client_max_window_bits=10; server_max_window_bits=9",
            ALONE + "; server_max_window_bits=9; client_max_window_bits=10",
        ),
        # A client that does not mention its window cannot be asked to make it smaller.
        (PerMessageDeflateOptions(clientMaxWindowBits=9), "", ALONE),
        # Declined: zlib has no such window, and what the RFC has as invalid.
        (DEFAULTS, "server_max_window_bits=8", NO),
        (DEFAULTS, "server_max_window_bits", NO),
        (DEFAULTS, "server_max_window_bits=", NO),
        (DEFAULTS, "server_max_window_bits=7", NO),
        (DEFAULTS, "server_max_window_bits=16", NO),
        (DEFAULTS, "server_max_window_bits=09", NO),
        (DEFAULTS, "server_max_window_bits=1\u0665", NO),
        (DEFAULTS, "client_max_window_bits=16", NO),
        (DEFAULTS, "client_max_window_bits=+9", NO),
        (DEFAULTS, "client_max_window_bits=x", NO),
        (DEFAULTS, "server_no_context_takeover=1", NO),
        (DEFAULTS, "client_no_context_takeover=true", NO),
        (DEFAULTS, "server_no_context_takeover; server_no_context_takeover", NO),
        (DEFAULTS, "client_max_window_bits=9; client_max_window_bits", NO),
        (DEFAULTS, "unknown", NO),
        (DEFAULTS, "Server_No_Context_Takeover", NO),
    ],
)
def test_negotiation(options, offered, answered):
    accepted = options.accept(offer(offered))
    if answered == NO:
        assert accepted is None
    else:
        assert accepted[0] == "; ".join(filter(None, ["permessage-deflate", answered]))


@pytest.mark.parametrize(
    "bad",
    [
        {"serverMaxWindowBits": 8},
        {"serverMaxWindowBits": 16},
        {"clientMaxWindowBits": 8},
        {"level": 10},
        {"level": -1},
        {"memLevel": 0},
    ],
)
def test_options_out_of_range(bad):
    with pytest.raises(LocalError, match=next(iter(bad))):
        PerMessageDeflateOptions(**bad)


def test_the_shared_window():
    assert DEFAULTS.accept([])[1].sharedWindow == 15
    assert DEFAULTS.accept(offer("server_max_window_bits=11"))[1].sharedWindow == 11
    assert TAKEOVER.accept([])[1].sharedWindow is None
    assert TAKEOVER.accept(offer("server_no_context_takeover"))[1].sharedWindow == 15


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize("alone", [True, False])
def test_what_we_compress_a_client_with_that_window_reads(bits, alone):
    options = PerMessageDeflateOptions(serverNoContextTakeover=alone, serverMaxWindowBits=bits)
    extension = options.accept([])[1]
    messages = [SOME, b"", SOME * 50, bytes(range(256)) * 300, b"", b"x", SOME]
    compressed = [extension.compress(message) for message in messages]
    assert inflate(*compressed, wbits=-bits) == messages
    if alone:
        # Each for itself, also when the same compressor has done others before.
        assert [inflate(one, wbits=-bits)[0] for one in compressed] == messages
        assert len(compressed[0]) == len(compressed[-1])
    else:
        assert len(compressed[-1]) < len(compressed[0])


@given(st.lists(st.binary(max_size=2000), max_size=6), st.integers(9, 15), st.integers(0, 9))
def test_each_for_itself(messages, bits, level):
    for message in messages:
        assert inflate(compressOnce(message, bits, level), wbits=-bits) == [message]


def test_a_compressor_that_is_interrupted_is_not_used_again():
    with pytest.raises(TypeError):
        compressOnce("text", 14)  # not bytes
    assert inflate(compressOnce(SOME, 14), wbits=-14) == [SOME]


def pieces(data, size):
    return [data[i : i + size] for i in range(0, len(data), size)]


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("size", [1, 3, 100_000])
def test_inflating_in_pieces(alone, size):
    options = PerMessageDeflateOptions(clientNoContextTakeover=alone)
    extension = options.accept([])[1]
    compressor = zlib.compressobj(wbits=-15)
    for message in [SOME, b"", b"x" * 70_000, SOME]:
        if alone:
            compressor = zlib.compressobj(wbits=-15)
        data = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
        assert data.endswith(b"\x00\x00\xff\xff") or not message
        data = data[:-4] or b"\x00"
        inflated = [extension.decompress(piece, 1_000_000) for piece in pieces(data, size)]
        assert b"".join(inflated) + extension.decompress(b"", 1_000_000, True) == message


def test_a_bomb_is_inflated_no_further_than_asked():
    extension = DEFAULTS.accept([])[1]
    bomb = compressOnce(bytes(200_000_000), 15)
    assert len(bomb) < 200_000
    tracemalloc.start()
    assert len(extension.decompress(bomb, 100_001)) == 100_001
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",  # no such block type
        b"\x00\x01\x00\x00\x00",  # a stored block whose length is not confirmed
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00\x01",  # more after a final block and its padding
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_corrupt_data(data, last):
    extension = DEFAULTS.accept([])[1]
    with pytest.raises(ProtocolError) as caught:
        extension.decompress(data, 1000, last)
    assert caught.value.closeCode == 1007


@pytest.mark.parametrize(
    "data",
    [
        "f2 48 cd c9 c9 07 00",  # 7.2.3.1: one block
        "00 05 00 fa ff 48 65 6c 6c 6f 00",  # 7.2.3.3: a stored block
        "f3 48 cd c9 c9 07 00 00",  # 7.2.3.4: with the final bit
        "f2 48 05 00 00 00 ff ff ca c9 c9 07 00",  # 7.2.3.5: two blocks
    ],
)
@pytest.mark.parametrize("options", [DEFAULTS, TAKEOVER])
@pytest.mark.parametrize("size", [1, 100])
def test_the_examples_of_the_rfc(data, options, size):
    extension = options.accept([])[1]
    for _ in range(2):
        inflated = [extension.decompress(p, 100) for p in pieces(bytes.fromhex(data), size)]
        assert b"".join(inflated) + extension.decompress(b"", 100, True) == b"Hello"


def test_the_window_that_the_client_slides():
    # 7.2.3.2: the second message refers to the first.
    extension = TAKEOVER.accept([])[1]
    for data in ("f2 48 cd c9 c9 07 00", "f2 00 11 00 00"):
        assert extension.decompress(bytes.fromhex(data), 9, True) == b"Hello"


def test_without_context_a_reference_to_an_earlier_message_is_corrupt():
    extension = DEFAULTS.accept([])[1]
    assert extension.decompress(bytes.fromhex("f2 48 cd c9 c9 07 00"), 9, True) == b"Hello"
    with pytest.raises(ProtocolError):
        extension.decompress(bytes.fromhex("f2 00 11 00 00"), 9)


def heldBy(make, times=50):
    """Bytes that one of what ``make`` makes keeps; zlib's own allocations are traced, too."""
    kept = [make()]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept.extend(make() for _ in range(times))
    held = (tracemalloc.get_traced_memory()[0] - before) / times
    tracemalloc.stop()
    return held


def test_what_an_idle_connection_keeps():
    def used(options):
        def make():
            extension = options.accept([])[1]
            data = extension.compress(SOME)
            assert extension.decompress(compressOnce(SOME, 15), 10_000, True) == SOME
            assert data
            return extension

        return make

    assert heldBy(used(DEFAULTS)) < 300
    assert heldBy(used(TAKEOVER)) < 320_000


class TestFrame:
    def test_connections_with_the_same_window_share_it(self):
        message = PreparedMessage(SOME.decode())
        one, two, other = (
            DEFAULTS.accept(offer(o))[1] for o in ("", "", "server_max_window_bits=9")
        )
        frame = one.frame(message)
        assert two.frame(message) is frame
        assert frame == encode(compressOnce(SOME, 15), OP_TEXT, rsv1=True)
        assert inflate(other.frame(message)[2:], wbits=-9) == [SOME]
        assert set(message.compressed) == {9, 15}

    def test_binary(self):
        frame = DEFAULTS.accept([])[1].frame(PreparedBytes(SOME))
        assert frame[0] == 0xC2

    @pytest.mark.parametrize("options", [DEFAULTS, TAKEOVER])
    def test_below_the_threshold_it_goes_as_it_is(self, options):
        extension = options.accept([])[1]
        message = PreparedMessage("ü" * 127)
        assert extension.frame(message) is message.frame
        message = PreparedMessage("ü" * 128)
        assert extension.frame(message)[0] == 0xC1

    def test_what_does_not_get_smaller_goes_as_it_is(self):
        message = PreparedBytes(random.Random(1).randbytes(1000))
        assert DEFAULTS.accept([])[1].frame(message) is message.frame

    def test_with_context_every_message_is_compressed_in_its_turn(self):
        extension = TAKEOVER.accept([])[1]
        message = PreparedMessage(SOME.decode())
        first, second = extension.frame(message), extension.frame(message)
        assert len(second) < len(first)
        assert message.compressed == {}
        assert inflate(first[2:], second[2:]) == [SOME, SOME]


def test_a_connections_own_part_is_small():
    assert sys.getsizeof(PerMessageDeflate(DEFAULTS, sharedWindow=15)) <= 120
