"""What a client can ask for, whichever version of WAMP it speaks: data without behaviour.

The records are :class:`msgspec.Struct` because one is made for every message: they are frozen,
have slots, and cost a tenth of a frozen dataclass.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

__all__ = [
    "Abort",
    "Authenticate",
    "Call",
    "Cancel",
    "Command",
    "EndSubscription",
    "Goodbye",
    "Hello",
    "Prefix",
    "Publish",
    "Refusal",
    "Subscribe",
    "Unsubscribe",
]


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
    """Subscribe to a topic.

    Attributes:
        topic: A URI or CURIE.
        request: What the answer is to carry; None in version 1, which has no answer.
    """

    topic: str
    request: int | None = None


class Unsubscribe(Struct, frozen=True):
    """Unsubscribe from a topic, a URI or CURIE."""

    topic: str


class EndSubscription(Struct, frozen=True):
    """Unsubscribe, as version 2 says it.

    Attributes:
        request: What the answer is to carry.
        subscription: The number of the subscription.
    """

    request: int
    subscription: int


class Publish(Struct, frozen=True):
    """Publish an event.

    Attributes:
        topic: A URI or CURIE.
        event: Any JSON value.
        exclude: Session ids that are not to get it. The client chooses what is in the list, so it
            may hold things that are no session id.
        eligible: The only session ids that are to get it, likewise; empty for everybody.
        excludeMe: Whether the publisher's own session is excluded.
        request: What the answer is to carry; None if none is wanted.
    """

    topic: str
    event: Any
    exclude: list[Any] = []
    eligible: list[Any] = []
    excludeMe: bool = False
    request: int | None = None


class Hello(Struct, frozen=True):
    """Open a session (version 2).

    Attributes:
        realm: Where.
        authid: Who the client says it is; empty if it does not.
        authmethods: How it can prove that.
        forgetsCanceled: Whether it is a client that must not hear of a call again once it has
            canceled it, unless with the mode ``kill``.
    """

    realm: str
    authid: str = ""
    authmethods: list[str] = []
    forgetsCanceled: bool = False


class Authenticate(Struct, frozen=True):
    """Answer a challenge (version 2)."""

    signature: str


class Cancel(Struct, frozen=True):
    """Cancel a call (version 2).

    Attributes:
        id: The call's.
        mode: ``skip``: what is running goes on; ``kill``, ``killnowait``: it is to stop, and the
            client does or does not wait until it has; None if the client has named none.
    """

    id: int
    mode: str | None


class Goodbye(Struct, frozen=True):
    """End the session, and have it confirmed (version 2)."""

    reason: str


class Abort(Struct, frozen=True):
    """End the session (version 2)."""

    reason: str


class Refusal(Struct, frozen=True):
    """What the client wants cannot be had here, as the codec can tell (version 2).

    Attributes:
        kind: The type of its message.
        request: What the answer is to carry; None if none is wanted.
        uri: The error.
        desc: The reason for people.
    """

    kind: int
    request: int | None
    uri: str
    desc: str


Command: TypeAlias = (
    Prefix
    | Call
    | Subscribe
    | Unsubscribe
    | Publish
    | Hello
    | Authenticate
    | EndSubscription
    | Cancel
    | Goodbye
    | Abort
    | Refusal
)
