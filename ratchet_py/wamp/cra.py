"""What both ends of WAMP-CRA know: the procedures of version 1, and how a challenge is signed.

The arithmetic is Autobahn's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autobahn.wamp.auth import compute_wcs, derive_key

from ratchet_py.errors import RemoteError

__all__ = ["AUTH", "AUTHREQ", "sign"]

AUTHREQ = "http://api.wamp.ws/procedure#authreq"
"""Called with the user's name, or null to be anonymous, and an object of the client's own."""

AUTH = "http://api.wamp.ws/procedure#auth"
"""Called with the signature, or null to be anonymous."""

# The server says how much work the client is to do, half a second of it at most.
_MAX_ITERATIONS = 1_000_000
_MAX_KEYLEN = 1_024


def sign(secret: str, challenge: str, salted: Mapping[str, Any] | None = None) -> str:
    """Answer a challenge, as a client does.

    Args:
        secret: What the user types.
        challenge: As the server has sent it.
        salted: ``salt``, ``iterations`` and ``keylen``, if the server keeps a salted key.

    Returns:
        The signature.

    Raises:
        RemoteError: The salt or its parameters are none, or would take too long.

    Example:
        >>> sign("secret", "{}")
        'dzJZAsrKgS3CWXM6rNBGtzgXNyx3e42VtAJkdHRRbhM='
    """
    key: str | bytes = secret
    if salted and "salt" in salted:
        salt = salted["salt"]
        iterations = salted.get("iterations", 10_000)
        keylen = salted.get("keylen", 32)
        if (
            not isinstance(salt, str)
            or not _isWithin(iterations, _MAX_ITERATIONS)
            or not _isWithin(keylen, _MAX_KEYLEN)
        ):
            raise RemoteError("the challenge has a salt that cannot be used")
        key = derive_key(secret, salt, iterations, keylen)
    signature: bytes = compute_wcs(key, challenge)
    return signature.decode("ascii")


def _isWithin(value: object, most: int) -> bool:
    return type(value) is int and 1 <= value <= most
