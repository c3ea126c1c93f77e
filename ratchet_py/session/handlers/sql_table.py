"""One row of a table of sessions, through any DB-API module."""

from __future__ import annotations

import re
from typing import Any

from twisted.enterprise.adbapi import ConnectionLost, ConnectionPool
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ratchet_py.errors import LocalError

__all__ = ["SqlTable", "blob"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(?:\.[A-Za-z_][A-Za-z0-9_$]*)*")
_PLACEHOLDERS = {
    "qmark": "?",
    "numeric": ":1",
    "named": ":id",
    "format": "%s",
    "pyformat": "%(id)s",
}


def blob(value: Any) -> bytes:
    """What a column holds, however the driver hands it out."""
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)


class SqlTable:
    """A table of which single rows are read, in the threads of a pool.

    Args:
        pool: Connections to the database. Give it ``cp_reconnect=True``, or it never finds back to
            a database that was restarted.
        table: The table, perhaps with its schema.
        id: The column by which a row is found.
        columns: The columns to read.

    Raises:
        LocalError: A name is none, or the driver wants parameters in no known style.
    """

    def __init__(self, pool: ConnectionPool, table: str, id: str, *columns: str) -> None:
        for name in (table, id, *columns):
            if _NAME.fullmatch(name) is None:
                raise LocalError(f"no name of a table or column: {name!r}")
        style = pool.dbapi.paramstyle
        if style not in _PLACEHOLDERS:
            raise LocalError(f"{pool.dbapi.__name__} wants parameters in style {style!r}")
        self._pool = pool
        self._isNamed = style in ("named", "pyformat")
        self._query = (
            f"SELECT {', '.join(columns)} FROM {table} WHERE {id} = {_PLACEHOLDERS[style]}"
        )

    def row(self, id: str) -> Deferred[tuple[Any, ...] | None]:
        """Read a row; None if there is none."""
        return self._ask(id).addErrback(self._again, id).addCallback(_first)

    def _again(self, failure: Failure, id: str) -> Deferred[Any]:
        # A connection that has gone stale is found out only by using it.
        failure.trap(ConnectionLost)
        return self._ask(id)

    def _ask(self, id: str) -> Deferred[Any]:
        parameters: Any = {"id": id} if self._isNamed else (id,)
        answer: Deferred[Any] = self._pool.runQuery(self._query, parameters)
        return answer


def _first(rows: Any) -> tuple[Any, ...] | None:
    return tuple(rows[0]) if rows else None
