"""One tree of errors, so that each fault is answered in one place and in one way.

A :class:`RemoteError` is the other end's fault and carries the answer to it: the HTTP status of a
refused handshake, or the WebSocket close code. A :class:`LocalError` is ours: an application that
asks for what the protocol cannot say. A :class:`CallError` is an application's answer to a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "CallError",
    "HttpError",
    "LocalError",
    "NotAuthorized",
    "ProtocolError",
    "RatchetError",
    "RemoteError",
]


class RatchetError(Exception):
    """The root of the tree."""


class LocalError(RatchetError, ValueError):
    """Our side asked for something that cannot be done: a close code that must not be sent, say."""


class RemoteError(RatchetError):
    """The other end, mostly a client, broke a rule.

    Attributes:
        reason: One line that names the fault; a client is sent it.
        limit: Which of the :class:`~ratchet_py.limits.Limits` was exceeded, to be counted; None if
            it was another kind of fault.
    """

    def __init__(self, reason: str, limit: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.limit = limit


class HttpError(RemoteError):
    """A request that is answered with an HTTP status instead of being served.

    Attributes:
        status: The HTTP status code.
        headers: Header fields that belong to the answer, such as ``Allow``.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        headers: Mapping[str, str] | None = None,
        limit: str | None = None,
    ) -> None:
        super().__init__(reason, limit)
        self.status = status
        self.headers = dict(headers or {})


class ProtocolError(RemoteError):
    """Bytes that break the WebSocket protocol or a subprotocol, answered with a close frame.

    Attributes:
        closeCode: The close code of the answer (RFC 6455 section 7.4.1).
    """

    def __init__(self, closeCode: int, reason: str, limit: str | None = None) -> None:
        super().__init__(reason, limit)
        self.closeCode = closeCode


class CallError(RatchetError):
    """Raised by ``onCall`` to answer a WAMP call with an error.

    Attributes:
        uri: The error URI.
        desc: A description for people.
        details: Any JSON value but null, or None for no details.

    Example:
        >>> raise CallError("http://example.com/error#full", "the room is full")
        Traceback (most recent call last):
        ratchet_py.errors.CallError: http://example.com/error#full: the room is full
    """

    def __init__(self, uri: str, desc: str = "", details: Any = None) -> None:
        super().__init__(f"{uri}: {desc}" if desc else uri)
        self.uri = uri
        self.desc = desc
        self.details = details


class NotAuthorized(CallError):
    """Raised by a callback to refuse a subscription, a publication or a call."""

    def __init__(self, desc: str = "not authorized", details: Any = None) -> None:
        super().__init__("http://api.wamp.ws/error#not-authorized", desc, details)
