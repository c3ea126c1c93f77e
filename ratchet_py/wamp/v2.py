"""WAMP version 2, in any of its forms: https://wamp-proto.org/wamp_latest_ietf.html.

It turns messages into :mod:`~ratchet_py.wamp.commands` and answers into messages, and does no I/O.
Messages are written as the lists that they are: Autobahn's message classes cost ten times as much
as everything else that happens to an event or a call here.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ratchet_py import __version__
from ratchet_py.broker.interfaces import newPublicationId
from ratchet_py.errors import ProtocolError
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.wamp import json_text
from ratchet_py.wamp.commands import (
    Abort,
    Authenticate,
    Call,
    Cancel,
    Command,
    EndSubscription,
    Goodbye,
    Hello,
    Publish,
    Refusal,
    Subscribe,
)
from ratchet_py.wamp.interfaces import CodecInterface
from ratchet_py.wamp.names import NamesInterface, errorUri
from ratchet_py.wamp.payload import Params, Payload
from ratchet_py.wamp.serializers import SerializerInterface

__all__ = [
    "ABORT",
    "AUTHENTICATE",
    "CALL",
    "CANCEL",
    "CHALLENGE",
    "ERROR",
    "EVENT",
    "GOODBYE",
    "HELLO",
    "PUBLISH",
    "PUBLISHED",
    "REGISTER",
    "RESULT",
    "SUBSCRIBE",
    "SUBSCRIBED",
    "UNREGISTER",
    "UNSUBSCRIBE",
    "UNSUBSCRIBED",
    "WELCOME",
    "SubscriptionNumbers",
    "WampV2",
]

HELLO = 1
WELCOME = 2
ABORT = 3
CHALLENGE = 4
AUTHENTICATE = 5
GOODBYE = 6
ERROR = 8
PUBLISH = 16
PUBLISHED = 17
SUBSCRIBE = 32
SUBSCRIBED = 33
UNSUBSCRIBE = 34
UNSUBSCRIBED = 35
EVENT = 36
CALL = 48
CANCEL = 49
RESULT = 50
REGISTER = 64
UNREGISTER = 66

PROTOCOL_VIOLATION = "wamp.error.protocol_violation"

_MAX_ID = 2**53

_NAMES = {
    HELLO: "HELLO",
    ABORT: "ABORT",
    AUTHENTICATE: "AUTHENTICATE",
    GOODBYE: "GOODBYE",
    PUBLISH: "PUBLISH",
    SUBSCRIBE: "SUBSCRIBE",
    UNSUBSCRIBE: "UNSUBSCRIBE",
    CALL: "CALL",
    CANCEL: "CANCEL",
    REGISTER: "REGISTER",
    UNREGISTER: "UNREGISTER",
}

# What is really there (section 4 of the specification's advanced profile).
_ROLES: Mapping[str, Any] = {
    "broker": {"features": {"publisher_exclusion": True, "subscriber_blackwhite_listing": True}},
    "dealer": {"features": {"call_canceling": True}},
}

# Lists of users and roles, which would let through too many if they were ignored.
_BY_USER = ("exclude_authid", "exclude_authrole", "eligible_authid", "eligible_authrole")

# The application takes an empty eligible for everybody, version 2 means nobody: no session has
# this id.
_NOBODY = [""]

_NOTHING: dict[str, Any] = {}


class SubscriptionNumbers:
    """The numbers by which clients of version 2 know the topics they have subscribed to.

    A topic has one for all its subscribers, so that all can be sent the same message, as long as
    somebody holds it. No number is ever used again.
    """

    __slots__ = ("_holders", "_last", "_numbers")

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._holders: dict[str, int] = {}
        self._last = 0

    def take(self, topic: str) -> int:
        """Hold a topic's number."""
        number = self._numbers.get(topic)
        if number is None:
            self._last = number = self._last + 1
            self._numbers[topic] = number
        self._holders[topic] = self._holders.get(topic, 0) + 1
        return number

    def release(self, topic: str) -> None:
        """Let it go, as often as it was taken."""
        self._holders[topic] -= 1
        if not self._holders[topic]:
            del self._holders[topic], self._numbers[topic]

    def get(self, topic: str) -> int:
        """A topic's number; 0, which is none, if nobody holds it."""
        return self._numbers.get(topic, 0)

    def __len__(self) -> int:
        return len(self._numbers)


class WampV2(CodecInterface):
    """The codec of one of the subprotocols ``wamp.2.json``, ``wamp.2.msgpack``, ``wamp.2.cbor``.

    What is missing or of the wrong kind is malformed, what is too much is ignored.

    Example:
        >>> from ratchet_py.wamp.serializers import Json
        >>> codec = WampV2(Json())
        >>> codec.decode('[32, 1, {}, "com.example.news"]')
        Subscribe(topic='com.example.news', request=1)
        >>> codec.result(7, {"sum": 3})
        '[50,7,{},[{"sum":3}]]'

    Args:
        serializer: The form of its messages.
        limits: ``jsonDepth`` is what counts here.
        numbers: The numbers of subscriptions, for all codecs of one server.
        names: How names are translated; without it they are the same as in version 1.

    Attributes:
        numbers: The numbers of subscriptions.
    """

    version = 2
    internalError = "wamp.error.runtime_error"

    def __init__(
        self,
        serializer: SerializerInterface,
        limits: Limits = DEFAULT_LIMITS,
        numbers: SubscriptionNumbers | None = None,
        names: NamesInterface | None = None,
    ) -> None:
        self.name = f"wamp.2.{serializer.name}"
        self.numbers = SubscriptionNumbers() if numbers is None else numbers
        self._names = names
        self._maxDepth = limits.jsonDepth
        self._read = serializer.decode
        self._write = serializer.encode
        self._prepare = serializer.prepare
        self._decoders: dict[int | float, Callable[[list[Any]], Command]] = {
            CALL: self._call,
            PUBLISH: self._publish,
            SUBSCRIBE: self._subscribe,
            UNSUBSCRIBE: _unsubscribe,
            CANCEL: _cancel,
            HELLO: _hello,
            AUTHENTICATE: _authenticate,
            GOODBYE: _goodbye,
            ABORT: _abort,
            REGISTER: _register,
            UNREGISTER: _unregister,
        }

    def decode(self, msg: str | bytes) -> Command:
        """Read one message of a client.

        Raises:
            ProtocolError: 1007, it cannot be read; 1002, it is malformed.
        """
        try:
            message = self._read(msg, self._maxDepth)
        except ValueError as exc:
            limit = "jsonDepth" if isinstance(exc, json_text.TooDeep) else None
            raise ProtocolError(1007, str(exc), limit) from None
        if type(message) is not list or not message:
            _malformed("a WAMP message is a list that begins with its type")
        kind = message[0]
        decoder = self._decoders.get(kind) if type(kind) is int or type(kind) is float else None
        if decoder is None:
            _malformed("not a message type that a client may send")
        return decoder(message)

    # -- what goes out ----------------------------------------------------------------------------

    def newSessionId(self) -> str:
        """An integer of 1 to 2 to the power of 53; the application gets its digits."""
        return str(secrets.randbelow(_MAX_ID) + 1)

    def welcome(self, sessionId: str, details: Mapping[str, Any] = _NOTHING) -> Any:
        """``[2, sessionId, details]``."""
        agent = f"Ratchet_py/{__version__}"
        return self._write([WELCOME, int(sessionId), {"agent": agent, "roles": _ROLES, **details}])

    def challenge(self, method: str, extra: Mapping[str, Any]) -> Any:
        """``[4, method, extra]``."""
        return self._write([CHALLENGE, method, dict(extra)])

    def abort(self, uri: str, desc: str) -> Any:
        """``[3, {"message": desc}, uri]``."""
        return self._write([ABORT, _message(desc), uri])

    def goodbye(self, uri: str, desc: str = "") -> Any:
        """``[6, {"message": desc}, uri]``."""
        return self._write([GOODBYE, _message(desc), uri])

    def prefix(self, name: str, uri: str) -> None:
        """Nothing: version 2 has no prefixes."""

    def subscribed(self, request: int, number: int) -> Any:
        """``[33, request, number]``."""
        return self._write([SUBSCRIBED, request, number])

    def unsubscribed(self, request: int) -> Any:
        """``[35, request]``."""
        return self._write([UNSUBSCRIBED, request])

    def published(self, request: int, publication: int) -> Any:
        """``[17, request, publication]``."""
        return self._write([PUBLISHED, request, publication])

    def result(self, id: Any, data: Any) -> Any:
        """``[50, id, {}, [data]]``; of a Payload ``[50, id, {}, args, kwargs]``."""
        if data.__class__ is Payload:
            return self._write([RESULT, id, _NOTHING, *_arguments(data)])
        return self._write([RESULT, id, _NOTHING, [data]])

    def error(self, id: Any, uri: str, desc: str, details: Any) -> Any:
        """``[8, 48, id, {}, uri, [desc, details]]``, without what there is not."""
        return self.refusal(CALL, id, uri, desc, details)

    def refusal(self, kind: int, request: Any, uri: str, desc: str, details: Any = None) -> Any:
        """The same for a request of any kind, the type of its message."""
        named = errorUri(uri) if self._names is None else errorUri(self._names.toV2(uri))
        message = [ERROR, kind, request, _NOTHING, named]
        if details is not None:
            message.append([desc, details])
        elif desc:
            message.append([desc])
        return self._write(message)

    def event(self, topic: str, event: Any, publication: int) -> Any:
        """``[36, number, publication, {}, [event]]``; of a Payload its args and kwargs."""
        number = self.numbers.get(topic)
        publication = publication or newPublicationId()
        if event.__class__ is Payload:
            return self._prepare([EVENT, number, publication, _NOTHING, *_arguments(event)])
        return self._prepare([EVENT, number, publication, _NOTHING, [event]])

    # -- what comes in ----------------------------------------------------------------------------

    def _call(self, message: list[Any]) -> Command:
        if len(message) < 4:
            _malformed("CALL without a request, options or a procedure")
        request = message[1]
        if type(request) is not int or not 0 < request <= _MAX_ID:
            request = _id(request, "the request of a CALL")
        procedure = message[3]
        if type(message[2]) is not dict or type(procedure) is not str:
            _malformed("the options or the procedure of a CALL are of the wrong kind")
        if not procedure:
            return Refusal(CALL, request, "wamp.error.invalid_uri", "a procedure has a name")
        if self._names is not None:
            procedure = self._names.fromV2(procedure)
        args, kwargs = _payload(message, "CALL")
        if kwargs:
            return Call(request, procedure, Params(args, kwargs))
        # One list or object alone is the params themselves, as in version 1.
        alone = len(args) == 1 and (type(args[0]) is dict or type(args[0]) is list)
        return Call(request, procedure, args[0] if alone else args)

    def _publish(self, message: list[Any]) -> Command:
        if len(message) < 4:
            _malformed("PUBLISH without a request, options or a topic")
        request = message[1]
        if type(request) is not int or not 0 < request <= _MAX_ID:
            request = _id(request, "the request of a PUBLISH")
        options, topic = message[2], message[3]
        if type(options) is not dict or type(topic) is not str:
            _malformed("the options or the topic of a PUBLISH are of the wrong kind")
        args, kwargs = _payload(message, "PUBLISH")
        event = args[0] if len(args) == 1 and not kwargs else Payload(args, kwargs)
        name = topic if self._names is None else self._names.fromV2(topic)
        if not options and topic:
            return Publish(name, event, excludeMe=True)
        acknowledge = _flag(options, "acknowledge", False, "PUBLISH")
        excludeMe = _flag(options, "exclude_me", True, "PUBLISH")
        exclude = _sessions(options, "exclude")
        eligible = _sessions(options, "eligible")
        answer = request if acknowledge else None
        if not topic:
            return Refusal(PUBLISH, answer, "wamp.error.invalid_uri", "a topic has a name")
        for option in _BY_USER:
            if options.get(option) is not None:
                return Refusal(
                    PUBLISH, answer, "wamp.error.option_not_allowed", f"no {option} here"
                )
        if eligible is None:
            eligible = []
        elif not eligible:
            eligible = _NOBODY
        return Publish(name, event, exclude or [], eligible, excludeMe, answer)

    def _subscribe(self, message: list[Any]) -> Command:
        if len(message) < 4:
            _malformed("SUBSCRIBE without a request, options or a topic")
        request = _id(message[1], "the request of a SUBSCRIBE")
        options, topic = message[2], message[3]
        if type(options) is not dict or type(topic) is not str:
            _malformed("the options or the topic of a SUBSCRIBE are of the wrong kind")
        match = options.get("match")
        if match is not None and type(match) is not str:
            _malformed("the match of a SUBSCRIBE is no text")
        # Wampy sends what it has no value for as null.
        if match not in (None, "exact"):
            uri = "wamp.error.option_not_allowed"
            return Refusal(SUBSCRIBE, request, uri, "topics are matched exactly here")
        if not topic:
            return Refusal(SUBSCRIBE, request, "wamp.error.invalid_uri", "a topic has a name")
        name = topic if self._names is None else self._names.fromV2(topic)
        return Subscribe(name, request)


def _malformed(reason: str) -> NoReturn:
    raise ProtocolError(1002, reason)


def _message(desc: str) -> dict[str, str]:
    return {"message": desc} if desc else {}


def _arguments(payload: Payload) -> list[Any]:
    if payload.kwargs:
        return [payload.args, payload.kwargs]
    return [payload.args] if payload.args else []


def _id(value: Any, what: str) -> int:
    # JavaScript's encoders of MessagePack and CBOR write integers beyond 32 bits as floats.
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 < value <= _MAX_ID:
        _malformed(f"{what} is no id")
    return value


def _flag(options: dict[str, Any], name: str, default: bool, of: str) -> bool:
    value = options.get(name)
    if value is None:
        return default
    if type(value) is not bool:
        _malformed(f"the {name} of a {of} is neither true nor false")
    return value


def _sessions(options: dict[str, Any], name: str) -> list[str] | None:
    """A list of session ids, as the application knows them: those of version 1 are no numbers."""
    ids = options.get(name)
    if ids is None:
        return None
    if type(ids) is not list:
        _malformed(f"the {name} of a PUBLISH is no list")
    return [
        id if type(id) is str else str(_id(id, f"one of the {name} of a PUBLISH")) for id in ids
    ]


def _payload(message: list[Any], of: str) -> tuple[list[Any], dict[str, Any]]:
    size = len(message)
    if size == 4:
        return [], _NOTHING
    args = message[4]
    if type(args) is not list:
        _malformed(f"the arguments of a {of} are no list")
    if size == 5:
        return args, _NOTHING
    kwargs = message[5]
    if type(kwargs) is not dict:
        _malformed(f"the keywords of a {of} are no object")
    return args, kwargs


def _request(message: list[Any], size: int) -> int:
    name = _NAMES[int(message[0])]
    if len(message) < size:
        _malformed(f"a part of {name} is missing")
    return _id(message[1], f"the request of {name}")


def _unsubscribe(message: list[Any]) -> Command:
    request = _request(message, 3)
    return EndSubscription(request, _id(message[2], "the subscription of UNSUBSCRIBE"))


def _cancel(message: list[Any]) -> Command:
    request = _request(message, 3)
    options = message[2]
    if type(options) is not dict:
        _malformed("the options of CANCEL are no object")
    mode = options.get("mode")
    if mode not in (None, "skip", "kill", "killnowait"):
        _malformed("no such mode of CANCEL")
    # AutobahnJS forgets a call that it cancels, and would close on hearing of it again; only with
    # "kill" it waits. Who names no mode does not say that an answer is expected.
    return Cancel(request, mode is not None)


def _register(message: list[Any]) -> Command:
    request = _request(message, 4)
    if type(message[2]) is not dict or type(message[3]) is not str:
        _malformed("the options or the procedure of REGISTER are of the wrong kind")
    uri = "wamp.error.not_authorized"
    return Refusal(REGISTER, request, uri, "clients cannot provide procedures here")


def _unregister(message: list[Any]) -> Command:
    request = _request(message, 3)
    _id(message[2], "the registration of UNREGISTER")
    uri = "wamp.error.no_such_registration"
    return Refusal(UNREGISTER, request, uri, "clients cannot provide procedures here")


def _hello(message: list[Any]) -> Command:
    if len(message) < 3:
        _malformed("HELLO without a realm or details")
    _, realm, details, *_ = message
    if type(realm) is not str or type(details) is not dict:
        _malformed("the realm or the details of HELLO are of the wrong kind")
    if type(details.get("roles") or _NOTHING) is not dict:
        _malformed("the roles of HELLO are no object")
    authid = details.get("authid")
    if authid is not None and type(authid) is not str:
        _malformed("the authid of HELLO is no text")
    methods = details.get("authmethods")
    if methods is None:
        methods = []
    elif type(methods) is not list:
        _malformed("the authmethods of HELLO are no list")
    return Hello(realm, authid or "", [method for method in methods if type(method) is str])


def _authenticate(message: list[Any]) -> Command:
    if len(message) < 2:
        _malformed("AUTHENTICATE without a signature")
    if type(message[1]) is not str:
        _malformed("the signature of AUTHENTICATE is no text")
    if len(message) > 2 and type(message[2]) is not dict:
        _malformed("the extra of AUTHENTICATE is no object")
    return Authenticate(message[1])


def _goodbye(message: list[Any]) -> Command:
    return Goodbye(_reason(message))


def _abort(message: list[Any]) -> Command:
    return Abort(_reason(message))


def _reason(message: list[Any]) -> str:
    name = _NAMES[int(message[0])]
    if len(message) < 3:
        _malformed(f"{name} without details or a reason")
    if type(message[1]) is not dict or type(message[2]) is not str:
        _malformed(f"the details or the reason of {name} are of the wrong kind")
    return message[2]
