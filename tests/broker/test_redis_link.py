"""When the link tries again, on a clock; ``test_redis`` has the rest, on a real Redis."""

from itertools import pairwise

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from ratchet_py.broker.redis_address import RedisAddress
from ratchet_py.broker.redis_link import Link

PONG = b"+PONG\r\n"


class Endpoint:
    """Refuses, or connects to a transport of the test's."""

    def __init__(self, clock):
        self.attempts = []
        self.accepts = False
        self.protocol = None
        self._clock = clock

    def connect(self, factory):
        self.attempts.append(self._clock.seconds())
        if not self.accepts:
            return fail(ConnectionRefusedError())
        self.protocol = factory.buildProtocol(None)
        self.protocol.makeConnection(StringTransport())
        return succeed(self.protocol)

    def lose(self):
        self.protocol.connectionLost(Failure(ConnectionResetError("gone")))


class Linked:
    """A link, and what it has told."""

    def __init__(self):
        self.clock = Clock()
        self.endpoint = Endpoint(self.clock)
        self.told = []
        self.link = Link(
            RedisAddress("h"),
            self.endpoint,
            self.clock,
            5.0,
            lambda: self.told.append("up"),
            lambda reason: self.told.append(str(reason)),
            self.told.append,
        )

    def pauses(self, times):
        """How long it waits before each of the next attempts."""
        begin = len(self.endpoint.attempts) - 1
        while len(self.endpoint.attempts) <= begin + times:
            (call,) = self.clock.getDelayedCalls()
            self.clock.advance(call.getTime() - self.clock.seconds())
        attempts = self.endpoint.attempts[begin:]
        return [after - before for before, after in pairwise(attempts)]

    def accept(self):
        """Have the next attempt succeed."""
        self.endpoint.accepts = True
        self.pauses(1)
        self.endpoint.protocol.dataReceived(PONG)


@pytest.fixture
def linked():
    linked = Linked()
    linked.link.start()
    return linked


def test_it_backs_off_with_jitter(linked):
    pauses = linked.pauses(12)
    longest = [min(10, 0.1 * 2**attempt) for attempt in range(12)]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, longest, strict=True))
    assert pauses != linked.pauses(12)
    other = Linked()
    other.link.start()
    assert pauses != other.pauses(12)


def test_it_is_up_when_redis_has_answered(linked):
    linked.endpoint.accepts = True
    linked.pauses(1)
    assert not linked.link.isUp
    assert b"PING" in linked.endpoint.protocol.transport.value()
    linked.endpoint.protocol.dataReceived(PONG)
    assert linked.link.isUp
    assert linked.told[-1] == "up"
    linked.endpoint.protocol.dataReceived(b":3\r\n")
    assert linked.told[-1] == 3


def test_after_a_long_time_it_begins_with_short_pauses(linked):
    linked.pauses(8)
    linked.accept()
    for _ in range(5):
        linked.clock.advance(4)
        linked.endpoint.protocol.dataReceived(PONG)
    linked.endpoint.accepts = False
    linked.endpoint.lose()
    assert linked.told[-1] == "gone"
    assert linked.pauses(1)[0] - 20 <= 0.1


def test_who_throws_us_out_at_once_is_not_tried_faster(linked):
    linked.pauses(8)
    linked.accept()
    linked.endpoint.lose()
    linked.endpoint.accepts = False
    assert linked.pauses(1)[0] >= 5


def test_silence_is_a_loss(linked):
    linked.accept()
    transport = linked.endpoint.protocol.transport
    linked.clock.advance(5)
    assert not transport.disconnecting
    linked.clock.advance(5)
    assert transport.disconnecting
    linked.endpoint.lose()
    assert linked.told[-1] == "silent for 5 seconds"


def test_who_was_busy_has_one_more_look(linked):
    linked.accept()
    transport = linked.endpoint.protocol.transport
    linked.clock.advance(5)
    # Due together with the beat, and read right after it.
    linked.clock.callLater(5, linked.endpoint.protocol.dataReceived, PONG)
    linked.clock.advance(5)
    assert not transport.disconnecting
    assert transport.value().count(b"PING") == 3


def test_it_stays_stopped(linked):
    stopped = linked.link.stop()
    assert stopped.called
    assert linked.clock.getDelayedCalls() == []
    assert linked.link.stop().called


def test_to_stop_while_it_connects():
    linked = Linked()
    linked.endpoint.connect = lambda factory: Deferred()
    linked.link.start()
    assert linked.link.stop().called
    assert linked.clock.getDelayedCalls() == []


def test_to_stop_waits_for_the_connection_to_end(linked):
    linked.accept()
    stopped = linked.link.stop()
    assert not stopped.called
    assert linked.endpoint.protocol.transport.disconnecting
    linked.endpoint.lose()
    assert stopped.called
    assert linked.clock.getDelayedCalls() == []
    assert linked.told[-1] == "up"


def test_to_move_while_it_waits_is_to_wait_no_longer(linked):
    linked.pauses(8)
    linked.link.move("new")
    (call,) = linked.clock.getDelayedCalls()
    assert call.getTime() - linked.clock.seconds() <= 0.1


def test_to_move_while_it_connects_is_to_begin_anew():
    linked = Linked()
    begun = []

    def connect(factory):
        begun.append(Deferred())
        return begun[-1]

    linked.endpoint.connect = connect
    linked.link.start()
    linked.link.move("new")
    linked.clock.advance(0.1)
    assert len(begun) == 2
    linked.link.stop()


def test_to_move_is_to_go_from_elsewhere_and_nowhere_else(linked):
    linked.pauses(8)
    linked.accept()
    transport = linked.endpoint.protocol.transport
    linked.endpoint.protocol.server = "old"
    linked.link.move("old")
    assert not transport.disconnecting
    linked.link.move("new")
    assert transport.disconnecting
    linked.endpoint.lose()
    assert linked.told[-1] == "the master is new now"
    linked.endpoint.accepts = False
    assert linked.pauses(1)[0] <= 0.1


def test_what_is_stopped_does_not_move(linked):
    linked.link.stop()
    linked.link.move("new")
    assert linked.clock.getDelayedCalls() == []
