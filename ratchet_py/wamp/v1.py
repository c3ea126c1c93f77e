r"""WAMP version 1: JSON lists in text frames (``Ratchet\Wamp\ServerProtocol``).

It turns text into :mod:`~ratchet_py.wamp.commands` and answers into text, and does no I/O. The
specification is no longer published; ``docs/layers/wamp_server`` has what it said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ratchet_py import __version__
from ratchet_py.errors import ProtocolError
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.wamp import json_text
from ratchet_py.wamp.commands import Call, Command, Prefix, Publish, Subscribe, Unsubscribe
from ratchet_py.wamp.interfaces import CodecInterface
from ratchet_py.websocket.interfaces import PreparedMessage

__all__ = [
    "CALL",
    "CALLERROR",
    "CALLRESULT",
    "EVENT",
    "PREFIX",
    "PUBLISH",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "WELCOME",
    "WampV1",
]

WELCOME = 0
PREFIX = 1
CALL = 2
CALLRESULT = 3
CALLERROR = 4
SUBSCRIBE = 5
UNSUBSCRIBE = 6
PUBLISH = 7
EVENT = 8


class WampV1(CodecInterface):
    """The codec of the subprotocol ``wamp``.

    A binary frame with the same JSON is read like text. What is missing is malformed, what is too
    much is ignored.

    Example:
        >>> WampV1().decode('[5, "http://example.com/news"]')
        Subscribe(topic='http://example.com/news', request=None)
        >>> WampV1().result("id7", {"sum": 3})
        '[3,"id7",{"sum":3}]'

    Args:
        limits: ``jsonDepth`` is what counts here.
    """

    name = "wamp"
    version = 1
    internalError = "http://api.wamp.ws/error#internal"

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._maxDepth = limits.jsonDepth

    def decode(self, msg: str | bytes) -> Command:
        """Read one message of a client.

        Raises:
            ProtocolError: 1007, the message is malformed.
        """
        try:
            message = json_text.decode(msg, self._maxDepth)
        except ValueError as exc:
            limit = "jsonDepth" if isinstance(exc, json_text.TooDeep) else None
            raise ProtocolError(1007, str(exc), limit) from None
        if type(message) is not list or not message:
            _malformed("a WAMP message is a list that begins with its type")
        kind = message[0]
        # By type, because True is an integer to isinstance.
        decoder = _DECODERS.get(kind) if type(kind) is int or type(kind) is float else None
        if decoder is None:
            _malformed("not a message type that a client may send")
        return decoder(message)

    def welcome(self, sessionId: str) -> str:
        """``[0, sessionId, 1, serverIdent]``."""
        return json_text.encode([WELCOME, sessionId, 1, f"Ratchet_py/{__version__}"])

    def prefix(self, name: str, uri: str) -> str:
        """``[1, name, uri]``, which Ratchet also sends from the server."""
        return json_text.encode([PREFIX, name, uri])

    def result(self, id: Any, data: Any) -> str:
        """``[3, id, data]``."""
        return json_text.encode([CALLRESULT, id, data])

    def error(self, id: Any, uri: str, desc: str, details: Any) -> str:
        """``[4, id, uri, desc]``, with details ``[4, id, uri, desc, details]``."""
        message = [CALLERROR, id, uri, desc]
        if details is not None:
            message.append(details)
        return json_text.encode(message)

    def event(self, topic: str, event: Any, publication: int) -> PreparedMessage:
        """``[8, topic, event]``; the topic is a full URI, never a CURIE."""
        return PreparedMessage(json_text.encode([EVENT, topic, event]))


def _malformed(reason: str) -> NoReturn:
    raise ProtocolError(1007, reason)


def _number(value: Any, what: str) -> str:
    if type(value) is int or type(value) is float:
        return str(value)
    _malformed(f"{what} is neither a string nor a number")


def _prefix(message: list[Any]) -> Prefix:
    if len(message) < 3:
        _malformed("PREFIX without a prefix or a URI")
    if type(message[2]) is not str:
        _malformed("the URI of a PREFIX is not a string")
    name = message[1]
    if type(name) is not str:
        name = _number(name, "the prefix of a PREFIX")
    return Prefix(name, message[2])


def _call(message: list[Any]) -> Call:
    if len(message) < 3:
        _malformed("CALL without an id or a procedure")
    _, id, procedure, *arguments = message
    if type(id) is not str and type(id) is not int and type(id) is not float:
        _malformed("the id of a CALL is neither a string nor a number")
    # One list or object alone is the params themselves: applications rely on it.
    if type(procedure) is not str:
        procedure = _number(procedure, "the procedure of a CALL")
    alone = len(arguments) == 1 and (type(arguments[0]) is dict or type(arguments[0]) is list)
    return Call(id, procedure, arguments[0] if alone else arguments)


def _subscribe(message: list[Any]) -> Subscribe:
    if len(message) < 2:
        _malformed("SUBSCRIBE without a topic")
    topic = message[1]
    if type(topic) is not str:
        topic = _number(topic, "the topic of a SUBSCRIBE")
    return Subscribe(topic)


def _unsubscribe(message: list[Any]) -> Unsubscribe:
    if len(message) < 2:
        _malformed("UNSUBSCRIBE without a topic")
    topic = message[1]
    if type(topic) is not str:
        topic = _number(topic, "the topic of an UNSUBSCRIBE")
    return Unsubscribe(topic)


def _publish(message: list[Any]) -> Publish:
    if len(message) < 3:
        _malformed("PUBLISH without a topic or an event")
    topic = message[1]
    if type(topic) is not str:
        topic = _number(topic, "the topic of a PUBLISH")
    if len(message) == 3:
        return Publish(topic, message[2])
    exclude = message[3]
    if type(exclude) is dict:
        _malformed("the exclude of a PUBLISH is an object")
    eligible = message[4] if len(message) > 4 else None
    if eligible is None:
        eligible = []
    elif type(eligible) is not list:
        _malformed("the eligible of a PUBLISH is not a list")
    if type(exclude) is list:
        return Publish(topic, message[2], exclude, eligible)
    return Publish(topic, message[2], [], eligible, excludeMe=bool(exclude))


_DECODERS: dict[int | float, Callable[[list[Any]], Command]] = {
    PREFIX: _prefix,
    CALL: _call,
    SUBSCRIBE: _subscribe,
    UNSUBSCRIBE: _unsubscribe,
    PUBLISH: _publish,
}
