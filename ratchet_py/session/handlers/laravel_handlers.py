"""Laravel's files and its table of sessions."""

from __future__ import annotations

import binascii
import re
import time
from collections.abc import Callable
from typing import Any

from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from ratchet_py.errors import LocalError
from ratchet_py.session.handlers.session_file import ownerId, readSessionFile
from ratchet_py.session.handlers.sql_table import SqlTable, blob
from ratchet_py.session.interfaces import SessionHandlerInterface
from ratchet_py.session.serialize.interfaces import MalformedSession

__all__ = ["LaravelDatabaseSessionHandler", "LaravelFileSessionHandler"]

_ID = re.compile(r"[A-Za-z0-9]{1,256}")


class LaravelFileSessionHandler(SessionHandlerInterface):
    r"""``SESSION_DRIVER=file`` (``Illuminate\Session\FileSessionHandler``).

    Files are read in the threads of the reactor; whose files count is as for
    :class:`~ratchet_py.session.NativeFileSessionHandler`.

    Args:
        path: ``storage/framework/sessions`` of the site.
        lifetime: Minutes, ``SESSION_LIFETIME``.
        owner: Whose files count, too: a name or a number.
        now: The time, as ``time.time()`` has it.

    Raises:
        LocalError: There is no such user.
    """

    def __init__(
        self,
        path: str,
        lifetime: float = 120,
        owner: str | int | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = path
        self._lifetime = 60 * lifetime
        self._now = now
        try:
            self._owner = ownerId(owner)
        except LookupError:
            raise LocalError(f"there is no user {owner!r}") from None

    def read(self, id: str) -> Deferred[bytes] | bytes:
        """Read a session's file in a thread."""
        if _ID.fullmatch(id) is None:
            return b""
        return deferToThread(readSessionFile, self._folder, id, self._owner, self._isFresh)

    def _isFresh(self, written: float) -> bool:
        return written >= self._now() - self._lifetime


class LaravelDatabaseSessionHandler(SessionHandlerInterface):
    r"""``SESSION_DRIVER=database`` (``Illuminate\Session\DatabaseSessionHandler``).

    Args:
        pool: Connections to the database. Give it ``cp_reconnect=True``, or it never finds back to
            a database that was restarted.
        table: ``SESSION_TABLE``.
        lifetime: Minutes, ``SESSION_LIFETIME``.
        now: The time, as ``time.time()`` has it.

    Raises:
        LocalError: The name of the table is none.
    """

    def __init__(
        self,
        pool: ConnectionPool,
        table: str = "sessions",
        lifetime: float = 120,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._table = SqlTable(pool, table, "id", "payload", "last_activity")
        self._lifetime = 60 * lifetime
        self._now = now

    def read(self, id: str) -> Deferred[bytes]:
        """Read a session's row."""
        return self._table.row(id).addCallback(self._data)

    def _data(self, row: tuple[Any, ...] | None) -> bytes:
        if row is None or int(row[1]) < self._now() - self._lifetime:
            return b""
        try:
            return binascii.a2b_base64(blob(row[0]))
        except binascii.Error as exc:
            raise MalformedSession(f"no base64: {exc}") from None
