"""What a push says: JSON, one event or a list of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from ratchet_py.errors import HttpError
from ratchet_py.limits import Limits
from ratchet_py.wamp import json_text

__all__ = ["Item", "parse"]

_NAMES = frozenset({"topic", "event", "exclude", "eligible", "path"})


class Item(NamedTuple):
    """One event.

    Attributes:
        where: What it is called in an answer: nothing if it is alone, otherwise its place.
        topic: The topic.
        event: Any JSON value.
        exclude: Session ids that are not to get it.
        eligible: The only session ids that are to get it; empty for everybody.
        path: The route; None for the only one.
    """

    where: str
    topic: str
    event: Any
    exclude: list[str]
    eligible: list[str]
    path: str | None


def parse(body: bytes, limits: Limits) -> tuple[list[Item], bool]:
    """Read a body.

    Args:
        body: The body.
        limits: ``pushBatch``, ``topicLength`` and ``jsonDepth`` are used here.

    Returns:
        The events, and whether it was a list of them.

    Raises:
        HttpError: 400 and which of them is malformed, or 413.

    Example:
        >>> parse(b'{"topic": "news", "event": 1}', Limits())
        ([Item(where='', topic='news', event=1, exclude=[], eligible=[], path=None)], False)
        >>> parse(b'[{"topic": "news", "event": 1}, {"topic": "news"}]', Limits())
        Traceback (most recent call last):
        ratchet_py.errors.HttpError: [1]: there is no event
    """
    try:
        value = json_text.decode(body, limits.jsonDepth)
    except json_text.TooDeep as exc:
        raise HttpError(400, str(exc), limit="jsonDepth") from None
    except ValueError as exc:
        raise HttpError(400, str(exc)) from None
    if type(value) is not list:
        return [_item("", value, limits)], False
    if not value:
        raise HttpError(400, "the list is empty")
    if len(value) > limits.pushBatch:
        raise HttpError(413, f"more than {limits.pushBatch} events", limit="pushBatch")
    return [_item(f"[{index}]: ", each, limits) for index, each in enumerate(value)], True


def _item(where: str, value: Any, limits: Limits) -> Item:
    if type(value) is not dict:
        raise HttpError(400, f"{where}not an object with topic and event")
    unknown = value.keys() - _NAMES
    if unknown:
        # A word that is misspelt could be the one that keeps an event from somebody.
        raise HttpError(400, f"{where}there is no {min(unknown)[:50]!r}, only {_named(_NAMES)}")
    topic, path = value.get("topic"), value.get("path")
    if type(topic) is not str or not topic:
        raise HttpError(400, f"{where}the topic is a string, and not empty")
    if len(topic) > limits.topicLength:
        reason = f"{where}the topic is longer than {limits.topicLength} characters"
        raise HttpError(400, reason, limit="topicLength")
    if "event" not in value:
        raise HttpError(400, f"{where}there is no event")
    if "path" in value and type(path) is not str:
        raise HttpError(400, f"{where}the path is a string")
    exclude, eligible = value.get("exclude", []), value.get("eligible", [])
    for each in exclude, eligible:
        if type(each) is not list or not all(type(id) is str for id in each):
            raise HttpError(400, f"{where}exclude and eligible are lists of session ids")
    return Item(where, topic, value["event"], exclude, eligible, path)


def _named(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
