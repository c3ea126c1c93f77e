"""What callbacks raise, kept for the test that has caused it."""

from __future__ import annotations

from collections.abc import Iterable

from ratchet_py.meter import Tally
from ratchet_py.server.io_server import IoServer

__all__ = ["keepFailures", "raiseAll", "takeFailures"]


class _KeepingTally(Tally):
    """Counts as another one has until now, and keeps the exceptions.

    Attributes:
        raised: What callbacks have raised and nobody has taken yet.
        keeps: Whether it does keep them.
    """

    __slots__ = ("keeps", "raised")

    def __init__(self, before: Tally, keeps: bool) -> None:
        for name in Tally.__slots__:
            setattr(self, name, getattr(before, name))
        self.raised: list[BaseException] = []
        self.keeps = keeps

    def fail(self, exc: BaseException) -> None:
        """A callback has failed."""
        super().fail(exc)
        if self.keeps:
            self.raised.append(exc)


def keepFailures(server: IoServer, keep: bool, *, join: bool) -> None:
    """Have a server keep what its callbacks raise, from now on.

    Args:
        server: The server.
        keep: Whether it is to.
        join: Leave it as it is if this was said of the server before.
    """
    if not isinstance(server.tally, _KeepingTally):
        server.tally = _KeepingTally(server.tally, keep)
    elif keep and not join:
        server.tally.keeps = True


def takeFailures(server: IoServer) -> list[BaseException]:
    """What callbacks have raised since this was asked last; empty if the server keeps nothing."""
    tally = server.tally
    if not isinstance(tally, _KeepingTally):
        return []
    raised, tally.raised = tally.raised, []
    return raised


def raiseAll(failures: Iterable[BaseException]) -> None:
    """Raise an exception, or several as a group.

    One that was raised again, by an ``onError`` say, counts once.
    """
    once = list({id(failure): failure for failure in failures}.values())
    if len(once) == 1:
        raise once[0]
    if once:
        raise BaseExceptionGroup("callbacks have failed", once)
