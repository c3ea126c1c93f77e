"""Django's sessions, in its database or in their cookie."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from typing import Any

from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import Deferred

from ratchet_py.session.handlers.sql_table import SqlTable, blob
from ratchet_py.session.interfaces import SessionsInterface
from ratchet_py.session.serialize.interfaces import MalformedSession
from ratchet_py.session.session import Session
from ratchet_py.session.signing import itsdangerous, unpacked

__all__ = ["DjangoCookieSessions", "DjangoSessions"]

_ID = re.compile(r"[A-Za-z0-9]{8,40}")
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class DjangoSessions(SessionsInterface):
    """Sessions in Django's database: the backends ``db`` and ``cached_db`` (Django 3.1 and later).

    It is in the extra ``ratchet_py[sessions]``; nothing of Django is needed here.

    Django itself also compares ``_auth_user_hash`` with the user's password as it is now, and so
    ends sessions when somebody changes it. Who must know that asks Django.

    Example:
        ::

            pool = adbapi.ConnectionPool("psycopg2", "dbname=site", cp_reconnect=True)
            app.route("/chat", Chat(), session=DjangoSessions(pool, SECRET_KEY))

    Args:
        pool: Connections to the database. Give it ``cp_reconnect=True``, or it never finds back to
            a database that was restarted.
        secretKey: ``SECRET_KEY``.
        name: ``SESSION_COOKIE_NAME``.
        table: The table.
        fallbacks: ``SECRET_KEY_FALLBACKS``.
        timezone: What the times in the database are of, if they do not say it: UTC, but with
            ``USE_TZ = False`` that of ``TIME_ZONE``.
        now: The time, as ``time.time()`` has it.

    Raises:
        LocalError: The name of the table is none.
        ImportError: The extra is missing.
    """

    def __init__(
        self,
        pool: ConnectionPool,
        secretKey: str,
        name: str = "sessionid",
        table: str = "django_session",
        *,
        fallbacks: Iterable[str] = (),
        timezone: tzinfo = UTC,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._table = SqlTable(pool, table, "session_key", "session_data", "expire_date")
        self._signed = _Signed(secretKey, fallbacks, "django.contrib.sessions.SessionStore")
        self._timezone = timezone
        self._now = now

    def find(self, cookie: str) -> Deferred[Session | None] | None:
        """The session of that id."""
        if _ID.fullmatch(cookie) is None:
            return None
        return self._table.row(cookie).addCallback(self._session, cookie)

    def _session(self, row: tuple[Any, ...] | None, id: str) -> Session | None:
        if row is None or self._expiry(row[1]) <= self._now():
            return None
        try:
            data, _ = self._signed.read(blob(row[0]))
        except self._signed.BadSignature:
            raise MalformedSession("signed by another key") from None
        return Session(data, id, self.name)

    def _expiry(self, value: Any) -> float:
        # SQLite knows no times.
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._timezone)
        return float(moment.timestamp())


class DjangoCookieSessions(SessionsInterface):
    """Sessions that Django keeps in the cookie: the backend ``signed_cookies``.

    It is in the extra ``ratchet_py[sessions]``; nothing of Django is needed here.

    Args:
        secretKey: ``SECRET_KEY``.
        name: ``SESSION_COOKIE_NAME``.
        age: ``SESSION_COOKIE_AGE``, seconds.
        fallbacks: ``SECRET_KEY_FALLBACKS``.
        now: The time, as ``time.time()`` has it.

    Raises:
        ImportError: The extra is missing.
    """

    def __init__(
        self,
        secretKey: str,
        name: str = "sessionid",
        age: float = 60 * 60 * 24 * 14,
        *,
        fallbacks: Iterable[str] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._signed = _Signed(
            secretKey, fallbacks, "django.contrib.sessions.backends.signed_cookies"
        )
        self._age = age
        self._now = now

    def find(self, cookie: str) -> Session | None:
        """What is in the cookie."""
        try:
            data, signed = self._signed.read(cookie.encode("utf-8", "replace"))
        except self._signed.BadSignature:
            return None
        return None if signed < self._now() - self._age else Session(data, "", self.name)


class _Signed:
    """What ``django.core.signing.dumps`` has written.

    Attributes:
        BadSignature: What tells that somebody else has.
    """

    def __init__(self, secretKey: str, fallbacks: Iterable[str], salt: str) -> None:
        # It tries the last one first.
        keys = [*reversed(list(fallbacks)), secretKey]
        library = itsdangerous()
        self.BadSignature = library.BadSignature
        self._signer = library.Signer(
            keys, salt=salt, sep=":", key_derivation="django-concat", digest_method=hashlib.sha256
        )

    def read(self, text: bytes) -> tuple[dict[str, Any], int]:
        """The session, and when it was signed.

        Raises:
            BadSignature: By somebody else, or it is something else.
            MalformedSession: It was signed, and is no session.
        """
        payload, _, stamp = self._signer.unsign(text).rpartition(b":")
        raw = unpacked(payload)
        try:
            data = json.loads(raw.decode("latin-1"))
            signed = 0
            for digit in stamp.decode():
                signed = signed * 62 + _BASE62.index(digit)
        except (RecursionError, ValueError) as exc:
            raise MalformedSession(f"not what Django's JSONSerializer writes: {exc}") from None
        if not isinstance(data, dict):
            raise MalformedSession("no object")
        return data, signed
