"""The synchronous client."""

from __future__ import annotations

import json
import os
import random
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Generic, NamedTuple, Self, TypeVar
from urllib.parse import unquote, urlsplit

from ratchet_py.push.errors import PushFailed, PushRefused
from ratchet_py.push.signature import SIGNATURE, TIMESTAMP, sign

__all__ = ["PushClient", "Pushed"]

# Below the ten seconds after which a server closes a connection that is not used.
_IDLE = 5.0

# Of an answer; none of ours is longer.
_ANSWER = 1024 * 1024

_DELAY = 0.1

_Nodes = TypeVar("_Nodes", int, list[int])


class Pushed(NamedTuple, Generic[_Nodes]):
    """What has become of a push.

    Attributes:
        nodes: How many processes of the server were told: those that have subscribers to the topic.
            For several events a list, in their order.
        confirmed: False if there may be others, because what carries events between them is away
            or too slow. They were not told, or it is not known.
    """

    nodes: _Nodes
    confirmed: bool


class PushClient:
    """Pushes events to a server's topics, from any synchronous program.

    It keeps one connection open and uses it for one push at a time, so the events of one client
    arrive in the order in which they are pushed. Any thread may use it. A process that was forked
    off, as those of Celery and Gunicorn are, makes a connection of its own.

    Example:
        ::

            client = PushClient("http://127.0.0.1:9200/publish", token="...")
            client.push("kittens", {"title": "Look!"})

    Args:
        url: Where the server takes pushes: ``http://...``, ``https://...``, or
            ``http+unix://%2Frun%2Fratchet%2Fpush.sock/publish`` for a UNIX socket.
        token: What lets us in, or
        secret: what both sides know, to sign each push with; it is not sent itself.
        timeout: Seconds for connecting, and for each wait for the server, which itself may wait
            twice 5 seconds, for the application and for Redis.
        attempts: How often to try in all, if a push has certainly not arrived: no connection could
            be made, or the server has no room for it just now (503). Between two attempts there is
            a growing pause, 0.1 seconds at first. What may have arrived is never tried again.
        context: For ``https``: whom to trust, if not whom Python trusts.

    Raises:
        ValueError: The URL is none of these, or there is not one of token and secret.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        secret: str | None = None,
        timeout: float = 15.0,
        attempts: int = 3,
        context: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https", "http+unix") or not parts.netloc:
            raise ValueError("the URL begins with http://, https:// or http+unix://, and a host")
        if bool(token) == bool(secret):
            raise ValueError("a push takes either a token or a secret")
        self._scheme = parts.scheme
        self._host = parts.netloc
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._token = token
        self._secret = secret
        self._timeout = timeout
        self._attempts = attempts
        self._context = context
        self._lastTimestamp = 0
        self._begin()
        try:
            self._newConnection()
        except HTTPException as exc:
            raise ValueError(f"the URL: {exc}") from None

    def push(
        self,
        topic: str,
        event: Any,
        exclude: Sequence[str] = (),
        eligible: Sequence[str] = (),
        path: str | None = None,
    ) -> Pushed[int]:
        """Send an event to all who have subscribed to a topic.

        Args:
            topic: The topic.
            event: Anything that :func:`json.dumps` writes.
            exclude: Session ids that are not to get it.
            eligible: The only session ids that are to get it; empty for everybody.
            path: The route of the application, if the server has several.

        Returns:
            What has become of it.

        Raises:
            PushRefused: The server does not take it.
            PushFailed: The server was not reached, or has not answered.
            TypeError: The event has no form in JSON.
            ValueError: Likewise.
        """
        item: dict[str, Any] = {"topic": topic, "event": event}
        if exclude:
            item["exclude"] = list(exclude)
        if eligible:
            item["eligible"] = list(eligible)
        if path is not None:
            item["path"] = path
        return self._post(item)

    def pushAll(self, events: Iterable[Mapping[str, Any]]) -> Pushed[list[int]]:
        """Send several events, of one topic or many: all of them or none.

        Args:
            events: For each a mapping with ``topic`` and ``event``, and perhaps ``exclude``,
                ``eligible`` and ``path``. The server takes 1,000 of them in one call.

        Returns:
            What has become of them.

        Raises:
            PushRefused: The server does not take one of them, and so has sent none.
            PushFailed: The server was not reached, or has not answered.
            TypeError: An event has no form in JSON.
            ValueError: Likewise.
        """
        return self._post([dict(event) for event in events])

    def close(self) -> None:
        """Close the connection. Another push makes another one."""
        with self._lock:
            self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._connection: HTTPConnection | None = None
        self._lastUse = 0.0

    def _post(self, value: Any) -> Pushed[Any]:
        body = json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
        if self._process != os.getpid():
            # What was forked off must not write into its parent's connection.
            self._begin()
        with self._lock:
            delay = _DELAY
            for _ in range(1, self._attempts):
                try:
                    return self._try(body)
                except PushFailed as exc:
                    if exc.mayHaveArrived:
                        raise
                # Many clients lose the same server at the same time.
                time.sleep(delay * random.uniform(0.5, 1))
                delay *= 2
            return self._try(body)

    def _try(self, body: bytes) -> Pushed[Any]:
        connection = self._connected()
        try:
            response = self._exchange(connection, body)
            data = response.read(_ANSWER)
        except (OSError, HTTPException) as exc:
            self._disconnect()
            raise PushFailed(f"no answer: {_said(exc)}", mayHaveArrived=True) from exc
        self._lastUse = time.monotonic()
        if response.will_close or not response.isclosed():
            self._disconnect()
        reason = data.decode("utf-8", "replace").strip() or response.reason
        if response.status == 503:
            raise PushFailed(f"503: {reason}", mayHaveArrived=False)
        if response.status in (502, 504):
            # A proxy's, which does not know either.
            raise PushFailed(f"{response.status}: {reason}", mayHaveArrived=True)
        if response.status != 202:
            raise PushRefused(response.status, reason[:1000])
        try:
            answer = json.loads(data)
            return Pushed(answer["nodes"], answer["confirmed"])
        except (ValueError, TypeError, KeyError) as exc:
            raise PushFailed("the answer is none of ours", mayHaveArrived=True) from exc

    def _exchange(self, connection: HTTPConnection, body: bytes) -> HTTPResponse:
        # Who refuses a body that is too large may do so before it has read it.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", self._target, body, self._headers(body))
        return connection.getresponse()

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self._secret is None:
            return headers | {"Authorization": f"Bearer {self._token}"}
        # Each is later than the one before it: the same signature would count as a replay.
        now = self._lastTimestamp = max(time.time_ns(), self._lastTimestamp + 1)
        timestamp = f"{now // 10**9}.{now % 10**9:09}"
        return headers | {TIMESTAMP: timestamp, SIGNATURE: sign(self._secret, timestamp, body)}

    def _connected(self) -> HTTPConnection:
        connection = self._connection
        if connection is not None:
            if time.monotonic() - self._lastUse < _IDLE and not _isReadable(connection):
                return connection
            self._disconnect()
        try:
            connection = self._connection = self._newConnection()
            connection.connect()
        except OSError as exc:
            self._disconnect()
            raise PushFailed(f"no connection: {_said(exc)}", mayHaveArrived=False) from exc
        return connection

    def _newConnection(self) -> HTTPConnection:
        if self._scheme == "https":
            return HTTPSConnection(self._host, timeout=self._timeout, context=self._context)
        if self._scheme == "http":
            return HTTPConnection(self._host, timeout=self._timeout)
        return _UnixConnection(unquote(self._host), self._timeout)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _isReadable(connection: HTTPConnection) -> bool:
    """Whether something has come that we have not asked for: the server has closed."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(0))


def _said(exc: Exception) -> str:
    return str(exc) or type(exc).__name__
