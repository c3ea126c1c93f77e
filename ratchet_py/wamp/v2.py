"""WAMP version 2, in any of its forms: https://wamp-proto.org/wamp_latest_ietf.html.

It turns messages into :mod:`~ratchet_py.wamp.commands` and answers into messages, and does no I/O.
Messages are written as the lists that they are: Autobahn's message classes cost ten times as much
as everything else that happens to an event or a call here.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from ratchet_py import __version__
from ratchet_py.broker.interfaces import newPublicationId
from ratchet_py.errors import ProtocolError
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.wamp import json_text
from ratchet_py.wamp.commands import Command
from ratchet_py.wamp.interfaces import CodecInterface
from ratchet_py.wamp.names import NamesInterface, errorUri
from ratchet_py.wamp.payload import Payload
from ratchet_py.wamp.serializers import SerializerInterface
from ratchet_py.wamp.subscription_numbers import SubscriptionNumbers
from ratchet_py.wamp.v2_read import ABORT, CALL, GOODBYE, MAX_ID, read

__all__ = ["PROTOCOL_VIOLATION", "WampV2"]

WELCOME = 2
CHALLENGE = 4
ERROR = 8
PUBLISHED = 17
SUBSCRIBED = 33
UNSUBSCRIBED = 35
EVENT = 36
RESULT = 50

PROTOCOL_VIOLATION = "wamp.error.protocol_violation"

# What is really there (section 4 of the specification's advanced profile).
_ROLES: Mapping[str, Any] = {
    "broker": {"features": {"publisher_exclusion": True, "subscriber_blackwhite_listing": True}},
    "dealer": {"features": {"call_canceling": True}},
}

_NOTHING: dict[str, Any] = {}


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
        return read(message, self._names)

    # -- what goes out ----------------------------------------------------------------------------

    def newSessionId(self) -> str:
        """An integer of 1 to 2 to the power of 53; the application gets its digits."""
        return str(secrets.randbelow(MAX_ID) + 1)

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


def _message(desc: str) -> dict[str, str]:
    return {"message": desc} if desc else {}


def _arguments(payload: Payload) -> list[Any]:
    if payload.kwargs:
        return [payload.args, payload.kwargs]
    return [payload.args] if payload.args else []
