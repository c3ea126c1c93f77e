"""What a broker has from the interface."""

from ratchet_py.broker import BrokerInterface, Publication, Reach


class Plain(BrokerInterface):
    """What a broker must have, and no more."""

    def __init__(self):
        self.published = []

    def setReceiver(self, receiver): ...

    def scoped(self, name): ...

    def publish(self, topic, publication):
        self.published.append((topic, publication))

    def subscribe(self, topic): ...

    def unsubscribe(self, topic): ...


def test_a_broker_that_cannot_count_says_so():
    broker = Plain()
    told = []
    broker.publishConfirmed("news", Publication(1)).addCallback(told.append)
    assert told == [Reach(0, isConfirmed=False)]
    assert broker.published == [("news", Publication(1))]
