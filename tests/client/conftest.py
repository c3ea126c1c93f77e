"""A WebSocket in memory, whose server is the test."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from ratchet_py.client.errors import ConnectError
from ratchet_py.client.response import Response
from ratchet_py.client.web_socket import Agreed, WebSocket
from ratchet_py.http.request import Headers, Request
from ratchet_py.limits import DEFAULT_LIMITS
from ratchet_py.rfc6455.frame import OP_BINARY, OP_CLOSE, OP_TEXT, Frame, encode
from ratchet_py.rfc6455.message_buffer import MessageBuffer


class Line:
    """A WebSocket, and what its server does and sees."""

    def __init__(self, limits=DEFAULT_LIMITS, extension=None, theirs=None, **options):
        self.clock = Clock()
        self.transport = StringTransport()
        agreed = Agreed(
            Request(b"GET / HTTP/1.1\r\n\r\n"), Response(101, "", Headers("")), "chat", extension
        )
        self.conn = WebSocket(self.transport, self.clock, agreed, limits, **options)
        self.events = []
        # A server's: it wants masks.
        self._buffer = MessageBuffer(extension=theirs)

    def listen(self, *names):
        """Note the events of these names."""
        for name in names:
            self.conn.on(name, lambda *args, name=name: self.events.append((name, *args)))
        return self.events

    def say(self, *messages):
        """The server sends messages, or frames, in one read."""
        self.conn.dataReceived(b"".join(map(self._encode, messages)))

    def close(self, code=1000, reason=b""):
        """The server sends a close frame."""
        self.say(Frame(b"" if code is None else code.to_bytes(2) + reason, opcode=OP_CLOSE))

    def heard(self):
        """What the server has got since it was asked last."""
        data = self.transport.value()
        self.transport.clear()
        return self._buffer.receive(data)

    def lose(self, reason=None):
        """The connection ends."""
        self.conn.connectionLost(Failure(reason or ConnectionDone()))

    @property
    def isReading(self):
        return self.transport.producerState == "producing"

    @staticmethod
    def _encode(message):
        if isinstance(message, Frame):
            return message.getContents()
        if isinstance(message, str):
            return encode(message.encode(), OP_TEXT)
        return encode(message, OP_BINARY)


@pytest.fixture
def line():
    """``line(...)`` makes a :class:`Line`; they are all lost at the end."""
    lines = []

    def make(*args, **options):
        lines.append(Line(*args, **options))
        return lines[-1]

    yield make
    for each in lines:
        if each.conn.closeCode is None:
            each.lose()
        assert not each.clock.getDelayedCalls()


def result(deferred):
    """What a Deferred has fired with; a Failure if it has failed, None if it has not fired."""
    results = []
    if deferred.called:
        deferred.addBoth(results.append)
        if results and not isinstance(results[0], Failure):
            # Who asks again gets it again.
            deferred.addCallback(lambda _: results[0])
    return results[0] if results else None


class FakeConnector:
    """Opens what the test says, when the test says so.

    Attributes:
        attempts: A Deferred for each connection that was asked for.
        lines: The connections that were made.
    """

    def __init__(self, clock, line):
        self.reactor = clock
        self.limits = DEFAULT_LIMITS
        self.attempts = []
        self.asked = []
        self.lines = []
        self._line = line

    def __call__(self, url, subProtocols=(), headers=None):
        self.asked.append((url, subProtocols, headers))
        self.attempts.append(Deferred())
        return self.attempts[-1]

    def accept(self):
        """The last attempt succeeds."""
        self.lines.append(self._line())
        self.attempts[-1].callback(self.lines[-1].conn)
        return self.lines[-1]

    def refuse(self, error=None):
        """The last attempt fails."""
        self.attempts[-1].errback(error or ConnectError("nobody there"))


@pytest.fixture
def connector(line):
    fake = FakeConnector(Clock(), line)
    yield fake
    assert not fake.reactor.getDelayedCalls()
