"""The contract of what carries a topic's events beyond one process."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, succeed

__all__ = ["BrokerInterface", "Publication", "Reach", "newPublicationId"]


def newPublicationId() -> int:
    """A random id of a publication: 1 to 2 to the power of 53."""
    return random.getrandbits(53) + 1


@dataclass(frozen=True, slots=True)
class Publication:
    """One event on its way to the subscribers of a topic.

    Attributes:
        event: Any JSON value.
        exclude: Session ids that are not to get it.
        eligible: The only session ids that are to get it; empty for everybody.
        id: Names it to clients of version 2; 0 if none of them is to be told. A broker between
            processes sends :func:`newPublicationId` along where it is 0.
    """

    event: Any
    exclude: Sequence[str] = ()
    eligible: Sequence[str] = ()
    id: int = field(default=0, compare=False)


class Reach(NamedTuple):
    """Whom a publication has reached.

    Attributes:
        nodes: How many processes were told: those that have subscribers to the topic.
        isConfirmed: Whether these are all. Where the engine is away, or does not answer, there may
            be others, which were not told.
    """

    nodes: int
    isConfirmed: bool = True


class BrokerInterface(ABC):
    """Carries events between the processes that serve one application.

    What ``publish`` is given reaches the receiver of every process that has subscribed to the
    topic, this one included. Per publisher and topic the order is kept; delivery is at most once.
    """

    @abstractmethod
    def setReceiver(self, receiver: Callable[[str, Publication], object]) -> None:
        """Say who gets what arrives; called once, before anything else.

        Args:
            receiver: Called with the topic and the publication.
        """

    @abstractmethod
    def scoped(self, name: str) -> BrokerInterface:
        """A broker over the same engine whose topics are apart from this one's.

        ``App`` takes one for each WAMP route, so that two routes may have topics of the same name.

        Args:
            name: Tells the topics apart; the same in every process, the route's path for instance.
        """

    @abstractmethod
    def publish(self, topic: str, publication: Publication) -> None:
        """Send an event to all who have subscribed to the topic. It does not wait for them."""

    def publishConfirmed(self, topic: str, publication: Publication) -> Deferred[Reach]:
        """As :meth:`publish`, for who wants to know whom it has reached.

        A broker that cannot tell need not have it.

        Returns:
            A Deferred of that. It does not fail.
        """
        self.publish(topic, publication)
        return succeed(Reach(0, False))

    @abstractmethod
    def subscribe(self, topic: str) -> None:
        """This process has its first subscriber to the topic."""

    @abstractmethod
    def unsubscribe(self, topic: str) -> None:
        """This process has lost its last subscriber to the topic."""
