"""What clients of version 2 may say: from the lists that messages are to commands.

What is missing or of the wrong kind is malformed, what is too much is ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ratchet_py.errors import ProtocolError
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
from ratchet_py.wamp.names import NamesInterface
from ratchet_py.wamp.payload import Params, Payload

__all__ = ["ABORT", "CALL", "GOODBYE", "MAX_ID", "PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE", "read"]

HELLO = 1
ABORT = 3
AUTHENTICATE = 5
GOODBYE = 6
PUBLISH = 16
SUBSCRIBE = 32
UNSUBSCRIBE = 34
CALL = 48
CANCEL = 49
REGISTER = 64
UNREGISTER = 66

MAX_ID = 2**53

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

# Lists of users and roles, which would let through too many if they were ignored.
_BY_USER = ("exclude_authid", "exclude_authrole", "eligible_authid", "eligible_authrole")

# The application takes an empty eligible for everybody, version 2 means nobody: no session has
# this id.
_NOBODY = [""]

_NOTHING: dict[str, Any] = {}


def read(message: Any, names: NamesInterface | None) -> Command:
    """The command that a message is.

    Args:
        message: As a serializer has read it.
        names: How names are translated; None, and they are not.

    Raises:
        ProtocolError: 1002, it is malformed.
    """
    if type(message) is not list or not message:
        _malformed("a WAMP message is a list that begins with its type")
    kind = message[0]
    reader = _READERS.get(kind) if type(kind) is int or type(kind) is float else None
    if reader is None:
        _malformed("not a message type that a client may send")
    return reader(message, names)


def _call(message: list[Any], names: NamesInterface | None) -> Command:
    if len(message) < 4:
        _malformed("CALL without a request, options or a procedure")
    request = message[1]
    if type(request) is not int or not 0 < request <= MAX_ID:
        request = _id(request, "the request of a CALL")
    procedure = message[3]
    if type(message[2]) is not dict or type(procedure) is not str:
        _malformed("the options or the procedure of a CALL are of the wrong kind")
    if not procedure:
        return Refusal(CALL, request, "wamp.error.invalid_uri", "a procedure has a name")
    if names is not None:
        procedure = names.fromV2(procedure)
    args, kwargs = _payload(message, "CALL")
    if kwargs:
        return Call(request, procedure, Params(args, kwargs))
    # One list or object alone is the params themselves, as in version 1.
    alone = len(args) == 1 and (type(args[0]) is dict or type(args[0]) is list)
    return Call(request, procedure, args[0] if alone else args)


def _publish(message: list[Any], names: NamesInterface | None) -> Command:
    if len(message) < 4:
        _malformed("PUBLISH without a request, options or a topic")
    request = message[1]
    if type(request) is not int or not 0 < request <= MAX_ID:
        request = _id(request, "the request of a PUBLISH")
    options, topic = message[2], message[3]
    if type(options) is not dict or type(topic) is not str:
        _malformed("the options or the topic of a PUBLISH are of the wrong kind")
    args, kwargs = _payload(message, "PUBLISH")
    event = args[0] if len(args) == 1 and not kwargs else Payload(args, kwargs)
    name = topic if names is None else names.fromV2(topic)
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
            return Refusal(PUBLISH, answer, "wamp.error.option_not_allowed", f"no {option} here")
    if eligible is None:
        eligible = []
    elif not eligible:
        eligible = _NOBODY
    return Publish(name, event, exclude or [], eligible, excludeMe, answer)


def _subscribe(message: list[Any], names: NamesInterface | None) -> Command:
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
    name = topic if names is None else names.fromV2(topic)
    return Subscribe(name, request)


def _malformed(reason: str) -> NoReturn:
    raise ProtocolError(1002, reason)


def _id(value: Any, what: str) -> int:
    # JavaScript's encoders of MessagePack and CBOR write integers beyond 32 bits as floats.
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 < value <= MAX_ID:
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


def _unsubscribe(message: list[Any], names: NamesInterface | None) -> Command:
    request = _request(message, 3)
    return EndSubscription(request, _id(message[2], "the subscription of UNSUBSCRIBE"))


def _cancel(message: list[Any], names: NamesInterface | None) -> Command:
    request = _request(message, 3)
    options = message[2]
    if type(options) is not dict:
        _malformed("the options of CANCEL are no object")
    mode = options.get("mode")
    if mode not in (None, "skip", "kill", "killnowait"):
        _malformed("no such mode of CANCEL")
    return Cancel(request, mode)


def _register(message: list[Any], names: NamesInterface | None) -> Command:
    request = _request(message, 4)
    if type(message[2]) is not dict or type(message[3]) is not str:
        _malformed("the options or the procedure of REGISTER are of the wrong kind")
    uri = "wamp.error.not_authorized"
    return Refusal(REGISTER, request, uri, "clients cannot provide procedures here")


def _unregister(message: list[Any], names: NamesInterface | None) -> Command:
    request = _request(message, 3)
    _id(message[2], "the registration of UNREGISTER")
    uri = "wamp.error.no_such_registration"
    return Refusal(UNREGISTER, request, uri, "clients cannot provide procedures here")


def _hello(message: list[Any], names: NamesInterface | None) -> Command:
    if len(message) < 3:
        _malformed("HELLO without a realm or details")
    _, realm, details, *_ = message
    if type(realm) is not str or type(details) is not dict:
        _malformed("the realm or the details of HELLO are of the wrong kind")
    roles = details.get("roles") or _NOTHING
    if type(roles) is not dict:
        _malformed("the roles of HELLO are no object")
    authid = details.get("authid")
    if authid is not None and type(authid) is not str:
        _malformed("the authid of HELLO is no text")
    methods = details.get("authmethods")
    if methods is None:
        methods = []
    elif type(methods) is not list:
        _malformed("the authmethods of HELLO are no list")
    return Hello(
        realm,
        authid or "",
        [method for method in methods if type(method) is str],
        "agent" not in details and _isAutobahnJs(roles),
    )


def _isAutobahnJs(roles: dict[str, Any]) -> bool:
    """Whether a client that does not give its name is AutobahnJS.

    That closes when it hears again of a call that it has canceled; others wait for it. It alone
    knows of revoked registrations and not of canceled invocations.
    """
    callee = roles.get("callee")
    features = callee.get("features") if type(callee) is dict else None
    if type(features) is not dict:
        return False
    return features.get("registration_revocation") is True and "call_canceling" not in features


def _authenticate(message: list[Any], names: NamesInterface | None) -> Command:
    if len(message) < 2:
        _malformed("AUTHENTICATE without a signature")
    if type(message[1]) is not str:
        _malformed("the signature of AUTHENTICATE is no text")
    if len(message) > 2 and type(message[2]) is not dict:
        _malformed("the extra of AUTHENTICATE is no object")
    return Authenticate(message[1])


def _goodbye(message: list[Any], names: NamesInterface | None) -> Command:
    return Goodbye(_reason(message))


def _abort(message: list[Any], names: NamesInterface | None) -> Command:
    return Abort(_reason(message))


def _reason(message: list[Any]) -> str:
    name = _NAMES[int(message[0])]
    if len(message) < 3:
        _malformed(f"{name} without details or a reason")
    if type(message[1]) is not dict or type(message[2]) is not str:
        _malformed(f"the details or the reason of {name} are of the wrong kind")
    return message[2]


_READERS: dict[int | float, Callable[[list[Any], NamesInterface | None], Command]] = {
    CALL: _call,
    PUBLISH: _publish,
    SUBSCRIBE: _subscribe,
    UNSUBSCRIBE: _unsubscribe,
    CANCEL: _cancel,
    HELLO: _hello,
    AUTHENTICATE: _authenticate,
    GOODBYE: _goodbye,
    ABORT: _abort,
    REGISTER: _register,
    UNREGISTER: _unregister,
}
