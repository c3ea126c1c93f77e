"""WAMP version 1 from the client's side: text to records and back, without I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeAlias

from msgspec import Struct

from ratchet_py.errors import ProtocolError
from ratchet_py.rfc6455.close_code import CloseCode
from ratchet_py.wamp import json_text
from ratchet_py.wamp.commands import Prefix
from ratchet_py.wamp.v1 import (
    CALL,
    CALLERROR,
    CALLRESULT,
    EVENT,
    PREFIX,
    PUBLISH,
    SUBSCRIBE,
    UNSUBSCRIBE,
    WELCOME,
)

__all__ = [
    "Event",
    "Failed",
    "Result",
    "Said",
    "Welcome",
    "call",
    "decode",
    "prefix",
    "publish",
    "subscribe",
    "unsubscribe",
]


class Welcome(Struct, frozen=True):
    """The server's first message: the session's id, and what the server calls itself."""

    sessionId: str
    server: str


class Result(Struct, frozen=True):
    """A call has been answered."""

    id: str
    value: Any


class Failed(Struct, frozen=True):
    """A call has been answered with an error."""

    id: str
    uri: str
    desc: str
    details: Any = None


class Event(Struct, frozen=True):
    """Something was published; the topic is a full URI."""

    topic: str
    event: Any


Said: TypeAlias = Welcome | Prefix | Result | Failed | Event
"""What a server can say."""


def decode(msg: str | bytes, maxDepth: int) -> Said:
    """Read one message of a server. What is too much in it is ignored.

    Example:
        >>> decode('[8, "http://example.com/news", {"title": "x"}]', 511)
        Event(topic='http://example.com/news', event={'title': 'x'})

    Args:
        msg: The message.
        maxDepth: How deep its JSON may nest.

    Raises:
        ProtocolError: 1007, it is no message of WAMP 1 that a server may send.
    """
    try:
        message = json_text.decode(msg, maxDepth)
    except ValueError as exc:
        limit = "jsonDepth" if isinstance(exc, json_text.TooDeep) else None
        raise ProtocolError(CloseCode.BAD_PAYLOAD, str(exc), limit) from None
    if type(message) is list and message and type(message[0]) is int:
        kind, *rest = message
        reader, types = _READERS.get(kind, (None, ()))
        if reader is not None and len(rest) >= len(types) and all(map(isinstance, rest, types)):
            return reader(*rest)
    raise ProtocolError(CloseCode.BAD_PAYLOAD, "not a message of WAMP 1")


def _welcome(sessionId: str, version: int, server: object = "", *_: object) -> Welcome:
    if version != 1:
        raise ProtocolError(CloseCode.PROTOCOL, f"the server speaks version {version} of WAMP")
    return Welcome(sessionId, str(server))


_READERS: dict[int, tuple[Callable[..., Said], tuple[type, ...]]] = {
    WELCOME: (_welcome, (str, int)),
    PREFIX: (lambda name, uri, *_: Prefix(name, uri), (str, str)),
    CALLRESULT: (lambda id, value, *_: Result(id, value), (str, object)),
    CALLERROR: (
        lambda id, uri, desc="", details=None, *_: Failed(id, uri, str(desc), details),
        (str, str),
    ),
    EVENT: (lambda topic, event, *_: Event(topic, event), (str, object)),
}


def call(id: str, procedure: str, args: Collection[Any]) -> str:
    """``[2, id, procedure, *args]``."""
    return json_text.encode([CALL, id, procedure, *args])


def subscribe(topic: str) -> str:
    """``[5, topic]``."""
    return json_text.encode([SUBSCRIBE, topic])


def unsubscribe(topic: str) -> str:
    """``[6, topic]``."""
    return json_text.encode([UNSUBSCRIBE, topic])


def prefix(name: str, uri: str) -> str:
    """``[1, name, uri]``."""
    return json_text.encode([PREFIX, name, uri])


def publish(
    topic: str,
    event: Any,
    exclude: Collection[str] | None = None,
    eligible: Collection[str] | None = None,
    excludeMe: bool = False,
) -> str:
    r"""``[7, topic, event]``, and who is to get it if that is not everybody.

    Example:
        >>> publish("news", 1, excludeMe=True), publish("news", 1, eligible=["ann's"])
        ('[7,"news",1,true]', '[7,"news",1,[],["ann\'s"]]')
    """
    message: list[Any] = [PUBLISH, topic, event]
    if exclude is not None or eligible is not None:
        message.append(list(exclude or ()))
        if eligible is not None:
            message.append(list(eligible))
    elif excludeMe:
        message.append(True)
    return json_text.encode(message)
