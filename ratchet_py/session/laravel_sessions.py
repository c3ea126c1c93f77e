"""Laravel's sessions, whose cookie is encrypted."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import unquote

from twisted.internet.defer import Deferred

from ratchet_py.session.interfaces import SessionHandlerInterface, SessionsInterface
from ratchet_py.session.laravel_encrypter import LaravelEncrypter
from ratchet_py.session.serialize.interfaces import MalformedSession
from ratchet_py.session.serialize.unserialize import unserialize
from ratchet_py.session.session import Session
from ratchet_py.session.stored import readFrom

__all__ = ["LaravelSessions"]

_ID = re.compile(r"[A-Za-z0-9]{40}")


class LaravelSessions(SessionsInterface):
    """The sessions of a site that is made with Laravel (6.18.31 and later).

    The cookie is decrypted and its tag checked, as ``EncryptCookies`` of Laravel does; one that is
    forged, or that was made for another cookie of the site, finds no session.

    Example:
        ::

            sessions = LaravelSessions(
                LaravelFileSessionHandler("/srv/site/storage/framework/sessions"),
                os.environ["APP_KEY"],
            )
            app.route("/chat", Chat(), session=sessions)

    Args:
        handler: Where they are kept: ``LaravelFileSessionHandler``,
            ``LaravelDatabaseSessionHandler`` or ``RedisSessionHandler``.
        appKey: ``APP_KEY``, with its ``base64:``.
        name: The cookie, ``SESSION_COOKIE``.
        cipher: ``app.cipher``: ``AES-256-CBC``, ``AES-128-CBC``, ``AES-256-GCM``, ``AES-128-GCM``.
        serialization: ``session.serialization``.
        encrypt: ``SESSION_ENCRYPT``: whether the data is encrypted, too.
        previousKeys: ``APP_PREVIOUS_KEYS``.

    Raises:
        LocalError: The cipher is unknown, or a key is none for it.
    """

    def __init__(
        self,
        handler: SessionHandlerInterface,
        appKey: str,
        name: str = "laravel_session",
        *,
        cipher: str = "AES-256-CBC",
        serialization: Literal["php", "json"] = "php",
        encrypt: bool = False,
        previousKeys: Iterable[str] = (),
    ) -> None:
        self.name = name
        self._handler = handler
        self._encrypter = LaravelEncrypter([appKey, *previousKeys], cipher)
        self._isJson = serialization == "json"
        self._isEncrypted = encrypt

    def find(self, cookie: str) -> Deferred[Session | None] | None:
        """The session whose id is in the cookie."""
        try:
            plain, key = self._encrypter.decrypt(unquote(cookie))
            # Where the site says EncryptCookies::$serialize.
            plain = _unwrapped(plain)
        except MalformedSession:
            return None
        # What tells this cookie from others that the site has encrypted.
        tag = hmac.new(key, self.name.encode() + b"v2", hashlib.sha1).hexdigest() + "|"
        found = plain.decode("latin-1")
        id = found[len(tag) :]
        if not hmac.compare_digest(found[: len(tag)].encode(), tag.encode()):
            return None
        if _ID.fullmatch(id) is None:
            return None
        return readFrom(self._handler, id, self._session)

    def _session(self, raw: bytes, id: str) -> Session:
        # Laravel's cache, which keeps the sessions in Redis, serializes what it is given, too.
        raw = _unwrapped(raw)
        if self._isEncrypted:
            raw = _unwrapped(self._encrypter.decrypt(raw)[0])
        if self._isJson:
            try:
                data = json.loads(raw)
            except (ValueError, RecursionError) as exc:
                raise MalformedSession(f"no JSON: {exc}") from None
        else:
            data = unserialize(raw)
        if isinstance(data, list):
            data = dict(enumerate(data))
        if not isinstance(data, dict):
            raise MalformedSession("no array")
        return Session(data, id, self.name)


def _unwrapped(raw: bytes) -> bytes:
    if not raw.startswith(b"s:"):
        return raw
    text: Any = unserialize(raw)
    return text.encode() if isinstance(text, str) else bytes(text)
