"""Flask's sessions, in their cookie."""

from __future__ import annotations

import hashlib
import json
import uuid
from base64 import b64decode
from collections.abc import Callable, Iterable
from email.utils import parsedate_to_datetime
from typing import Any

from ratchet_py.session.interfaces import SessionsInterface
from ratchet_py.session.serialize.interfaces import MalformedSession
from ratchet_py.session.session import Session
from ratchet_py.session.signing import itsdangerous, unpacked

__all__ = ["FlaskSessions"]


class FlaskSessions(SessionsInterface):
    """Sessions that Flask keeps in the cookie, signed; the extra ``ratchet_py[sessions]``.

    Nothing of Flask is needed here.

    Example:
        ::

            app.route("/chat", Chat(), session=FlaskSessions(SECRET_KEY))

    Args:
        secretKey: ``SECRET_KEY``.
        name: ``SESSION_COOKIE_NAME``.
        lifetime: ``PERMANENT_SESSION_LIFETIME``, seconds.
        fallbacks: ``SECRET_KEY_FALLBACKS``.

    Raises:
        ImportError: The extra is missing.
    """

    def __init__(
        self,
        secretKey: str | bytes,
        name: str = "session",
        lifetime: int = 60 * 60 * 24 * 31,
        *,
        fallbacks: Iterable[str | bytes] = (),
    ) -> None:
        self.name = name
        self._lifetime = lifetime
        library = itsdangerous()
        self._badSignature = library.BadSignature
        self._signer = library.TimestampSigner(
            # It tries the last one first.
            [*reversed(list(fallbacks)), secretKey],
            salt="cookie-session",
            key_derivation="hmac",
            digest_method=hashlib.sha1,
        )

    def find(self, cookie: str) -> Session | None:
        """What is in the cookie."""
        try:
            payload = self._signer.unsign(cookie, max_age=self._lifetime)
        except self._badSignature:
            return None
        try:
            data = _untagged(json.loads(unpacked(payload)))
        except Exception as exc:
            # A tag may hold anything.
            raise MalformedSession(f"not what Flask writes: {exc}") from None
        if not isinstance(data, dict):
            raise MalformedSession("no object")
        return Session(data, "", self.name)


def _untagged(value: Any) -> Any:
    """JSON in which an object with one name that begins with a space is something else."""
    if isinstance(value, list):
        return [_untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, inner),) = value.items()
        if tag in _TAGS:
            return _TAGS[tag](inner)
    return {name: _untagged(item) for name, item in value.items()}


def _escaped(value: Any) -> Any:
    """An object that has only the name of a tag, and two underscores after it."""
    return {name.removesuffix("__"): _untagged(item) for name, item in value.items()}


_TAGS: dict[str, Callable[[Any], Any]] = {
    " di": _escaped,
    " t": lambda value: tuple(map(_untagged, value)),
    " b": b64decode,
    " m": str,
    " u": uuid.UUID,
    " d": parsedate_to_datetime,
}
