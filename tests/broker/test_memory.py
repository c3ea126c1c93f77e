import pytest

from ratchet_py.broker import MemoryBroker, Publication
from ratchet_py.errors import LocalError


def test_delivers_in_the_same_call():
    broker = MemoryBroker()
    received = []
    broker.setReceiver(lambda topic, publication: received.append((topic, publication)))
    broker.subscribe("news")
    publication = Publication("rain")
    broker.publish("news", publication)
    assert received == [("news", publication)]
    assert received[0][1] is publication


def test_what_the_receiver_raises_comes_through():
    broker = MemoryBroker()
    broker.setReceiver(lambda topic, publication: 1 / 0)
    broker.subscribe("news")
    with pytest.raises(ZeroDivisionError):
        broker.publish("news", Publication("rain"))


def test_without_a_receiver_nobody_gets_it():
    broker = MemoryBroker()
    broker.subscribe("news")
    broker.publish("news", Publication("rain"))


def test_serves_one_receiver():
    broker = MemoryBroker()
    broker.setReceiver(print)
    with pytest.raises(LocalError, match="a broker of its own"):
        broker.setReceiver(print)


def test_unsubscribing_from_the_unknown_is_nothing():
    MemoryBroker().unsubscribe("news")
