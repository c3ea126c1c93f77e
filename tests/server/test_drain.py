"""How many clients are told goodbye, when, and when it is over."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from ratchet_py import App, Limits
from ratchet_py.interfaces import MessageComponentInterface
from ratchet_py.testing import WebSocketClient

LIMITS = Limits(closeTimeout=3600, keepAlive=3600)


class Sends(MessageComponentInterface):
    def __init__(self):
        self.conns = []

    def onOpen(self, conn):
        self.conns.append(conn)

    def onMessage(self, conn, msg):
        conn.send("x" * int(msg))

    def onClose(self, conn):
        self.conns.remove(conn)

    def onError(self, conn, exc):
        raise exc


class Many:
    """An App with so many clients, and what happens when it is closed."""

    def __init__(self, count, drainSeconds=9.0):
        self.clock = Clock()
        self.sends = Sends()
        self.app = App(None, reactor=self.clock, limits=LIMITS, drainSeconds=drainSeconds)
        self.app.route("/", self.sends, ["*"])
        self.server = self.app.server
        self.clients = [WebSocketClient(self.server) for _ in range(count)]
        self.ended = []

    def close(self):
        self.app.close().addCallback(self.ended.append)

    @property
    def told(self):
        return sum(client.closeCode == 1001 for client in self.clients)


def test_few_are_told_at_once():
    many = Many(100)
    many.close()
    assert many.told == 100
    assert many.server.draining
    many.clock.advance(0)
    assert many.ended == [None]
    assert not many.server.draining
    many.clock.advance(0)
    assert not many.clock.getDelayedCalls()


def test_nobody_is_soon_told():
    many = Many(0)
    many.close()
    assert many.ended == [None]
    assert not many.clock.getDelayedCalls()


def test_many_are_told_bit_by_bit():
    many = Many(450)
    many.close()
    counts = [many.told]
    assert counts == [100]
    times = []
    while many.told < 450:
        many.clock.advance(0.001)
        if many.told != counts[-1]:
            counts.append(many.told)
            times.append(many.clock.seconds())
    assert counts == [100, 200, 300, 400, 450]
    pauses = [later - earlier for earlier, later in zip([0, *times], times, strict=False)]
    assert all(0.04 < pause < 0.17 for pause in pauses)
    assert len({round(pause, 6) for pause in pauses}) > 1
    assert many.clock.seconds() < 9 / 2
    many.clock.advance(0)
    assert many.ended == [None]


def test_the_time_is_for_all_of_them():
    many = Many(450, drainSeconds=0.6)
    many.close()
    many.clock.pump([0.01] * 31)
    assert many.told == 450


def test_who_has_something_to_take_gets_it_first():
    many = Many(3)
    for client in many.clients[:2]:
        client.stall()
        client.send("1000000")
    many.close()
    assert many.told == 1
    many.clock.advance(3)
    # It is not told yet, so its application may go on.
    many.sends.conns[0].send("one more")
    many.clients[0].unstall()
    assert [len(msg) for msg in many.clients[0].received] == [1_000_000, 8]
    assert many.told == 2
    many.clients[1].disconnect()
    many.clock.advance(0)
    assert many.ended == [None]


@pytest.mark.parametrize("count", [1, 450])
def test_who_takes_nothing_is_dropped_in_time(count):
    many = Many(count)
    slow = many.clients[0]
    slow.stall()
    slow.send("1000000")
    many.close()
    many.clock.advance(4.4)
    assert slow.transport.disconnected is False
    assert not many.sends.conns[0].WebSocket.closing
    many.clock.advance(0.2)
    assert many.sends.conns[0].WebSocket.closing
    many.clock.advance(4.3)
    assert many.ended == []
    many.clock.advance(0.2)
    many.clock.advance(0)
    assert many.ended == [None]


def test_a_second_call_waits_for_the_same():
    many = Many(101)
    many.close()
    many.close()
    many.clock.pump([0.1] * 10)
    assert many.told == 101
    assert many.ended == [None, None]


def test_abort_cuts_it_short():
    many = Many(450)
    many.close()
    many.app.abort()
    many.clock.advance(0)
    assert many.ended == [None]
    many.clock.advance(0)
    assert not many.clock.getDelayedCalls()
