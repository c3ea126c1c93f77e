"""How long it takes until there is no connection, on a clock of the test's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from ratchet_py.client import ConnectError, Connector
from tests.client.conftest import result

URL = "ws+unix:///nowhere:/path"


@pytest.fixture
def reactor():
    return MemoryReactorClock()


def connected(reactor):
    """The transport of the last attempt, and its protocol."""
    transport = StringTransport()
    protocol = reactor.unixClients[-1][1].buildProtocol(None)
    protocol.makeConnection(transport)
    return transport, protocol


def test_nobody_answers_the_knock(reactor):
    connecting = Connector(reactor, connectTimeout=20)(URL)
    reactor.advance(20)
    error = result(connecting).value
    assert type(error) is ConnectError
    assert str(error) == "ws+unix:///nowhere:/path: no connection within 20 seconds"
    assert isinstance(error.__cause__, TimeoutError)
    assert not reactor.getDelayedCalls()


def test_nobody_answers_the_request(reactor):
    connecting = Connector(reactor)(URL)
    transport, protocol = connected(reactor)
    assert transport.value().startswith(b"GET /path HTTP/1.1\r\nHost: localhost\r\n")
    reactor.advance(9.9)
    assert result(connecting) is None
    reactor.advance(0.1)
    assert "no answer within 10 seconds" in str(result(connecting).value)
    assert transport.disconnecting
    protocol.connectionLost(Failure(ConnectionDone()))
    assert not reactor.getDelayedCalls()


def test_cancelling(reactor):
    connecting = Connector(reactor)(URL)
    connecting.cancel()
    assert result(connecting).check(CancelledError)
    connecting = Connector(reactor)(URL)
    transport, protocol = connected(reactor)
    connecting.cancel()
    assert result(connecting).check(CancelledError)
    assert transport.disconnecting
    protocol.dataReceived(b"HTTP/1.1 101 too late\r\n\r\n")
    protocol.connectionLost(Failure(ConnectionDone()))
    assert not reactor.getDelayedCalls()


@given(st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 400 x\r\n"]), st.lists(st.binary()))
def test_any_bytes_are_no_websocket(start, pieces):
    reactor = MemoryReactorClock()
    connecting = Connector(reactor)(URL)
    _, protocol = connected(reactor)
    for piece in [start, *pieces]:
        protocol.dataReceived(piece)
    protocol.connectionLost(Failure(ConnectionDone()))
    assert isinstance(result(connecting).value, ConnectError)
    assert not reactor.getDelayedCalls()
