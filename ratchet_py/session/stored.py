"""What a handler's or a site's answer may be, made one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.threads import deferToThread

from ratchet_py.dispatch import toDeferred
from ratchet_py.session.interfaces import SessionHandlerInterface
from ratchet_py.session.serialize.interfaces import MalformedSession

__all__ = ["MAX_SIZE", "asked", "readFrom"]

_T = TypeVar("_T")

MAX_SIZE = 256 * 1024
"""Bytes that a session may have; a larger one is not read, as each connection keeps its own."""

# To decode a megabyte takes a quarter of a second.
_LONG = 32 * 1024


def asked(function: Callable[[str], object], argument: str) -> Deferred[Any]:
    """Call what may be plain, return a Deferred, or be ``async``."""

    def call() -> object:
        result = function(argument)
        pending = toDeferred(result)
        return result if pending is None else pending

    return maybeDeferred(call)


def readFrom(
    handler: SessionHandlerInterface, id: str, decode: Callable[[bytes, str], _T]
) -> Deferred[_T | None]:
    """Read and decode a session's data.

    Args:
        handler: Where it is kept.
        id: A sound id.
        decode: Called with the data and the id; for much of it, in a thread.

    Returns:
        What that makes of it; None if there is no such session. It fails with ``MalformedSession``
        if there is more than :data:`MAX_SIZE`.
    """
    return asked(handler.read, id).addCallback(_decoded, id, decode)


def _decoded(data: Any, id: str, decode: Callable[[bytes, str], _T]) -> Any:
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else bytes(data or b"")
    if len(raw) > MAX_SIZE:
        raise MalformedSession(f"more than {MAX_SIZE} bytes")
    if not raw:
        return None
    return decode(raw, id) if len(raw) < _LONG else deferToThread(decode, raw, id)
