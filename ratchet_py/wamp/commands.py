"""What a client can ask for, whichever version of WAMP it speaks: data without behaviour.

The records are :class:`msgspec.Struct` because one is made for every message: they are frozen,
have slots, and cost a tenth of a frozen dataclass.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

__all__ = ["Call", "Command", "Prefix", "Publish", "Subscribe", "Unsubscribe"]


class Prefix(Struct, frozen=True):
    """From now on ``name:rest`` means a URI that begins with ``uri``."""

    name: str
    uri: str


class Call(Struct, frozen=True):
    """Call a procedure.

    Attributes:
        id: What the answer is to carry, as the client gave it.
        procedure: A URI or CURIE.
        params: What ``onCall`` gets.
    """

    id: str | int | float
    procedure: str
    params: Any


class Subscribe(Struct, frozen=True):
    """Subscribe to a topic, a URI or CURIE."""

    topic: str


class Unsubscribe(Struct, frozen=True):
    """Unsubscribe from a topic, a URI or CURIE."""

    topic: str


class Publish(Struct, frozen=True):
    """Publish an event.

    Attributes:
        topic: A URI or CURIE.
        event: Any JSON value.
        exclude: Session ids that are not to get it. The client chooses what is in the list, so it
            may hold things that are no session id.
        eligible: The only session ids that are to get it, likewise; empty for everybody.
        excludeMe: Whether the publisher's own session is excluded.
    """

    topic: str
    event: Any
    exclude: list[Any] = []
    eligible: list[Any] = []
    excludeMe: bool = False


Command: TypeAlias = Prefix | Call | Subscribe | Unsubscribe | Publish
