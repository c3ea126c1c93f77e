"""A request goes out, and the answer makes a WebSocket of the connection, or not."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from ratchet_py.client.errors import ConnectError, HandshakeError
from ratchet_py.client.response import Response, ResponseParser
from ratchet_py.client.web_socket import Agreed, WebSocket
from ratchet_py.errors import RemoteError
from ratchet_py.http.request import Request
from ratchet_py.limits import Limits
from ratchet_py.rfc6455.client_negotiator import ClientNegotiator

__all__ = ["Opening"]

# How much of a refusal's body is kept.
_EXCERPT = 1024
_CHUNK = re.compile(rb"([0-9A-Fa-f]++)[^\r\n]*+\r\n")
_LAST_CHUNK = b"\r\n0\r\n\r\n"


class Opening(Protocol):
    """The protocol of a transport: it opens the connection, and then hands everything on.

    Args:
        name: What the server is called in messages.
        request: What to ask for.
        negotiator: Judges the answer.
        limits: ``headSize`` and ``handshakeTimeout`` of it.
        clock: The reactor.
        makeWebSocket: Called with the transport and with what was agreed on.

    Attributes:
        opened: Fires with the WebSocket, or fails with a :class:`ConnectError`.
    """

    def __init__(
        self,
        name: str,
        request: Request,
        negotiator: ClientNegotiator,
        limits: Limits,
        clock: Any,
        makeWebSocket: Callable[[Any, Agreed], WebSocket],
    ) -> None:
        self.opened: Deferred[WebSocket] = Deferred(lambda _: self._drop())
        self._name = name
        self._request = request
        self._negotiator = negotiator
        self._limits = limits
        self._clock = clock
        self._makeWebSocket = makeWebSocket
        self._parser = ResponseParser(limits.headSize)
        self._timer: IDelayedCall | None = None
        self._refusal: Response | None = None
        self._body = b""
        self._websocket: WebSocket | None = None

    def connectionMade(self) -> None:
        """The transport is connected."""
        if ITCPTransport.providedBy(self.transport):
            # Nagle's algorithm would hold back small messages.
            with suppress(OSError):
                self.transport.setTcpNoDelay(True)
        self._timer = self._clock.callLater(self._limits.handshakeTimeout, self._timedOut)
        self._transport.write(self._request.head)

    def dataReceived(self, data: bytes) -> None:
        """The server has sent bytes."""
        if self._websocket is not None:
            self._websocket.dataReceived(data)
        elif self._refusal is not None:
            self._receiveBody(data)
        elif not self.opened.called:
            self._receiveHead(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        if self._websocket is not None:
            self._websocket.connectionLost(reason)
        elif self._refusal is not None:
            self._refuse()
        else:
            self._fail(ConnectError(f"{self._name}: {_words(reason)}"), reason.value)

    @property
    def _transport(self) -> Any:
        return self.transport

    def _receiveHead(self, data: bytes) -> None:
        try:
            response = self._parser.receive(data)
        except RemoteError as error:
            self._fail(HandshakeError(f"{self._name}: {error.reason}"))
            return
        if response is None:
            return
        try:
            agreed = self._negotiator.judge(response.status, response.headers)
        except RemoteError as error:
            if response.status == 101:
                reason = f"{self._name}: {error.reason}"
                self._fail(HandshakeError(reason, 101, response.headers))
            else:
                self._refusal = response
                self._receiveBody(self._parser.rest)
            return
        self._stopTimer()
        self._websocket = self._makeWebSocket(
            self.transport, Agreed(self._request, response, *agreed)
        )
        rest = self._parser.rest
        # Who has waited listens, or reads, before the first message is there.
        self.opened.callback(self._websocket)
        if rest:
            self._websocket.dataReceived(rest)

    def _receiveBody(self, data: bytes) -> None:
        assert self._refusal is not None
        self._body += data
        headers = self._refusal.headers
        length = headers.get("Content-Length", "")
        wanted = min(_EXCERPT, int(length[:9])) if length.isdecimal() else _EXCERPT
        isAll = "Transfer-Encoding" in headers and self._body.endswith(_LAST_CHUNK)
        if len(self._body) >= wanted or isAll:
            self._refuse()

    def _refuse(self) -> None:
        refusal, self._refusal = self._refusal, None
        assert refusal is not None
        body = self._body
        chunk = _CHUNK.match(body) if "Transfer-Encoding" in refusal.headers else None
        if chunk is not None:
            body = body[chunk.end() : chunk.end() + int(chunk[1], 16)]
        reason = f"{self._name}: {refusal.phrase or 'the server refuses'}"
        if location := refusal.headers.get("Location"):
            reason += f", which is not followed, to {location[:200]}"
        self._fail(HandshakeError(reason, refusal.status, refusal.headers, body[:_EXCERPT]))

    def _timedOut(self) -> None:
        if self._refusal is not None:
            self._refuse()
        else:
            seconds = self._limits.handshakeTimeout
            self._fail(ConnectError(f"{self._name}: no answer within {seconds:g} seconds"))

    def _fail(self, error: ConnectError, cause: BaseException | None = None) -> None:
        self._drop()
        if not self.opened.called:
            error.__cause__ = cause
            self.opened.errback(error)

    def _drop(self) -> None:
        self._stopTimer()
        self._transport.abortConnection()

    def _stopTimer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


def _words(reason: Failure) -> str:
    """Why the connection has ended, for people."""
    if reason.check(ConnectionDone):
        return "the server has closed the connection without an answer"
    error = reason.value
    if isinstance(error, SSL.Error) and error.args and error.args[0]:
        # OpenSSL's errors are triples of library, function and reason.
        return "TLS: " + ", ".join(str(triple[-1]) for triple in error.args[0])
    return reason.getErrorMessage()
