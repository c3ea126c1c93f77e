"""Log lines about refusals that a client can cause, each kind once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from twisted.logger import Logger

__all__ = ["RefusalLog"]


class RefusalLog:
    """Warns once of each kind of refusal, and of a bounded number of kinds.

    Who asks for what is not there can do so for ever; the log is to tell the administrator which
    option is wrong, not to grow with it.
    """

    def __init__(self, log: Logger, most: int = 100) -> None:
        """Begin with nothing logged.

        Args:
            log: Where to.
            most: How many kinds are logged before this is silent.
        """
        self._log = log
        self._most = most
        self._seen: set[Hashable] = set()

    def warn(self, kind: Hashable, format: str, **values: Any) -> None:
        """Log a warning, unless its kind has been logged.

        Args:
            kind: What makes it another one.
            format: The text, as ``twisted.logger`` takes it. Values that a client has sent belong
                in it as ``{name!r}``, so that they cannot break the line.
            values: What the text names.
        """
        if kind in self._seen or len(self._seen) >= self._most:
            return
        self._seen.add(kind)
        self._log.warn(format, **values)
        if len(self._seen) == self._most:
            self._log.warn("refusals of further kinds are not logged")
