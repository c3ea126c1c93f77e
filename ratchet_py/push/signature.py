"""How a push is signed, for both ends."""

from __future__ import annotations

import hmac

__all__ = ["SIGNATURE", "TIMESTAMP", "sign"]

TIMESTAMP = "Ratchet-Timestamp"
"""The header with the time: seconds since 1970, with up to nine digits after a point."""

SIGNATURE = "Ratchet-Signature"
"""The header with what :func:`sign` says."""


def sign(secret: str, timestamp: str, body: bytes) -> str:
    r"""The HMAC-SHA256, in hexadecimal digits, of the timestamp, a line feed and the body.

    Args:
        secret: What both ends know.
        timestamp: The header, as it is sent.
        body: The body, likewise.

    Example:
        >>> sign("secret", "1700000000.25", b'{"topic":"news","event":1}')[:16]
        'ce67daf9c0e03164'
    """
    return hmac.digest(secret.encode(), b"%b\n%b" % (timestamp.encode(), body), "sha256").hex()
