"""When a client connects again, on a clock of the test's."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail

from ratchet_py.client import (
    BackOff,
    ConnectError,
    ConnectionClosed,
    HandshakeError,
    ReconnectingClient,
)
from ratchet_py.errors import LocalError
from ratchet_py.rfc6455 import Frame
from tests.client.conftest import result

STEADY = BackOff(jitter=0)


class Watched(ReconnectingClient):
    """Notes its events."""

    def __init__(self, connector, **options):
        options.setdefault("backOff", STEADY)
        super().__init__("ws://host/", ["chat"], {"X": "y"}, connector, **options)
        self.seen = []
        self.on("open", lambda conn: self.seen.append("open"))
        self.on("close", lambda code, reason: self.seen.append(code))
        self.on("error", lambda exc: self.seen.append(type(exc)))


def test_it_connects_and_says_so(connector):
    client = Watched(connector)
    waiting = client.whenOpen()
    assert not connector.attempts
    assert client.start() is client
    assert connector.asked == [("ws://host/", ["chat"], {"X": "y"})]
    with pytest.raises(ConnectionClosed, match="not connected"):
        client.send("too early")
    one = connector.accept()
    assert result(waiting) is client.conn is one.conn
    assert result(client.whenOpen()) is one.conn
    client.send("hello")
    assert one.heard() == ["hello"]
    with pytest.raises(LocalError):
        client.stop(1006)
    stopped = client.stop(4000, "enough")
    assert one.heard()[0].closeCode == 4000
    one.lose()
    assert stopped.called
    assert client.seen == ["open", 1006]
    assert result(client.whenOpen()).check(ConnectionClosed)
    assert client.conn is None
    with pytest.raises(LocalError, match="once"):
        client.start()


def test_a_lost_connection_is_made_anew_with_growing_pauses(connector):
    client = Watched(connector).start()
    connector.accept().lose()
    for seconds in (0.5, 1, 2, 4, 8, 16, 30, 30, 30):
        count = len(connector.attempts)
        connector.reactor.advance(seconds - 0.001)
        assert len(connector.attempts) == count
        connector.reactor.advance(0.001)
        assert len(connector.attempts) == count + 1
        connector.refuse()
    assert client.seen == ["open", 1006, *[ConnectError] * 9]
    client.stop()


def test_the_pauses_begin_anew_after_a_success(connector):
    client = Watched(connector).start()
    for _ in range(6):
        connector.refuse()
        connector.reactor.advance(30)
    one = connector.accept()
    connector.reactor.advance(5)
    one.lose()
    connector.reactor.advance(0.5)
    assert len(connector.attempts) == 8
    client.stop()


def test_being_dropped_at_once_is_no_success(connector):
    client = Watched(connector).start()
    for seconds in (0.5, 1, 2):
        connector.accept().lose()
        connector.reactor.advance(seconds - 0.001)
        count = len(connector.attempts)
        connector.reactor.advance(0.001)
        assert len(connector.attempts) == count + 1
    client.stop()


def test_jitter_spreads_the_pauses():
    delays = {BackOff(jitter=0.5).delay(10) for _ in range(100)}
    assert len(delays) > 90
    assert 15 <= min(delays) < max(delays) <= 30
    assert BackOff(factor=10).delay(10**9) <= 30


@pytest.mark.parametrize("code", [1000, 1008])
def test_a_farewell_is_final(connector, code):
    client = Watched(connector).start()
    one = connector.accept()
    one.close(code)
    one.lose()
    assert client.seen == ["open", code]
    assert result(client.whenOpen()).value.code == code


def test_whether_to_come_back_can_be_decided(connector):
    asked = []

    def decide(reason):
        asked.append(reason)
        return getattr(reason, "status", None) != 403

    client = Watched(connector, shouldReconnect=decide).start()
    one = connector.accept()
    one.close(1000)
    one.lose()
    connector.reactor.advance(1)
    refusal = HandshakeError("no", 403)
    connector.refuse(refusal)
    assert asked[1] is refusal
    assert client.seen == ["open", 1000, HandshakeError]
    assert result(client.whenOpen()).value is refusal


def test_a_decision_that_fails_is_a_no(connector):
    client = Watched(connector, shouldReconnect=lambda reason: 1 / 0).start()
    connector.refuse()
    assert client.seen == [ZeroDivisionError, ConnectError]


def test_giving_up(connector):
    client = Watched(connector, backOff=BackOff(jitter=0, maxAttempts=2)).start()
    waiting = client.whenOpen()
    for _ in range(3):
        connector.refuse()
        connector.reactor.advance(1)
    assert result(waiting).check(ConnectError)
    assert len(connector.attempts) == 3


def test_opening_tells_of_a_first_attempt_that_fails(connector):
    client = Watched(connector)
    opening, again = client.open(), client.open()
    connector.refuse()
    assert result(opening).check(ConnectError)
    assert result(again).check(ConnectError)
    assert not connector.reactor.getDelayedCalls()
    assert result(client.open()).check(ConnectError)


def test_what_has_been_open_is_made_anew(connector):
    client = Watched(connector)
    opening = client.open()
    connector.accept()
    assert result(opening) is client
    connector.lines[0].lose()
    connector.reactor.advance(0.5)
    connector.refuse()
    connector.reactor.advance(1)
    assert len(connector.attempts) == 3
    client.stop()


def test_opening_fails_with_what_on_open_raises(connector):
    opening = Watched(connector, onOpen=lambda conn: 1 / 0).open()
    connector.accept().lose()
    assert result(opening).check(ZeroDivisionError)
    assert not connector.reactor.getDelayedCalls()


def test_a_context(connector):
    async def run():
        async with Watched(connector) as client:
            client.send("hello")

    running = Deferred.fromCoroutine(run())
    one = connector.accept()
    assert [type(record) for record in one.heard()] == [str, Frame]
    one.lose()
    assert running.called
    failing = Deferred.fromCoroutine(run())
    connector.refuse()
    assert result(failing).check(ConnectError)


def test_on_open_comes_first_and_may_take_its_time(connector):
    done = Deferred()
    seen = []

    async def subscribe(conn):
        conn.on("message", seen.append)
        conn.send("subscribe")
        await done

    client = Watched(connector, onOpen=subscribe).start()
    waiting = client.whenOpen()
    one = connector.accept()
    one.say("event")
    assert one.heard() == ["subscribe"]
    assert (seen, client.seen, result(waiting)) == (["event"], [], None)
    done.callback(None)
    assert client.seen == ["open"]
    assert result(waiting) is one.conn
    client.stop()
    one.lose()


@pytest.mark.parametrize("failing", [lambda conn: 1 / 0, lambda conn: fail(ZeroDivisionError())])
def test_on_open_fails(connector, failing):
    client = Watched(connector, onOpen=failing).start()
    one = connector.accept()
    assert one.heard()[0].closeCode == 1001
    one.lose()
    assert client.seen == [1006, ZeroDivisionError]
    connector.reactor.advance(0.5)
    assert len(connector.attempts) == 2
    client.stop()


def test_on_open_waits_for_what_will_not_come(connector):
    cancelled = []
    client = Watched(connector, onOpen=lambda conn: Deferred(cancelled.append)).start()
    one = connector.accept()
    one.lose()
    assert cancelled
    assert client.seen == [1006]
    client.stop()


@pytest.mark.parametrize("when", ["never started", "connecting", "waiting", "in a listener"])
def test_it_can_be_stopped_at_any_time(connector, when):
    client = Watched(connector)
    waiting = client.whenOpen()
    if when != "never started":
        client.start()
    if when == "in a listener":
        client.on("error", lambda exc: client.stop())
        connector.refuse()
    elif when == "waiting":
        connector.refuse()
    assert client.stop().called
    assert result(waiting).type in (ConnectionClosed, ConnectError)
    assert not connector.reactor.getDelayedCalls()
    if when == "connecting":
        assert result(connector.attempts[0]) is None
    with pytest.raises(LocalError):
        client.start()


def test_waiting_can_be_cancelled(connector):
    client = Watched(connector)
    waiting = client.whenOpen()
    waiting.cancel()
    assert result(waiting).check(CancelledError)
    client.start()
    connector.accept().close()
    connector.lines[0].lose()


@pytest.mark.parametrize("fate", ["accept", "refuse"])
def test_who_is_told_may_cancel_another(connector, fate):
    client = Watched(connector, backOff=BackOff(maxAttempts=0)).start()
    first, second = client.whenOpen(), client.whenOpen()
    second.addErrback(lambda _: None)
    first.addBoth(lambda _: second.cancel())
    getattr(connector, fate)()
    assert first.called
    assert second.called
    client.stop()


def test_a_connection_that_is_closing_is_not_open(connector):
    client = Watched(connector).start()
    one = connector.accept()
    one.close(1001)
    waiting = client.whenOpen()
    one.lose()
    connector.reactor.advance(0.5)
    two = connector.accept()
    assert result(waiting) is two.conn
    client.stop()
    two.lose()


def test_a_url_that_is_none_is_told_at_once():
    from twisted.internet import reactor

    from ratchet_py.client import Connector

    with pytest.raises(LocalError):
        ReconnectingClient("http://host/", connector=Connector(reactor)).start()


def test_what_nobody_listens_to_is_logged(connector):
    from twisted.logger import globalLogPublisher

    events = []
    globalLogPublisher.addObserver(events.append)
    client = ReconnectingClient("ws://host/", connector=connector).start()
    connector.refuse()
    client.stop()
    globalLogPublisher.removeObserver(events.append)
    assert [str(event["exc"]) for event in events] == ["nobody there"]
