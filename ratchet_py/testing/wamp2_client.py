"""A client of WAMP version 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet_py.server.io_server import IoServer
from ratchet_py.testing.web_socket_client import WebSocketClient
from ratchet_py.wamp.payload import Payload
from ratchet_py.wamp.serializers import Cbor, Json, MsgPack

__all__ = ["SERIALIZERS", "Wamp2Client"]

SERIALIZERS = {f"wamp.2.{each.name}": each for each in (Json(), MsgPack(), Cbor())}
"""How each subprotocol of version 2 writes its messages."""


class Wamp2Client(WebSocketClient):
    """A client that speaks WAMP version 2, and looks like a :class:`WampClient`.

    It joins as soon as it is connected.

    Args:
        server: The bottom of the stack.
        path: The path of its request.
        subProtocol: ``wamp.2.json``, ``wamp.2.msgpack`` or ``wamp.2.cbor``.
        realm: What it joins.
        details: What its HELLO says beyond that: ``authid``, ``authmethods``.
        options: What :class:`WebSocketClient` takes.

    Attributes:
        sessionId: The id that the server has given it; empty before its welcome.
        messages: All messages that have been received, as lists.
        received: The events, each a pair of topic and payload; a
            :class:`~ratchet_py.wamp.Payload` if that is more than one value.
        results: The result of each call that has been answered, by the call's id; likewise.
        errors: ``[uri, *arguments]`` of each request that has failed, by its id.
        subscriptions: The topics that it has subscribed to, by number.
    """

    def __init__(
        self,
        server: IoServer,
        path: str = "/",
        subProtocol: str = "wamp.2.json",
        realm: str = "realm1",
        details: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.sessionId = ""
        self.messages: list[list[Any]] = []
        self.results: dict[int, Any] = {}
        self.errors: dict[int, list[Any]] = {}
        self.subscriptions: dict[int, str] = {}
        self._requests: dict[int, str] = {}
        self._last = 0
        self._serializer = SERIALIZERS[subProtocol]
        super().__init__(server, path, subProtocols=[subProtocol], **options)
        self._again = {"path": path, "subProtocol": subProtocol, "realm": realm}
        if self.status == 101:
            self.say(1, realm, {"roles": {}, **(details or {})})

    def say(self, *message: Any) -> None:
        """Send a message of WAMP."""
        self.send(self._serializer.encode(list(message)))

    def subscribe(self, topic: str, **options: Any) -> int:
        """Subscribe to a topic.

        Returns:
            The request's id, to look an error up by.
        """
        return self._request(32, topic, options)

    def unsubscribe(self, topic: str) -> None:
        """Unsubscribe from a topic."""
        for number, name in list(self.subscriptions.items()):
            if name == topic:
                del self.subscriptions[number]
                self._last += 1
                self.say(34, self._last, number)

    def publish(self, topic: str, event: Any, **options: Any) -> int:
        """Publish to a topic.

        Args:
            topic: The topic.
            event: A value, or a :class:`~ratchet_py.wamp.Payload`.
            options: ``exclude_me``, ``exclude``, ``eligible``, ``acknowledge``.

        Returns:
            The request's id.
        """
        payload = event if isinstance(event, Payload) else Payload([event])
        return self._request(16, topic, options, payload.args, payload.kwargs)

    def call(self, procedure: str, *args: Any, **kwargs: Any) -> int:
        """Call a procedure.

        Returns:
            The call's id, to look the answer up by.
        """
        return self._request(48, procedure, {}, list(args), kwargs)

    def messageReceived(self, msg: str | bytes) -> None:
        """The server has sent a message."""
        message = self._serializer.decode(msg, 511)
        self.messages.append(message)
        kind, *rest = message
        if kind == 2:
            self.sessionId = str(rest[0])
        elif kind == 8:
            self.errors[rest[1]] = [rest[3], *(rest[4] if len(rest) > 4 else ())]
        elif kind == 33:
            self.subscriptions[rest[1]] = self._requests[rest[0]]
        elif kind == 36:
            self.received.append((self.subscriptions[rest[0]], _value(rest[3:])))
        elif kind == 50:
            self.results[rest[0]] = _value(rest[2:])

    def _request(self, kind: int, name: str, options: Mapping[str, Any], *payload: Any) -> int:
        self._last += 1
        self._requests[self._last] = name
        self.say(kind, self._last, dict(options), name, *payload)
        return self._last


def _value(payload: list[Any]) -> Any:
    if len(payload) == 1 and len(payload[0]) == 1:
        return payload[0][0]
    return Payload(*payload)
