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
    """

    __slots__ = ("raised",)

    def __init__(self, before: Tally) -> None:
        for name in Tally.__slots__:
            setattr(self, name, getattr(before, name))
        self.raised: list[BaseException] = []

    def fail(self, exc: BaseException) -> None:
        """A callback has failed."""
        super().fail(exc)
        self.raised.append(exc)


def keepFailures(server: IoServer) -> None:
    """Have a server keep what its callbacks raise, from now on."""
    if not isinstance(server.tally, _KeepingTally):
        server.tally = _KeepingTally(server.tally)


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
