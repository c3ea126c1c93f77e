"""How many clients fit, and what happens to the one after them."""

from __future__ import annotations

import resource
from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher

from ratchet_py import Limits
from ratchet_py.http import HttpServer, Router
from ratchet_py.http.router import RouteCollection
from ratchet_py.server import EchoServer, IoServer, descriptors
from ratchet_py.testing import RawClient


class SelectReactor(Clock):
    """Named as Twisted's own."""


@pytest.fixture
def limit(monkeypatch):
    """The process's limit, as it says."""
    state = SimpleNamespace(soft=1024, hard=20000, refuse=None)

    def setrlimit(which, limits):
        if state.refuse is not None:
            raise state.refuse
        state.soft, state.hard = limits

    fake = SimpleNamespace(
        RLIMIT_NOFILE=resource.RLIMIT_NOFILE,
        RLIM_INFINITY=resource.RLIM_INFINITY,
        getrlimit=lambda which: (state.soft, state.hard),
        setrlimit=setrlimit,
    )
    monkeypatch.setattr(descriptors, "resource", fake)
    return state


@pytest.fixture
def logged():
    events = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


def test_the_soft_limit_becomes_the_hard_one(limit, logged):
    server = IoServer(EchoServer(), Clock())
    server.prepare()
    assert limit.soft == 20000
    assert server.most == 19900
    (event,) = logged
    assert event["log_format"].format(**event) == (
        "Clock, 20000 descriptors: room for 19900 connections"
    )


def test_a_limit_that_cannot_be_raised(limit, logged):
    limit.refuse = ValueError("not allowed")
    server = IoServer(EchoServer(), Clock())
    server.prepare()
    assert server.most == 924
    assert [event["log_level"] for event in logged] == [LogLevel.warn, LogLevel.info]


def test_select_is_warned_of(limit, logged):
    server = IoServer(EchoServer(), SelectReactor())
    server.prepare()
    assert server.most == 924
    assert [event["log_level"] for event in logged] == [LogLevel.info, LogLevel.warn]


def test_a_small_limit_still_serves(limit):
    limit.soft = limit.hard = 64
    assert descriptors.roomFor(Clock()) == 32


@pytest.mark.parametrize(("descriptors", "refused"), [(20000, 75), (200, 75), (64, 7), (20, 1)])
def test_who_is_refused_does_not_take_the_last_descriptors(limit, descriptors, refused):
    limit.soft = limit.hard = descriptors
    server = IoServer(EchoServer(), Clock())
    server.connections.update(range(server.most))
    assert server.buildProtocol(None) is not None
    assert server._refusing.most == refused
    assert server.most + refused < descriptors


def test_no_limit(limit):
    limit.soft = resource.RLIM_INFINITY
    assert descriptors.roomFor(Clock()) > 1 << 30


def test_a_limit_of_ones_own_counts(limit):
    assert IoServer(EchoServer(), Clock(), Limits(connections=7)).most == 7
    assert IoServer(EchoServer(), Clock(), Limits(connections=100_000)).most == 924


def test_who_is_too_many_is_answered_with_503():
    component = HttpServer(Router(RouteCollection()))
    server = IoServer(component, Clock(), Limits(connections=2))
    clients = [RawClient(server) for _ in range(3)]
    assert [client.data[:12] for client in clients] == [b"", b"", b"HTTP/1.1 503"]
    assert clients[2].isClosed
    assert len(server.connections) == 2
    assert server.tally.refused == {503: 1}
    assert server.tally.exceeded == {"connections": 1}
    clients[0].disconnect()
    assert not RawClient(server).isClosed


def test_a_stack_without_http_has_nothing_to_say():
    server = IoServer(EchoServer(), Clock(), Limits(connections=1))
    clients = [RawClient(server) for _ in range(2)]
    assert [client.isClosed for client in clients] == [False, True]
    assert clients[1].data == b""


def test_so_many_are_refused_at_a_time_and_no_more():
    server = IoServer(HttpServer(Router(RouteCollection())), Clock(), Limits(connections=1))
    RawClient(server)
    refused = [server.buildProtocol(None) for _ in range(75)]
    for protocol in refused:
        server._refusing.connections.add(protocol)
    assert None not in refused
    assert server.buildProtocol(None) is None
    assert server.tally.exceeded == {"connections": 76}
