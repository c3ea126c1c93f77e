"""Why a push has not succeeded."""

from __future__ import annotations

from ratchet_py.errors import RatchetError

__all__ = ["PushError", "PushFailed", "PushRefused"]


class PushError(RatchetError):
    """The root of what :class:`~ratchet_py.push.PushClient` raises.

    Attributes:
        mayHaveArrived: Whether the events may have gone out all the same: the connection was lost
            while the answer was due. Otherwise nobody has got them.
    """

    mayHaveArrived = False


class PushRefused(PushError):
    """The server has answered no; once more would be the same.

    Attributes:
        status: The HTTP status: 400 for what is malformed, 401 for a wrong token or signature, 403
            for what the application refuses, 404 for a route that there is not, 413 for too much.
        reason: One line of the server's.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason


class PushFailed(PushError):
    """There was no answer, or none that says that the server has taken the events."""

    def __init__(self, reason: str, mayHaveArrived: bool) -> None:
        super().__init__(reason)
        self.mayHaveArrived = mayHaveArrived
