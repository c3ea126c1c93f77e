"""The table of Symfony's handler for SQL databases."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import Deferred

from ratchet_py.session.handlers.sql_table import SqlTable, blob
from ratchet_py.session.interfaces import SessionHandlerInterface

__all__ = ["PdoSessionHandler"]

# Ten years, as Symfony has it: what is less is not a time but how long from another one on, as
# Symfony kept it before 4.4.
_LONGEST = 315_576_000


class PdoSessionHandler(SessionHandlerInterface):
    r"""Sessions in a table of an SQL database (``Symfony\...\PdoSessionHandler``).

    Any DB-API module serves; each asks in the threads of its pool.

    Example:
        ::

            pool = adbapi.ConnectionPool("psycopg2", "dbname=site", cp_reconnect=True)
            SessionProvider(WsServer(Chat()), PdoSessionHandler(pool))

    Args:
        pool: Connections to the database. Give it ``cp_reconnect=True``, or it never finds back to
            a database that was restarted.
        db_table: As Symfony's option of that name; so are the others.
        db_id_col: The column of the id.
        db_data_col: The column of the data, binary.
        db_lifetime_col: The column of the time until which it counts, or, before Symfony 4.4, for
            how many seconds.
        db_time_col: The column of the time when it was written.
        now: The time, as ``time.time()`` has it.

    Raises:
        LocalError: A name of a table or column is none.
    """

    def __init__(
        self,
        pool: ConnectionPool,
        db_table: str = "sessions",
        db_id_col: str = "sess_id",
        db_data_col: str = "sess_data",
        db_lifetime_col: str = "sess_lifetime",
        db_time_col: str = "sess_time",
        now: Callable[[], float] = time.time,
    ) -> None:
        self._table = SqlTable(pool, db_table, db_id_col, db_data_col, db_lifetime_col, db_time_col)
        self._now = now

    def read(self, id: str) -> Deferred[bytes]:
        """Read a session's row."""
        return self._table.row(id).addCallback(self._data)

    def _data(self, row: tuple[Any, ...] | None) -> bytes:
        if row is None:
            return b""
        data, lifetime, written = row
        expiry = int(lifetime) if int(lifetime) > _LONGEST else int(lifetime) + int(written)
        return b"" if expiry < self._now() else blob(data)
