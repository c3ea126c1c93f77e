"""A client's connection on a transport and a clock of the test's."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost

from ratchet_py.client import ConnectionClosed, SendBufferFull, WebSocket
from ratchet_py.errors import LocalError, ProtocolError
from ratchet_py.limits import Limits
from ratchet_py.rfc6455.frame import OP_BINARY, OP_CLOSE, OP_PING, OP_PONG, OP_TEXT, Frame, encode
from ratchet_py.rfc6455.message import Message
from ratchet_py.rfc6455.permessage_deflate import PerMessageDeflateOptions
from tests.client.conftest import Line, result


def failure(deferred):
    found = result(deferred)
    assert found is not None
    return found.value


# -- sending ---------------------------------------------------------------------------------------


def test_every_frame_is_masked_with_a_key_of_its_own(line):
    one = line()
    keys = set()
    for _ in range(50):
        one.conn.send("hello")
        data = one.transport.value()
        one.transport.clear()
        assert data[:2] == b"\x81\x85"
        keys.add(data[2:6])
    assert len(keys) == 50


@pytest.mark.parametrize(
    ("msg", "heard"),
    [
        ("grüße", "grüße"),
        ("", ""),
        (b"\x00\xff", b"\x00\xff"),
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abc"), b"abc"),
        (Message("text"), "text"),
        (Message(b"binary"), b"binary"),
        (Frame(b"p", opcode=OP_PING), Frame(b"p", opcode=OP_PING)),
        ("x" * 70_000, "x" * 70_000),
        (b"y" * 500_000, b"y" * 500_000),
    ],
)
def test_a_message_goes_out_by_its_type(line, msg, heard):
    one = line()
    assert one.conn.send(msg) is one.conn
    assert one.heard() == [heard]


def test_what_is_no_message_is_refused(line):
    with pytest.raises(TypeError, match="not int"):
        line().conn.send(5)
    with pytest.raises(LocalError, match="close"):
        line().conn.send(Frame(b"\x03\xe8", opcode=OP_CLOSE))


def test_pings(line):
    one = line()
    events = one.listen("ping", "pong")
    one.conn.ping(b"are you there")
    assert one.heard() == [Frame(b"are you there", opcode=OP_PING)]
    one.say(Frame(b"yes", opcode=OP_PONG), Frame(b"and you", opcode=OP_PING))
    assert one.heard() == [Frame(b"and you", opcode=OP_PONG)]
    assert events == [("pong", b"yes"), ("ping", b"and you")]
    with pytest.raises(LocalError, match="125"):
        one.conn.ping(bytes(126))


def test_what_the_transport_does_not_take_is_counted_and_bounded(line):
    one = line(limits=Limits(sendBuffer=1000))
    one.conn.send("at once")
    assert one.conn.bufferedAmount == 0
    one.transport.producer.pauseProducing()
    one.conn.send("x" * 1000)
    assert one.conn.bufferedAmount > 1000
    with pytest.raises(SendBufferFull, match="bytes wait"):
        one.conn.send("more")
    drained = one.conn.whenDrained()
    cancelled = one.conn.whenDrained()
    cancelled.addErrback(lambda _: None)
    cancelled.cancel()
    assert result(drained) is None
    assert one.heard() == ["at once"]
    one.transport.producer.resumeProducing()
    assert one.heard() == ["x" * 1000]
    assert one.conn.bufferedAmount == 0
    assert drained.called
    assert one.conn.whenDrained().called


def test_a_server_that_takes_nothing_is_dropped(line):
    one = line(limits=Limits(stallTimeout=60))
    one.conn.send("x" * 200_000)
    one.transport.producer.pauseProducing()
    drained = one.conn.whenDrained()
    one.clock.advance(59)
    assert not one.transport.disconnecting
    one.clock.advance(1)
    assert one.transport.disconnecting
    one.lose(ConnectionLost())
    assert str(failure(drained)) == "1006: the server takes nothing any more"


def test_only_the_latest_ping_is_answered_when_answers_cannot_go(line):
    one = line()
    one.conn.send("x" * 200_000)
    one.transport.producer.pauseProducing()
    one.conn.send("last")
    for number in range(1000):
        one.say(Frame(b"%d" % number, opcode=OP_PING))
    assert one.conn.bufferedAmount < 1000
    one.transport.producer.resumeProducing()
    assert one.heard() == ["x" * 200_000, "last", Frame(b"999", opcode=OP_PONG)]


# -- compression -----------------------------------------------------------------------------------


@pytest.mark.parametrize("takeover", [False, True])
def test_compression_both_ways(line, takeover):
    options = PerMessageDeflateOptions(
        serverNoContextTakeover=not takeover, clientNoContextTakeover=not takeover, threshold=10
    )
    asked = [part.partition("=") for part in options.offer().split("; ")[1:]]
    answer, theirs = options.accept([(name, value or None) for name, _, value in asked])
    said = [part.partition("=") for part in answer.split("; ")[1:]]
    ours = options.agree([(name, value or None) for name, _, value in said])
    one = line(extension=ours, theirs=theirs)
    events = one.listen("message")
    for _ in range(3):
        one.conn.send("hello " * 1000)
        one.conn.send("short")
        assert len(one.transport.value()) < 200
        assert one.heard() == ["hello " * 1000, "short"]
        compressed = theirs.compress(b"hello " * 1000)
        one.conn.dataReceived(encode(compressed, OP_TEXT, rsv1=True))
        assert events.pop() == ("message", "hello " * 1000)


def test_what_is_not_sent_is_not_missed(line):
    """With context takeover each message refers to those before it."""
    options = PerMessageDeflateOptions(clientNoContextTakeover=False, threshold=1)
    _, theirs = options.accept([("server_no_context_takeover", None)])
    extension = options.agree([("server_no_context_takeover", None)])
    one = line(Limits(sendBuffer=10), extension, theirs)
    one.transport.producer.pauseProducing()
    one.conn.send("The quick brown fox jumps over the lazy dog")
    with pytest.raises(SendBufferFull):
        one.conn.send("The five boxing wizards jump quickly")
    one.transport.producer.resumeProducing()
    one.conn.send("The five boxing wizards jump quickly")
    assert len(one.heard()) == 2


def test_what_compression_makes_longer_goes_out_as_it_is(line):
    extension = PerMessageDeflateOptions(threshold=1).agree([("server_no_context_takeover", None)])
    one = line(extension=extension)
    one.conn.send(b"\x01\x02")
    assert one.transport.value()[0] == 0x82


def test_a_message_that_inflates_to_too_much_ends_the_connection(line):
    extension = PerMessageDeflateOptions().agree([("server_no_context_takeover", None)])
    one = line(Limits(messageSize=1000), extension)
    deflater = zlib.compressobj(wbits=-15)
    data = deflater.compress(bytes(100_000)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    one.conn.dataReceived(encode(data[:-4], OP_BINARY, rsv1=True))
    (frame,) = one.heard()
    assert frame.closeCode == 1009


# -- receiving -------------------------------------------------------------------------------------


def test_listeners_get_what_comes_and_what_has_come_before_them(line):
    one = line()
    one.say("early", b"\x00")
    events = one.listen("message")
    one.say("late")
    assert events == [("message", "early"), ("message", b"\x00"), ("message", "late")]


def test_receive_takes_one_at_a_time(line):
    one = line()
    first, second = one.conn.receive(), one.conn.receive()
    one.say("one")
    assert (result(first), result(second)) == ("one", None)
    one.say("two", "three")
    assert second.called
    assert result(one.conn.receive()) == "three"


def test_a_cancelled_receive_loses_nothing(line):
    one = line()
    cancelled = one.conn.receive()
    cancelled.addErrback(lambda _: None)
    cancelled.cancel()
    one.say("one")
    assert result(one.conn.receive()) == "one"


def test_who_fails_may_cancel_another(line):
    one = line()
    first, second = one.conn.receive(), one.conn.receive()
    second.addErrback(lambda _: None)
    first.addErrback(lambda _: second.cancel())
    one.lose()
    assert first.called
    assert second.called


def test_who_does_not_read_slows_the_server_down(line):
    one = line()
    one.say(*map(str, range(15)))
    assert one.isReading
    one.say("15", "16", "17")
    assert not one.isReading
    assert [result(one.conn.receive()) for _ in range(2)] == ["0", "1"]
    assert not one.isReading
    assert result(one.conn.receive()) == "2"
    assert one.isReading


def test_a_few_large_messages_slow_it_down_too(line):
    one = line(limits=Limits(messageSize=1000))
    one.say(bytes(1000))
    assert one.isReading
    one.say(b"\x00")
    assert not one.isReading
    one.listen("message")
    assert one.isReading


def test_reading_can_be_paused(line):
    one = line()
    one.conn.pauseReading()
    one.conn.pauseReading()
    one.conn.resumeReading()
    assert not one.isReading
    one.conn.resumeReading()
    assert one.isReading


def test_the_end_is_seen_although_nobody_reads(line):
    one = line()
    one.say(*["x"] * 20)
    one.conn.pauseReading()
    assert not one.isReading
    closed = one.conn.close()
    assert one.isReading
    one.close()
    one.lose()
    assert closed.called
    assert isinstance(failure(one.conn.receive()), ConnectionClosed)


# -- closing ---------------------------------------------------------------------------------------


def test_the_server_closes(line):
    one = line()
    events = one.listen("close")
    one.close(1001, "grüße".encode())
    assert one.heard() == [Frame(b"\x03\xe9", opcode=OP_CLOSE)]
    assert one.conn.isClosed
    assert one.conn.closeCode is None
    with pytest.raises(ConnectionClosed):
        one.conn.send("too late")
    assert isinstance(failure(one.conn.whenDrained()), ConnectionClosed)
    one.lose()
    assert events == [("close", 1001, "grüße")]
    assert (one.conn.closeCode, one.conn.closeReason) == (1001, "grüße")


def test_an_empty_close_frame(line):
    one = line()
    one.close(None)
    assert one.heard() == [Frame(b"", opcode=OP_CLOSE)]
    one.lose()
    assert one.conn.closeCode == 1005


def test_a_server_that_does_not_end_the_stream_is_dropped(line):
    one = line(limits=Limits(closeTimeout=5))
    one.close()
    one.clock.advance(4.9)
    assert not one.transport.disconnecting
    one.clock.advance(0.1)
    assert one.transport.disconnecting


def test_we_close(line):
    one = line()
    events = one.listen("close", "message")
    closed = one.conn.close(4000, "enough")
    assert one.conn.close(4001) is not closed
    one.say("what was under way")
    one.close(4000)
    one.lose()
    assert closed.called
    assert one.heard() == [Frame(b"\x0f\xa0enough", opcode=OP_CLOSE)]
    assert events == [("close", 4000, "")]
    assert one.conn.whenClosed().called
    with pytest.raises(ConnectionClosed, match="4000"):
        one.conn.send("too late")


def test_a_close_that_is_not_answered(line):
    one = line(limits=Limits(closeTimeout=5))
    one.conn.close()
    one.clock.advance(5)
    assert one.transport.disconnecting
    one.lose()
    assert one.conn.closeCode == 1006


def test_a_close_waits_for_what_was_sent_before(line):
    one = line(limits=Limits(closeTimeout=5, stallTimeout=60))
    producer, write = one.transport.producer, one.transport.write

    def full(data):
        write(data)
        producer.pauseProducing()

    one.transport.write = full
    for _ in range(10):
        one.conn.send(bytes(100_000))
    one.conn.close()
    while one.conn.bufferedAmount:
        one.clock.advance(50)
        assert not one.transport.disconnecting
        producer.resumeProducing()
    assert len(one.heard()) == 11
    one.clock.advance(5)
    assert one.transport.disconnecting


def test_a_close_behind_what_the_server_does_not_take(line):
    one = line(limits=Limits(stallTimeout=60))
    one.transport.producer.pauseProducing()
    one.conn.send(bytes(100_000))
    one.conn.close()
    one.clock.advance(60)
    assert one.transport.disconnecting


def test_a_close_code_that_must_not_be_sent(line):
    one = line()
    with pytest.raises(LocalError, match="1006"):
        one.conn.close(1006)
    assert not one.conn.isClosed


def test_the_connection_is_lost(line):
    one = line()
    events = one.listen("close", "error")
    waiting = one.conn.receive()
    one.lose()
    assert events == [("close", 1006, "no close frame")]
    assert failure(waiting).code == 1006
    assert failure(one.conn.receive()).code == 1006


def test_aborting(line):
    one = line()
    one.conn.abort()
    assert one.transport.disconnecting
    one.lose(ConnectionLost())
    assert (one.conn.closeCode, one.conn.closeReason) == (1006, "dropped by us")
    one.conn.abort()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (encode(b"hello", OP_TEXT, mask=b"abcd"), 1002),
        (b"\x83\x00", 1002),
        (encode(b"\xff", OP_TEXT), 1007),
        (b"\x82\x7f" + (1 << 40).to_bytes(8), 1009),
        (encode(b"hello", OP_TEXT, rsv1=True), 1002),
    ],
    ids=["masked", "opcode", "not UTF-8", "too large", "not agreed on"],
)
def test_a_server_that_breaks_the_protocol(line, data, code):
    one = line()
    events = one.listen("error", "close", "message")
    one.conn.dataReceived(data)
    (frame,) = one.heard()
    assert frame.closeCode == code
    one.say("ignored")
    one.lose()
    assert [event[0] for event in events] == ["error", "close"]
    assert isinstance(events[0][1], ProtocolError)
    assert events[1][1] == code


def test_a_server_that_breaks_the_protocol_while_we_close(line):
    one = line()
    one.conn.close()
    one.conn.dataReceived(b"\x83\x00")
    assert one.transport.disconnecting


# -- iterating -------------------------------------------------------------------------------------


def collect(conn):
    """Iterate; a Deferred of the messages, and of what has ended it."""

    async def run():
        messages = []
        ended = None
        try:
            async for message in conn:
                messages += [message]
        except ConnectionClosed as closed:
            ended = closed.code
        return messages, ended

    return Deferred.fromCoroutine(run())


@pytest.mark.parametrize(
    ("code", "ended"), [(1000, None), (1001, None), (None, None), (1011, 1011)]
)
def test_iterating_ends_with_a_goodbye_and_raises_anything_else(line, code, ended):
    one = line()
    collecting = collect(one.conn)
    one.say("one", "two")
    one.close(code)
    one.lose()
    assert result(collecting) == (["one", "two"], ended)


def test_iterating_ends_when_we_close(line):
    one = line()
    collecting = collect(one.conn)
    one.conn.close(4000)
    one.lose(ConnectionLost())
    assert result(collecting) == ([], None)


def test_iterating_raises_a_loss(line):
    one = line()
    collecting = collect(one.conn)
    one.say("one")
    one.lose()
    assert result(collecting) == (["one"], 1006)


def test_what_came_before_the_end_is_read_after_it(line):
    one = line()
    one.say("one", "two")
    one.close()
    one.lose()
    assert result(collect(one.conn)) == (["one", "two"], None)


def test_a_context_closes(line):
    one = line()

    async def run():
        async with one.conn as conn:
            conn.send("hello")

    running = Deferred.fromCoroutine(run())
    assert one.heard() == ["hello", Frame(b"\x03\xe8", opcode=OP_CLOSE)]
    one.lose()
    assert running.called


# -- keep-alive ------------------------------------------------------------------------------------


def test_a_silent_server_is_dropped(line):
    one = line(keepAlive=30)
    one.clock.advance(30)
    assert one.heard() == [Frame(b"", opcode=OP_PING)]
    one.say(Frame(b"", opcode=OP_PONG))
    one.clock.advance(30)
    assert one.heard() == [Frame(b"", opcode=OP_PING)]
    assert not one.transport.disconnecting
    one.clock.advance(30)
    assert one.transport.disconnecting
    one.lose(ConnectionLost())
    assert one.conn.closeReason == "no sign of life from the server"


def test_a_server_that_is_not_read_is_not_silent(line):
    one = line(keepAlive=30)
    one.say(*["x"] * 16)
    one.clock.pump([30] * 5)
    assert not one.transport.disconnecting


def test_no_pings_after_the_close(line):
    one = line(keepAlive=1, limits=Limits(closeTimeout=10))
    one.close()
    one.heard()
    one.clock.pump([1] * 5)
    assert one.heard() == []


# -- listeners -------------------------------------------------------------------------------------


def test_a_listener_that_fails_is_an_error_and_nothing_else(line):
    one = line()
    seen = []

    def fails(message):
        raise ValueError(message)

    async def failsLater(message):
        raise KeyError(message)

    one.conn.on("message", fails).on("message", failsLater).on("message", seen.append)
    errors = one.listen("error")
    one.say("one")
    assert seen == ["one"]
    assert [type(event[1]) for event in errors] == [ValueError, KeyError]
    one.conn.removeListener("message", fails)
    one.conn.removeListener("message", fails)
    one.say("two")
    assert len(errors) == 3


def test_what_fails_and_nobody_hears_is_logged(line, loggedFailures):
    one = line()
    one.conn.on("message", lambda message: 1 / 0)
    one.say("one")
    assert len(loggedFailures.flush(ZeroDivisionError)) == 1
    one.conn.on("error", lambda exc: [][0])
    one.say("two")
    assert len(loggedFailures.flush(IndexError)) == 1


@given(st.lists(st.binary(), max_size=5), st.booleans())
def test_any_bytes_are_messages_or_the_end(pieces, compressed):
    extension = PerMessageDeflateOptions().agree([("server_no_context_takeover", None)])
    one = Line(extension=extension if compressed else None, keepAlive=1)
    seen = one.listen(*WebSocket.events)
    for piece in pieces:
        one.conn.dataReceived(piece)
    one.lose()
    assert [event[0] for event in seen].count("close") == 1
    assert not one.clock.getDelayedCalls()


def test_a_listener_for_once(line):
    one = line()
    seen = []
    one.conn.once("message", seen.append).once("pong", seen.append)
    one.say("one", Frame(b"pong", opcode=OP_PONG), "two", Frame(b"pong", opcode=OP_PONG))
    assert seen == ["one", b"pong"]
    assert result(one.conn.receive()) == "two"


def test_a_listener_for_once_may_be_removed_before(line):
    one = line()
    seen = []
    one.conn.once("message", seen.append).on("message", print).once("message", seen.append)
    one.conn.removeListener("message", print)
    one.conn.removeListener("message", seen.append)
    one.say("one")
    assert seen == ["one"]


def test_there_is_no_such_event(line):
    with pytest.raises(LocalError, match="'messages'"):
        line().conn.on("messages", print)


def test_a_listener_may_drop_the_connection(line):
    one = line()
    seen = []

    def dropping(message):
        seen.append(message)
        one.conn.abort()

    one.conn.on("message", dropping)
    one.say("one", "two", Frame(b"", opcode=OP_PING))
    assert seen == ["one"]
    assert one.transport.disconnecting
