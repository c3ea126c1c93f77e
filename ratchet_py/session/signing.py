"""What Django and Flask have signed: how they do it, and what they put into it."""

from __future__ import annotations

import binascii
import zlib
from typing import Any

from ratchet_py.session.serialize.interfaces import MalformedSession
from ratchet_py.session.stored import MAX_SIZE

__all__ = ["itsdangerous", "unpacked"]

_FROM_URL = bytes.maketrans(b"-_", b"+/")


def itsdangerous() -> Any:
    """The library that knows how they sign.

    Raises:
        ImportError: It is not installed.
    """
    try:
        import itsdangerous
    except ImportError:
        raise ImportError(
            "sessions of Django and Flask need itsdangerous: pip install 'ratchet_py[sessions]'"
        ) from None
    return itsdangerous


def unpacked(payload: bytes) -> bytes:
    r"""Undo the base64 of what was signed, and the compression, which a point in front tells of.

    Raises:
        MalformedSession: It is not packed like this, or it is more than a session may be.

    Example:
        >>> unpacked(b"eyJhIjogMX0")
        b'{"a": 1}'
    """
    isCompressed = payload.startswith(b".")
    try:
        raw = binascii.a2b_base64(payload[isCompressed:].translate(_FROM_URL) + b"==")
        if isCompressed:
            raw = zlib.decompressobj().decompress(raw, MAX_SIZE + 1)
    except (ValueError, zlib.error) as exc:
        raise MalformedSession(f"not packed as Django and Flask do: {exc}") from None
    if len(raw) > MAX_SIZE:
        raise MalformedSession(f"more than {MAX_SIZE} bytes")
    return raw
