"""Keep-alive: pings, and what counts as life. Time is a clock, but for one real ping."""

from __future__ import annotations

import pytest
import pytest_twisted

from ratchet_py.limits import Limits
from ratchet_py.server import IoServer
from ratchet_py.testing import connect
from ratchet_py.websocket import WsServer
from tests.integration.wire import PING, PONG, frame, text

INTERVAL = 30


@pytest_twisted.ensureDeferred
async def test_a_silent_client_is_pinged_and_then_dropped(serve, echo):
    served = await serve(echo, limits=Limits(keepAlive=0.05))
    client = await served.open()
    assert await client.frame() == (PING, b"", True, 0)
    await client.end(clean=False)
    await echo.until("close")
    assert echo.events == ["open", "close"]


@pytest_twisted.ensureDeferred
async def test_a_client_that_answers_stays(serve, echo):
    served = await serve(echo, limits=Limits(keepAlive=0.05))
    client = await served.open()
    for _ in range(4):
        assert await client.frame() == (PING, b"", True, 0)
        client.send(frame(PONG))
    client.send(text("still here"))
    assert await client.next() == "still here"


LIFE = {
    "the pong": [frame(PONG)],
    "another pong": [frame(PONG, b"unasked")],
    "a ping": [frame(PING, b"a")],
    "a message": [text("a")],
    "a fragment": [frame(1, b"a", fin=False)],
    "a byte of a frame": [b"\x81"],
    "bytes of a large message": [frame(2, b"a" * 10, announce=70000, form=64)],
}


@pytest.mark.parametrize("life", LIFE.values(), ids=LIFE)
def test_any_byte_is_life(echo, life):
    client = connect(echo)
    client.sendLater = lambda data: None  # it does not answer pings by itself
    client.clock.advance(INTERVAL)
    assert client.pings == [b""]
    for data in life:
        client.sendBytes(data)
    client.clock.advance(INTERVAL)
    assert client.pings == [b"", b""]
    assert not client.isClosed
    client.clock.advance(INTERVAL)
    client.clock.advance(0)
    assert client.isClosed


def test_a_client_that_is_not_read_is_not_dropped(echo):
    client = connect(echo)
    client.sendLater = lambda data: None
    client.connection.pauseReading()
    for _ in range(5):
        client.clock.advance(INTERVAL)
    assert not client.isClosed
    client.connection.resumeReading()
    client.clock.advance(INTERVAL)
    client.clock.advance(INTERVAL)
    client.clock.advance(0)
    assert client.isClosed


def test_one_client_may_die_and_the_other_live(echo):
    client, other = connect(echo), None
    other = client.another()
    client.sendLater = lambda data: None
    for _ in range(3):
        client.clock.advance(INTERVAL)
        client.clock.advance(0)
    assert client.isClosed
    assert not other.isClosed
    assert len(other.pings) == 3


def test_no_timer_is_left_when_nobody_is_there(echo):
    client = connect(echo)
    assert client.clock.getDelayedCalls()
    client.close()
    client.clock.advance(0)
    assert client.isClosed
    assert not client.clock.getDelayedCalls()


def test_a_ws_server_alone_has_none(echo):
    client = connect(WsServer(echo))
    assert not client.clock.getDelayedCalls()
    for _ in range(10):
        client.clock.advance(INTERVAL)
    assert client.pings == []
    assert not client.isClosed
    assert isinstance(client.server, IoServer)


def test_it_can_be_enabled_as_in_ratchet(echo):
    server = WsServer(echo)
    client = connect(server)
    server.enableKeepAlive(client.server.loop, 7)
    client.clock.advance(7)
    assert client.pings == [b""]
