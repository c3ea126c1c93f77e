"""What a handler's or a site's answer may be, made one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred

from ratchet_py.dispatch import toDeferred
from ratchet_py.session.interfaces import SessionHandlerInterface
from ratchet_py.session.serialize.interfaces import MalformedSession

__all__ = ["MAX_SIZE", "asked", "readFrom"]

MAX_SIZE = 1024 * 1024
"""Bytes that a session may have; a larger one is not read."""


def asked(function: Callable[[str], object], argument: str) -> Deferred[Any]:
    """Call what may be plain, return a Deferred, or be ``async``."""

    def call() -> object:
        result = function(argument)
        pending = toDeferred(result)
        return result if pending is None else pending

    return maybeDeferred(call)


def readFrom(handler: SessionHandlerInterface, id: str) -> Deferred[bytes]:
    """Read a session's data.

    Args:
        handler: Where it is kept.
        id: A sound id.

    Returns:
        The data, none if there is no such session. It fails with ``MalformedSession`` if that is
        more than a megabyte.
    """
    return asked(handler.read, id).addCallback(_bytes)


def _bytes(data: Any) -> bytes:
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else bytes(data or b"")
    if len(raw) > MAX_SIZE:
        raise MalformedSession(f"more than {MAX_SIZE} bytes")
    return raw
