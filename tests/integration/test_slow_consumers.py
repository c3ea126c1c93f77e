"""Clients that do not take what they are sent: memory stays within its limit, others are served."""

from __future__ import annotations

import sys

import pytest
import pytest_twisted
from twisted.internet.error import ConnectionDone

from ratchet_py.interfaces import MessageComponentInterface
from ratchet_py.limits import Limits
from ratchet_py.testing import connect, connectRaw
from tests.integration.conftest import Echo
from tests.integration.wire import CLOSE, PING, PONG, frame, text

MIB = 1024 * 1024

# Sends 200 messages of a MiB to each client that has asked for it, a message a turn of the reactor.
# All at once it would be one callback, and what is measured here is what stays after one.
PROGRAM = """
from os import urandom
from twisted.internet import reactor
from ratchet_py import App, Limits
from ratchet_py.interfaces import MessageComponentInterface
from ratchet_py.websocket import WsServer

class Flood(MessageComponentInterface):
    def onOpen(self, conn): pass
    def onMessage(self, conn, msg):
        if msg == "flood":
            self.flood(conn, 200)
        else:
            conn.send(msg)
    def flood(self, conn, left):
        if left:
            conn.send(urandom(1 << 20))
            reactor.callLater(0, self.flood, conn, left - 1)
        else:
            print("sent", conn.bufferedAmount, server.dropped, flush=True)
    def onClose(self, conn): print("closed", flush=True)
    def onError(self, conn, exc): print("error", exc, flush=True)

app = App("localhost", 0)
server = WsServer(Flood(), Limits(closeTimeout=60), compression=None, slowConsumers={policy!r})
app.route("/", server)
reactor.callWhenRunning(lambda: print("port", app.server.ports[0].getHost().port, flush=True))
app.run()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
@pytest.mark.parametrize("policy", ["close", "drop"])
@pytest_twisted.ensureDeferred
async def test_who_reads_nothing_costs_the_limit_and_no_more(spawn, policy):
    process, remote = await spawn(PROGRAM.format(policy=policy))
    bystander = await remote.open()
    stalled = await remote.open()
    stalled.transport.pauseProducing()
    process.forgetPeak()
    before = process.memory("VmHWM")
    stalled.send(text("flood"))
    for number in range(100):
        bystander.send(text(str(number)))
        assert await bystander.next() == str(number)
    waits, dropped = map(int, (await process.said(r"sent (\d+) (\d+)")).groups())
    # The message that is being sent may go beyond, and is there three times while it is framed.
    assert 8 * MIB < waits < 10 * MIB
    assert process.memory("VmHWM") - before < (8 + 1 + 3 + 2) * MIB
    assert "closed" not in process.output
    # What was accepted arrives, in whole messages, when it is read at last.
    stalled.transport.resumeProducing()
    got = 0
    while dropped or got < 200:
        received = await stalled.frame()
        if received.opcode == CLOSE:
            assert int.from_bytes(received.payload[:2], "big") == 1013
            break
        assert len(received.payload) == MIB
        got += 1
        if policy == "drop" and got == 200 - dropped:
            break
    assert 8 < got < 20
    if policy == "drop":
        stalled.send(text("again"))
        assert await stalled.next() == "again"


@pytest.mark.parametrize(
    ("one", "answers"),
    [
        (frame(PING, bytes(125)), frame(PONG, bytes(125), mask=None)),
        (text("a" * 1000), None),
    ],
    ids=["pings", "messages"],
)
def test_who_asks_without_reading_is_not_read(one, answers):
    """What it wants answered waits in its own memory, not in ours."""
    client = connect(Echo())
    (conn,) = client.server.connections
    before = len(client.data)
    client.stall()
    client.sendBytes(one * (2 * MIB // len(one)))
    assert conn.readingPaused
    assert conn.bufferedAmount < 200_000
    client.unstall()
    client.clock.pump([0] * 1000)
    assert not conn.readingPaused
    assert conn.bufferedAmount == 0
    if answers is not None:
        assert client.data[before:] == answers * (2 * MIB // len(one))
    else:
        assert len(client.received) == 2 * MIB // len(one)


class Streams(MessageComponentInterface):
    """Sends as long as the client takes it."""

    def __init__(self):
        self.sent = 0
        self.most = 0
        self.ended = None

    def onOpen(self, conn):
        pass

    async def onMessage(self, conn, msg):
        while True:
            conn.send(bytes(100_000))
            self.sent += 1
            self.most = max(self.most, conn.bufferedAmount)
            await conn.whenDrained()
            # An in-memory client takes everything at once, and would never let us out of here.
            if self.sent % 50 == 0:
                conn.transport.stall()

    def onClose(self, conn):
        pass

    def onError(self, conn, exc):
        self.ended = exc


def streaming(connect):
    streams = Streams()
    client = connect(streams, raiseErrors=False)
    for conn in client.server.connections:
        conn.transport = client
    return client, streams


def test_a_component_may_wait_for_the_client():
    client, streams = streaming(connect)
    client.send("go")
    assert streams.sent == 51
    client.unstall()
    assert streams.sent == 101
    # One message at a time, although 100 were sent.
    assert streams.most <= 100_010
    assert client.received == [bytes(100_000)] * 100
    client.disconnect()
    assert streams.ended is not None


@pytest.mark.parametrize("how", ["close", "abort"])
def test_who_waits_for_a_client_that_goes_does_not_stop_the_reactor(how):
    """After the close nothing is sent, so nothing ever waits: an endless loop of sends, if let."""
    client, streams = streaming(connect)
    client.send("go")
    (conn,) = client.server.connections
    getattr(conn.outermost, how)()
    for _ in range(10):
        client.clock.advance(1)
    assert client.isClosed
    assert isinstance(streams.ended, Exception)
    sent = streams.sent
    client.clock.pump([1] * 5)
    assert streams.sent == sent


def test_to_wait_for_a_raw_connection_that_is_closed():
    streams = Streams()
    client = connectRaw(streams, raiseErrors=False)
    (conn,) = client.server.connections
    conn.transport = client
    client.sendBytes(b"go")
    assert streams.sent == 51
    conn.close()
    client.unstall()
    client.clock.pump([0] * 10)
    assert client.isClosed
    assert isinstance(streams.ended, ConnectionDone)


def test_what_is_sent_while_bytes_are_read_is_waited_for_too():
    class Once(Echo):
        def onMessage(self, conn, msg):
            conn.send(msg)
            self.drained = conn.whenDrained()
            self.waits = conn.bufferedAmount

    once = Once()
    client = connect(once, limits=Limits())
    client.send("a" * 1000)
    assert client.received == ["a" * 1000]
    assert once.waits == 0
    assert once.drained.called
