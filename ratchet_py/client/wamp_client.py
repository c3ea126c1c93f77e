"""A client of WAMP version 1: calls, publications and subscriptions that outlive connections."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

from twisted.internet.defer import Deferred, fail

from ratchet_py.client import wamp_v1
from ratchet_py.client.connector import Connector
from ratchet_py.client.errors import ConnectionClosed
from ratchet_py.client.reconnecting_client import BackOff, ReconnectingClient, wantsBack
from ratchet_py.client.wamp_v1 import Event, Failed, Result, Welcome
from ratchet_py.client.web_socket import WebSocket
from ratchet_py.errors import CallError, ProtocolError, RemoteError
from ratchet_py.rfc6455.close_code import CloseCode
from ratchet_py.wamp import curie as curies
from ratchet_py.wamp.commands import Prefix
from ratchet_py.wamp.cra import AUTH, AUTHREQ, sign

__all__ = ["WampClient"]

_NEVER = BackOff(maxAttempts=0)

Handler = Callable[[str, Any], object]


class WampClient(ReconnectingClient):
    """Speaks WAMP version 1 with a server: Ratchet's, ours, or any other.

    A lost connection is made anew, and the session goes on: the user is authenticated again,
    prefixes and subscriptions are there again, only ``sessionId`` is another one. Calls that were
    under way fail, because nobody can know whether the server has run them.

    It is a :class:`ReconnectingClient`, with its events: ``open`` when there is a session, and
    ``error`` also for what is no WAMP and for handlers that fail.

    Example:
        ::

            async with WampClient("ws://localhost:8080/pubsub") as client:
                client.subscribe("news", lambda topic, event: print(topic, event))
                client.publish("news", {"title": "It works"}, excludeMe=True)
                print(await client.call("http://example.com/add", 1, 2))

    Args:
        url: As :class:`Connector` takes it, and so are the headers.
        headers: More header fields of each request.
        connector: Opens the connections. Of its limits ``jsonDepth`` counts here, too, and
            ``handshakeTimeout`` once more, for the server's welcome.
        reconnect: How long to wait before a lost connection is made anew; None for never. After the
            close codes 1000 and 1008, and when the user is refused, nothing is tried again.
        auth: The user's name and secret, for WAMP-CRA.
        callTimeout: Seconds until a call fails that is not answered; None for no limit.
        curie: How ``prefix:rest`` is expanded, as for :class:`~ratchet_py.wamp.WampServer`.

    Attributes:
        sessionId: What the server calls this session; None while there is none.
        server: What the server calls itself; empty before its first welcome.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        connector: Connector | None = None,
        *,
        reconnect: BackOff | None = BackOff(),  # noqa: B008
        auth: tuple[str, str] | None = None,
        callTimeout: float | None = None,
        curie: Literal["auto", "spec", "ratchet"] = "auto",
    ) -> None:
        super().__init__(
            url,
            ["wamp"],
            headers,
            connector,
            onOpen=self._begin,
            backOff=_NEVER if reconnect is None else reconnect,
            shouldReconnect=_wantsBack if reconnect is not None else lambda _: False,
        )
        self.sessionId: str | None = None
        self.server = ""
        self._auth = auth
        self._callTimeout = callTimeout
        self._expand = curies.rule(curie)
        self._welcome: Deferred[Welcome] | None = None
        # Whether prefixes and subscriptions have been sent, so that new ones are, too.
        self._isReady = False
        self._calls: dict[str, Deferred[Any]] = {}
        self._lastCall = 0
        self._handlers: dict[str, list[Handler]] = {}
        # Ours are declared again on each connection; the server's are of one connection.
        self._prefixes: dict[str, str] = {}
        self._serverPrefixes: dict[str, str] = {}

    # -- what one can say -------------------------------------------------------------------------

    def call(self, procedure: str, *args: Any, timeout: float | None = None) -> Deferred[Any]:
        """Call a procedure.

        Args:
            procedure: Its URI or CURIE.
            args: Any JSON values.
            timeout: Seconds, if another limit than ``callTimeout`` is wanted.

        Returns:
            A Deferred of the result. It fails with :class:`~ratchet_py.CallError` if that is the
            answer, with :class:`ConnectionClosed` if the connection goes first or is not there,
            with ``TimeoutError`` after the limit. Cancelled, the answer is ignored.

        Raises:
            LocalError: An argument is no JSON value.
            SendBufferFull: More than ``Limits.sendBuffer`` waits already.
        """
        self._lastCall += 1
        id = str(self._lastCall)
        text = wamp_v1.call(id, self.resolve(procedure), args)
        try:
            self._send(text)
        except ConnectionClosed as exc:
            return fail(exc)
        answer: Deferred[Any] = Deferred(lambda _: self._forget(id))
        self._calls[id] = answer
        timeout = self._callTimeout if timeout is None else timeout
        if timeout is not None:
            self._limited(answer, timeout, f"the answer of {procedure}")
        return answer

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Be called with each event of a topic: ``handler(topic, event)``.

        A topic may have several handlers; the server sees one subscription, and does not
        acknowledge it. Without a connection it is noted for the next one.

        Args:
            topic: Its URI or CURIE.
            handler: May be async; nobody waits for it. The topic it gets is the full URI.
        """
        uri = self.resolve(topic)
        if uri not in self._handlers:
            self._sendIfReady(wamp_v1.subscribe(uri))
        self._handlers.setdefault(uri, []).append(handler)

    def unsubscribe(self, topic: str, handler: Handler | None = None) -> None:
        """Undo :meth:`subscribe`; nothing happens if there is nothing to undo.

        Args:
            topic: Its URI or CURIE.
            handler: Which handler to let go; all of the topic's if None.
        """
        uri = self.resolve(topic)
        handlers = self._handlers.get(uri, [])
        if handler is None:
            handlers.clear()
        elif handler in handlers:
            handlers.remove(handler)
        if uri in self._handlers and not handlers:
            del self._handlers[uri]
            self._sendIfReady(wamp_v1.unsubscribe(uri))

    def publish(
        self,
        topic: str,
        event: Any,
        exclude: Collection[str] | None = None,
        eligible: Collection[str] | None = None,
        excludeMe: bool = False,
    ) -> None:
        """Publish an event; the server does not acknowledge it.

        Args:
            topic: Its URI or CURIE.
            event: Any JSON value.
            exclude: Session ids that are not to get it.
            eligible: The only session ids that are to get it; everybody if None.
            excludeMe: Whether we are not to get it ourselves.

        Raises:
            ConnectionClosed: There is no session; nothing is kept for later.
            LocalError: The event is no JSON value.
            SendBufferFull: More than ``Limits.sendBuffer`` waits already.
        """
        if excludeMe and self.sessionId is not None and not (exclude is eligible is None):
            exclude, excludeMe = [self.sessionId, *(exclude or ())], False
        self._send(wamp_v1.publish(self.resolve(topic), event, exclude, eligible, excludeMe))

    def prefix(self, name: str, uri: str) -> None:
        """Declare a prefix: from now on ``name:rest`` means ``uri`` and ``rest``.

        Declare prefixes before they are used.
        """
        self._prefixes[name] = uri
        self._serverPrefixes.pop(name, None)
        self._sendIfReady(wamp_v1.prefix(name, uri))

    def resolve(self, name: str) -> str:
        """The full URI of a CURIE; anything else comes back as it is."""
        return self._expand(name, {**self._prefixes, **self._serverPrefixes})

    def authenticate(
        self, authid: str, secret: str, extra: Mapping[str, Any] | None = None
    ) -> Deferred[Any]:
        """Say who we are, by WAMP-CRA; what ``auth`` does on each connection by itself.

        Args:
            authid: The user's name.
            secret: The secret, never sent.
            extra: An object for the server, which comes back in the challenge.

        Returns:
            A Deferred of the permissions that the server grants. It fails as :meth:`call` does, and
            with :class:`~ratchet_py.errors.RemoteError` if the challenge is none.
        """
        return Deferred.fromCoroutine(self._authenticate(authid, secret, extra))

    async def _authenticate(
        self, authid: str, secret: str, extra: Mapping[str, Any] | None = None
    ) -> Any:
        challenge = await self.call(AUTHREQ, authid, *(() if extra is None else (extra,)))
        try:
            salted = json.loads(challenge).get("authextra")
        except (AttributeError, TypeError, ValueError, RecursionError):
            raise RemoteError("the challenge is none") from None
        signature = sign(secret, challenge, salted if isinstance(salted, dict) else None)
        return await self.call(AUTH, signature)

    # -- one connection ---------------------------------------------------------------------------

    async def _begin(self, conn: WebSocket) -> None:
        """A connection is there: wait for the welcome, and say again what is to hold."""
        conn.on("message", self._received)
        conn.on("close", self._lost)
        seconds = self._connector.limits.handshakeTimeout
        self._welcome = Deferred()
        said = await self._limited(self._welcome, seconds, "the server's welcome")
        self.server = said.server
        self.sessionId = said.sessionId
        if self._auth is not None:
            await self._authenticate(*self._auth)
        for name, uri in self._prefixes.items():
            self._send(wamp_v1.prefix(name, uri))
        for uri in self._handlers:
            self._send(wamp_v1.subscribe(uri))
        self._isReady = True

    def _limited(self, waiting: Deferred[Any], seconds: float, what: str) -> Deferred[Any]:
        def late(_: object, seconds: float) -> None:
            raise TimeoutError(f"{what} has not come within {seconds:g} seconds")

        return waiting.addTimeout(seconds, self._connector.reactor, late)

    def _forget(self, id: str) -> None:
        self._calls.pop(id, None)

    def _lost(self, code: int, reason: str) -> None:
        self.sessionId = None
        self._isReady = False
        self._serverPrefixes.clear()
        calls, self._calls = self._calls, {}
        for answer in calls.values():
            answer.errback(ConnectionClosed(code, reason))

    def _send(self, text: str) -> None:
        if self.sessionId is None:
            raise ConnectionClosed(CloseCode.ABNORMAL, "no session")
        self.send(text)

    def _sendIfReady(self, text: str) -> None:
        """Send what :meth:`_begin` sends of itself when there is a session again."""
        if self._isReady and self.conn is not None and not self.conn.isClosed:
            self.send(text)

    def _received(self, msg: str | bytes) -> None:
        try:
            said = wamp_v1.decode(msg, self._connector.limits.jsonDepth)
        except ProtocolError as error:
            self._report(error)
            if self.conn is not None:
                self.conn.close(error.closeCode, error.reason)
            return
        if isinstance(said, Event):
            for handler in tuple(self._handlers.get(said.topic, ())):
                self._call(self._report, handler, said.topic, said.event)
        elif isinstance(said, Result):
            if (answer := self._calls.pop(said.id, None)) is not None:
                answer.callback(said.value)
        elif isinstance(said, Failed):
            if (answer := self._calls.pop(said.id, None)) is not None:
                answer.errback(CallError(said.uri, said.desc, said.details))
        elif isinstance(said, Prefix):
            limits = self._connector.limits
            fits = max(len(said.name), len(said.uri)) <= limits.topicLength
            if fits and len(self._serverPrefixes) < limits.prefixes:
                self._serverPrefixes[said.name] = said.uri
        elif self._welcome is not None and not self._welcome.called:
            self._welcome.callback(said)


def _wantsBack(reason: Exception) -> bool:
    """Who is refused once is refused again."""
    return wantsBack(reason) and not isinstance(reason, CallError)
