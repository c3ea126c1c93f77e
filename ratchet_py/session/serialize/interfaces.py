r"""What reads a session's data, as in ``Ratchet\Session\Serialize``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from ratchet_py.errors import RatchetError

__all__ = ["HandlerInterface", "MalformedSession"]


class MalformedSession(RatchetError, ValueError):
    """A session's data is not what it should be: cut off, forged, or of another format."""


class HandlerInterface(ABC):
    r"""One format of sessions (``Ratchet\Session\Serialize\HandlerInterface``)."""

    @abstractmethod
    def unserialize(self, raw: bytes) -> dict[Any, Any]:
        """Read a session.

        Args:
            raw: What the store has.

        Returns:
            The variables by their names.

        Raises:
            MalformedSession: It is not in this format.
        """
