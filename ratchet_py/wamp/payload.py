"""Positional arguments and keywords, which version 2 of WAMP has and version 1 has not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["Params", "Payload"]


class Payload:
    """What an event or a result carries when it is more than one value.

    A publication of a version 2 client reaches ``onPublish`` as its value if it has one positional
    argument and no keywords, else as a Payload. An application may make one of its own, to
    broadcast it or to answer a call with it: clients of version 2 get the arguments and the
    keywords, those of version 1 an object ``{"args": [...], "kwargs": {...}}``.

    Example:
        >>> topic.broadcast(Payload([21.5], {"unit": "C"}))  # doctest: +SKIP
        >>> Payload([1, 2], {"a": 3})
        Payload([1, 2], {'a': 3})

    Args:
        args: The positional arguments.
        kwargs: The keywords.

    Attributes:
        args: The positional arguments.
        kwargs: The keywords; empty if there are none.
    """

    __slots__ = ("args", "kwargs")

    def __init__(self, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None) -> None:
        self.args = list(args)
        self.kwargs = dict(kwargs or {})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Payload):
            return NotImplemented
        return self.args == other.args and self.kwargs == other.kwargs

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __repr__(self) -> str:
        return f"Payload({self.args!r}, {self.kwargs!r})"

    def jsonSerialize(self) -> dict[str, Any]:
        """What it is to version 1, and wherever it stands within another value."""
        return {"args": self.args, "kwargs": self.kwargs}


class Params(list[Any]):
    """The ``params`` of a call that has keywords: the list of its arguments, and the keywords.

    Example:
        >>> params = Params([1, 2], {"unit": "C"})
        >>> params, params.kwargs
        ([1, 2], {'unit': 'C'})

    Args:
        args: The positional arguments.
        kwargs: The keywords.

    Attributes:
        kwargs: The keywords.
    """

    __slots__ = ("kwargs",)

    def __init__(self, args: Iterable[Any], kwargs: Mapping[str, Any]) -> None:
        super().__init__(args)
        self.kwargs = dict(kwargs)
