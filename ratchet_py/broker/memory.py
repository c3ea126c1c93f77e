"""The broker of an application that lives in one process."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed

from ratchet_py.broker.interfaces import BrokerInterface, Publication, Reach
from ratchet_py.errors import LocalError

__all__ = ["MemoryBroker"]


class MemoryBroker(BrokerInterface):
    """Hands what is published to the receiver in the same call.

    Example:
        >>> broker = MemoryBroker()
        >>> broker.setReceiver(lambda topic, publication: print(topic, publication.event))
        >>> broker.subscribe("news")
        >>> broker.publish("news", Publication("rain"))
        news rain
        >>> broker.publish("sport", Publication("1:0"))
    """

    def __init__(self) -> None:
        self._receiver: Callable[[str, Publication], object] | None = None
        self._topics: set[str] = set()

    def setReceiver(self, receiver: Callable[[str, Publication], object]) -> None:
        """Say who gets what is published.

        Raises:
            LocalError: There is a receiver already: a broker serves one WampServer.
        """
        if self._receiver is not None:
            raise LocalError("this broker has a receiver: give each WampServer a broker of its own")
        self._receiver = receiver

    def scoped(self, name: str) -> MemoryBroker:
        """A broker of its own: in one process there is nothing to share."""
        return MemoryBroker()

    def publish(self, topic: str, publication: Publication) -> None:
        """Call the receiver, if it has subscribed to the topic; what it raises comes through."""
        if self._receiver is not None and topic in self._topics:
            self._receiver(topic, publication)

    def publishConfirmed(self, topic: str, publication: Publication) -> Deferred[Reach]:
        """As :meth:`publish`; this process is the only one."""
        self.publish(topic, publication)
        return succeed(Reach(int(topic in self._topics)))

    def subscribe(self, topic: str) -> None:
        """The receiver wants this topic."""
        self._topics.add(topic)

    def unsubscribe(self, topic: str) -> None:
        """The receiver does not want this topic any more."""
        self._topics.discard(topic)
