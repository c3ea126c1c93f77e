"""The open pub/sub: what is published gets to whom it is meant for."""

from __future__ import annotations

import pytest

from ratchet_py.demo import OpenPubSub
from ratchet_py.testing import connect


@pytest.fixture
def one():
    return connect(OpenPubSub())


@pytest.fixture
def two(one):
    return one.another()


@pytest.mark.parametrize("event", ["text", None, {}, [1.0, {"a": []}]])
def test_everybody_who_subscribed_gets_it(one, two, event):
    one.subscribe("t")
    two.subscribe("t")
    one.publish("t", event)
    assert one.received == two.received == [("t", event)]


def test_who_unsubscribed_does_not(one, two):
    two.subscribe("t")
    two.unsubscribe("t")
    one.publish("t", 1)
    assert two.received == []


def test_the_publisher_chooses(one, two):
    one.subscribe("t")
    two.subscribe("t")
    one.publish("t", "not me", True)
    one.publish("t", "not two", [two.sessionId])
    one.publish("t", "two alone", [], [two.sessionId])
    assert one.received == [("t", "not two")]
    assert two.received == [("t", "not me"), ("t", "two alone")]


def test_there_is_nothing_to_call(one):
    uri, desc = one.errors[one.call("add", 1, 2)]
    assert uri == "http://api.wamp.ws/error#NoSuchRPCEndpoint"
    assert "add" in desc


def test_an_error_is_logged(loggedFailures):
    OpenPubSub().onError(None, ValueError("boom"))
    assert len(loggedFailures.flush(ValueError)) == 1
