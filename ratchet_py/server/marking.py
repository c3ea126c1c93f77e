"""What a program would serve, noted while ``twistd ratchet --app`` imports it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["marking", "marks", "postpones"]


class _Marking:
    __slots__ = ("openings", "ran")

    def __init__(self) -> None:
        self.ran: list[Any] = []
        self.openings: list[tuple[Any, Callable[[], object]]] = []


_current: _Marking | None = None


@contextmanager
def marking() -> Iterator[list[Any]]:
    """While the context lasts, who is to be run is added to the list instead.

    What was to be opened besides is opened at the end; but not for those that are in the list,
    which are told elsewhere where to listen.
    """
    global _current
    before, _current = _current, _Marking()
    mine = _current
    try:
        yield mine.ran
    finally:
        _current = before
    for server, open in mine.openings:
        if server not in mine.ran:
            open()


def marks(server: Any) -> bool:
    """Note that a server is to be run; False if it is to be done."""
    if _current is None:
        return False
    _current.ran.append(server)
    return True


def postpones(server: Any, open: Callable[[], object]) -> bool:
    """Note what is to be opened for a server; False if it is to be done."""
    if _current is None:
        return False
    _current.openings.append((server, open))
    return True
