"""A client of WAMP version 1."""

from __future__ import annotations

import json
from typing import Any

from ratchet_py.server.io_server import IoServer
from ratchet_py.testing.web_socket_client import WebSocketClient

__all__ = ["WampClient"]


class WampClient(WebSocketClient):
    """A client that speaks WAMP version 1.

    Attributes:
        sessionId: The id that the server has given it.
        received: The events, each a pair of topic and payload.
        results: The result of each call that has been answered, by the call's id.
        errors: ``[uri, desc]`` or ``[uri, desc, details]`` of each that has failed.
    """

    def __init__(self, server: IoServer, path: str = "/", **options: Any) -> None:
        self.sessionId = ""
        self.results: dict[str, Any] = {}
        self.errors: dict[str, list[Any]] = {}
        self._calls = 0
        super().__init__(server, path, subProtocols=["wamp"], **options)
        self._again = {"path": path}

    def subscribe(self, topic: str) -> None:
        """Subscribe to a topic."""
        self.send(json.dumps([5, topic]))

    def unsubscribe(self, topic: str) -> None:
        """Unsubscribe from a topic."""
        self.send(json.dumps([6, topic]))

    def publish(self, topic: str, event: Any, *options: Any) -> None:
        """Publish to a topic.

        Args:
            topic: The topic.
            event: Any JSON value.
            options: ``excludeMe``, or ``exclude`` and ``eligible``, as in WAMP.
        """
        self.send(json.dumps([7, topic, event, *options]))

    def call(self, procedure: str, *args: Any) -> str:
        """Call a procedure.

        Returns:
            The call's id, to look the answer up by.
        """
        self._calls += 1
        id = f"call-{self._calls}"
        self.send(json.dumps([2, id, procedure, *args]))
        return id

    def messageReceived(self, msg: str | bytes) -> None:
        """The server has sent a message."""
        kind, *rest = json.loads(msg)
        if kind == 0:
            self.sessionId = rest[0]
        elif kind == 3:
            self.results[rest[0]] = rest[1]
        elif kind == 4:
            self.errors[rest[0]] = rest[1:]
        elif kind == 8:
            self.received.append((rest[0], rest[1]))
