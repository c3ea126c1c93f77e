"""Who may push."""

from __future__ import annotations

import hmac
import math
import re
import time
from collections.abc import Callable
from heapq import heappop, heappush

from ratchet_py.errors import HttpError, LocalError
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.push.signature import SIGNATURE, TIMESTAMP, sign

__all__ = ["PushCredentials"]

_TOKEN = re.compile(r"[!-~]+")
_TIMESTAMP = re.compile(r"[0-9]{1,11}(\.[0-9]{1,9})?")

# Of a signature, what is remembered.
_DIGITS = 32


class PushCredentials:
    """What a push must show: a token, or a signature that only who knows the secret can make.

    A token comes with every push, so the way there must be private: the loopback, or TLS. A
    signature speaks for one body at one time. It counts once, and only within ``window``; what has
    been seen is remembered in this process, so after a restart, and in each other process, it
    counts once more within that time.

    If both are given, either will do.

    Example:
        >>> credentials = PushCredentials(secret="not so secret", now=lambda: 1700000001)
        >>> body = b'{"topic":"news","event":1}'
        >>> signature = sign("not so secret", "1700000000", body)
        >>> credentials.check(body, timestamp="1700000000", signature=signature)
        >>> credentials.check(body, timestamp="1700000000", signature=signature)
        Traceback (most recent call last):
        ratchet_py.errors.HttpError: this signature was used before

    Args:
        token: The token.
        secret: The secret.
        window: Seconds that the time of a signature may be off ours, in both directions.
        limits: ``pushSignatures`` is what counts here.
        now: The time, in seconds since 1970.

    Raises:
        LocalError: Neither is given, or one is empty, or the token cannot stand in a header.
    """

    def __init__(
        self,
        token: str | None = None,
        secret: str | None = None,
        window: float = 60.0,
        limits: Limits = DEFAULT_LIMITS,
        now: Callable[[], float] = time.time,
    ) -> None:
        if token is None and secret is None:
            raise LocalError("pushes take a token or a secret")
        if secret == "" or (token is not None and not _TOKEN.fullmatch(token)):
            raise LocalError("a secret is not empty, a token has visible ASCII characters only")
        self._token = None if token is None else token.encode()
        self._secret = secret
        self._window = window
        self._now = now
        self._seen = _Memory(limits.pushSignatures)

    def check(
        self,
        body: bytes,
        *,
        authorization: str | None = None,
        timestamp: str | None = None,
        signature: str | None = None,
    ) -> None:
        """Let a push in or not.

        Args:
            body: The body of the request.
            authorization: Its ``Authorization``, which is ``Bearer`` and the token.
            timestamp: Its ``Ratchet-Timestamp``.
            signature: Its ``Ratchet-Signature``; see :func:`~ratchet_py.push.signature.sign`.

        Raises:
            HttpError: 401, and why.
        """
        if self._secret is not None and (signature is not None or self._token is None):
            self._checkSignature(self._secret, body, timestamp or "", signature or "")
            return
        scheme, _, token = (authorization or "").strip().partition(" ")
        given = token.strip().encode("utf-8")
        assert self._token is not None
        if scheme.lower() != "bearer" or not hmac.compare_digest(given, self._token):
            raise _refusal("this needs the token: Authorization: Bearer ...")

    def _checkSignature(self, secret: str, body: bytes, timestamp: str, signature: str) -> None:
        if not _TIMESTAMP.fullmatch(timestamp):
            raise _refusal(f"this needs a {TIMESTAMP}: seconds since 1970, and a {SIGNATURE}")
        expected = sign(secret, timestamp, body)
        given = signature.lower().encode()
        if not hmac.compare_digest(given, expected.encode()):
            raise _refusal(f"the {SIGNATURE} is not that of this {TIMESTAMP} and body")
        now, when = self._now(), float(timestamp)
        if abs(now - when) > self._window:
            raise _refusal(f"the {TIMESTAMP} is {when - now:+.1f} s off the time here")
        fault = self._seen.fault(expected[:_DIGITS], when, now - self._window)
        if fault is not None:
            raise fault


class _Memory:
    """The signatures that were used."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used: set[str] = set()
        self._byTime: list[tuple[float, str]] = []
        # What is no younger than this may have been forgotten.
        self._floor = -math.inf

    def fault(self, signature: str, when: float, oldest: float) -> HttpError | None:
        """Remember a signature; what speaks against it if it cannot be a new one.

        Args:
            signature: The signature.
            when: When it was made.
            oldest: What is older need not be remembered.
        """
        while self._byTime and self._byTime[0][0] < oldest:
            self._forget()
        if when <= self._floor:
            limit = "pushSignatures"
            return _refusal(f"too many pushes to remember: this {TIMESTAMP} is too old", limit)
        if signature in self._used:
            return _refusal("this signature was used before")
        self._used.add(signature)
        heappush(self._byTime, (when, signature))
        if len(self._byTime) > self._size:
            self._forget()
        return None

    def _forget(self) -> None:
        self._floor, signature = heappop(self._byTime)
        self._used.discard(signature)


def _refusal(reason: str, limit: str | None = None) -> HttpError:
    return HttpError(401, reason, {"WWW-Authenticate": "Bearer"}, limit)
