"""The numbers by which clients of version 2 know the topics they have subscribed to."""

from __future__ import annotations

__all__ = ["SubscriptionNumbers"]


class SubscriptionNumbers:
    """A number for each topic.

    A topic has one for all its subscribers, so that all can be sent the same message, as long as
    somebody holds it. No number is ever used again.
    """

    __slots__ = ("_holders", "_last", "_numbers")

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._holders: dict[str, int] = {}
        self._last = 0

    def take(self, topic: str) -> int:
        """Hold a topic's number."""
        number = self._numbers.get(topic)
        if number is None:
            self._last = number = self._last + 1
            self._numbers[topic] = number
        self._holders[topic] = self._holders.get(topic, 0) + 1
        return number

    def release(self, topic: str) -> None:
        """Let it go, as often as it was taken."""
        self._holders[topic] -= 1
        if not self._holders[topic]:
            del self._holders[topic], self._numbers[topic]

    def get(self, topic: str) -> int:
        """A topic's number; 0, which is none, if nobody holds it."""
        return self._numbers.get(topic, 0)

    def __len__(self) -> int:
        return len(self._numbers)
