"""What the clients of a WAMP application are while it is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ratchet_py.meter import Meter
from ratchet_py.wamp.v2_connection import V2Connection
from ratchet_py.wamp.wamp_connection import WampConnection

if TYPE_CHECKING:
    from ratchet_py.wamp.topic import Topic

__all__ = ["MeasuredV2Connection", "MeasuredWampConnection"]

# Calls of one client whose time is taken; an application that never answers shall not make us
# remember when it was asked.
_TIMED = 1_000


# The two classes below have their slots themselves: Python cannot join two bases that both do.
class _Measured(WampConnection):
    """Counts calls, and times how long it takes until they are answered."""

    __slots__ = ()

    _meter: Meter
    _began: dict[int, float]

    def __init__(self, meter: Meter, *args: Any) -> None:
        super().__init__(*args)
        object.__setattr__(self, "_meter", meter)
        object.__setattr__(self, "_began", {})

    def called(self, id: Any) -> None:
        """A call wants an answer."""
        super().called(id)
        self._meter.calls += 1
        if len(self._began) < _TIMED:
            self._began.setdefault(hash(id), self._meter.clock())

    def callError(
        self, id: Any, errorUri: Topic | str, desc: str = "", details: Any = None
    ) -> WampConnection:
        """Answer a call with an error."""
        wasUnanswered = self.isUnanswered(id)
        super().callError(id, errorUri, desc, details)
        self._meter.callErrors += wasUnanswered
        return self

    def takesAnswer(self, id: Any) -> bool:
        """Whether an answer is the first one to a call."""
        isFirst = super().takesAnswer(id)
        began = self._began.pop(hash(id), None)
        if isFirst and began is not None:
            self._meter.answers.observe(self._meter.clock() - began)
        return isFirst


class MeasuredWampConnection(_Measured):
    """A client of version 1."""

    __slots__ = ("_began", "_meter")


class MeasuredV2Connection(_Measured, V2Connection):
    """A client of version 2."""

    __slots__ = ("_began", "_meter")
