"""Every size, count and time that bounds what a client can make the server keep or wait for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_LIMITS", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a stack; safe by default, replaced one by one.

    Sizes are bytes, times are seconds. What answers a client that passes a limit stands at each.

    Example:
        >>> Limits(messageSize=64 * 1024).messageSize
        65536
        >>> Limits().headSize
        16384

    Attributes:
        headSize: A request's line and header fields: 431.
        handshakeTimeout: From the connection to the end of the request head: 408. From there to
            the end of WAMP's own greeting, or authentication where it must be: close 1008.
        messageSize: A message, as announced and as inflated: close 1009.
        frameSize: One frame of a message, likewise: close 1009.
        fragments: Frames in one message: close 1009.
        sendBuffer: Bytes that may already wait when a message is sent: close 1013.
        stallTimeout: Bytes wait and the client has taken none for so long: dropped.
        closeTimeout: From our close to the client's: dropped.
        keepAlive: Between two pings of ``App``; twice as long without a byte: dropped.
        subscriptions: WAMP subscriptions of one connection: close 1008.
        prefixes: WAMP prefixes of one connection: close 1008.
        topicLength: Characters of a topic, a procedure, a prefix or a realm: close 1007.
        jsonDepth: How deep JSON may nest: close 1007.
        callsInFlight: Unanswered calls of one connection: reading pauses.
        sessionTimeout: A ``SessionProvider`` looks for a client's session: 503.
        sessionLookups: Look-ups of one ``SessionProvider`` at a time: who comes meanwhile waits,
            within ``sessionTimeout``.
        connections: Clients of one server: 503. None for as many as there may be in any case: what
            the process's limit of descriptors allows, less 100.
        pushSize: The body of a push from outside: 413.
        pushBatch: Events in one push: 413.
        pushTimeout: Until the application has decided about a push: 503. Until the broker has
            confirmed it: the answer says that it has not.
        pushesInFlight: Pushes that have no answer yet: 503.
        pushSignatures: Signatures of pushes that are remembered; of more, the oldest count as too
            old: 401.
    """

    headSize: int = 16 * 1024
    handshakeTimeout: float = 10.0
    messageSize: int = 16 * 1024 * 1024
    frameSize: int = 16 * 1024 * 1024
    fragments: int = 100_000
    sendBuffer: int = 8 * 1024 * 1024
    stallTimeout: float = 60.0
    closeTimeout: float = 5.0
    keepAlive: float = 30.0
    subscriptions: int = 10_000
    prefixes: int = 100
    topicLength: int = 1_024
    jsonDepth: int = 511
    callsInFlight: int = 1_000
    sessionTimeout: float = 10.0
    sessionLookups: int = 5
    connections: int | None = None
    pushSize: int = 1024 * 1024
    pushBatch: int = 1_000
    pushTimeout: float = 5.0
    pushesInFlight: int = 100
    pushSignatures: int = 100_000


DEFAULT_LIMITS = Limits()
