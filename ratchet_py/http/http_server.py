r"""From bytes to requests (``Ratchet\Http\HttpServer``)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ratchet_py.dispatch import Gate, call, toDeferred
from ratchet_py.errors import HttpError
from ratchet_py.http.interfaces import HttpServerInterface
from ratchet_py.http.request import Request
from ratchet_py.http.request_parser import RequestParser
from ratchet_py.http.response import refuse, response
from ratchet_py.http.trusted_proxies import TrustedProxies
from ratchet_py.interfaces import ConnectionInterface, MessageComponentInterface
from ratchet_py.limits import DEFAULT_LIMITS, Limits

__all__ = ["HttpServer"]

log = Logger()


class _Exchange:
    """What is known of a connection until its request has been taken by the component.

    Attributes:
        parser: Reads the head; None once there is one, or the request was refused.
        timer: Runs as long as the parser reads.
        gate: The way up; None before the component was told of the request.
        request: The request that the component was told of.
        held: What has arrived since, while ``onOpen`` has not finished.
        again: Set when the component has handed the connection back: the bytes of the next request.
        reused: Whether a request was served on this connection before.
        refused: Nothing that arrives matters any more.
        watched: Whether reading goes on while ``onOpen`` waits.
    """

    __slots__ = (
        "again",
        "gate",
        "held",
        "parser",
        "refused",
        "request",
        "reused",
        "timer",
        "watched",
    )

    def __init__(self) -> None:
        self.parser: RequestParser | None = None
        self.timer: IDelayedCall | None = None
        self.gate: Gate | None = None
        self.request: Request | None = None
        self.held: list[bytes] = []
        self.again: bytes | None = None
        self.reused = False
        self.refused = False
        self.watched = False

    def stopTimer(self) -> None:
        """Stop waiting for the head."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class HttpServer(MessageComponentInterface):
    r"""Reads a request's head and opens the component above with it (``Ratchet\Http\HttpServer``).

    The component's ``onOpen(conn, request)`` is called when the head is complete; everything that
    follows the head, also in the same segment, goes to its ``onMessage`` as bytes. Until then the
    connection is this layer's: a head that is malformed, too large or too late is refused, and the
    component never hears of it. An :class:`~ratchet_py.errors.HttpError` out of ``onOpen`` is the
    answer to the client.

    A component that has answered an ordinary HTTP request may hand the connection back with
    ``request.nextRequest(rest)``: it gets its ``onClose``, and the next request, which may be for
    something else altogether, gets an ``onOpen`` of its own.

    Example:
        ::

            IoServer(HttpServer(Router(routes)))

    Attributes:
        component: The component above.
        limits: Of these, ``headSize`` and ``handshakeTimeout``.
        poweredBy: Whether refusals name this library in ``X-Powered-By``.
        trustedProxies: Whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` count, and give the
            connection's ``remoteAddress`` and the request's ``scheme``; nobody's by default.
    """

    def __init__(
        self,
        component: HttpServerInterface,
        limits: Limits = DEFAULT_LIMITS,
        poweredBy: bool = True,
        trustedProxies: Iterable[str] = (),
    ) -> None:
        self.component = component
        self.limits = limits
        self.poweredBy = poweredBy
        self.trustedProxies = TrustedProxies(trustedProxies)
        # Connections that have no request yet, or whose onOpen has not finished, or that were
        # refused. What is not in here belongs to the component.
        self._exchanges: dict[ConnectionInterface, _Exchange] = {}

    @property
    def refusal(self) -> bytes:
        """What a client is told that there is no room for, before it has asked for anything."""
        body = b"too many connections\n"
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            ("Retry-After", "60"),
        ]
        return response(503, headers, body, self.poweredBy)

    @property
    def serial(self) -> bool:  # type: ignore[override]
        """What the component above says."""
        return self.component.serial

    def onOpen(self, conn: ConnectionInterface) -> None:
        """A client has connected; the time for its request runs."""
        exchange = self._exchanges[conn] = _Exchange()
        self._await(conn, exchange)

    def onMessage(self, conn: ConnectionInterface, msg: bytes) -> object:
        """Bytes have arrived: for the parser, or for the component."""
        exchange = self._exchanges.get(conn)
        if exchange is None:
            return self.component.onMessage(conn, msg)
        if exchange.parser is not None:
            self._receive(conn, exchange, msg)
        elif not exchange.refused:
            exchange.held.append(msg)
            self._unwatch(conn, exchange)
        return None

    def onClose(self, conn: ConnectionInterface) -> object:
        """The client is gone; the component hears of it if it has heard of the request."""
        exchange = self._exchanges.pop(conn, None)
        if exchange is None:
            return self.component.onClose(conn)
        exchange.stopTimer()
        if exchange.gate is not None:
            exchange.gate.close()
            if exchange.request is not None and exchange.request.whenGone is not None:
                exchange.request.whenGone()
        return None

    def onError(self, conn: ConnectionInterface, exc: Exception) -> object:
        """A callback has failed: the component's, or one of this layer."""
        exchange = self._exchanges.get(conn)
        if exchange is None or exchange.gate is not None:
            return self.component.onError(conn, exc)
        log.failure("a request could not be read", Failure(exc))
        if not exchange.refused:
            self._refuse(conn, exchange, HttpError(500, "internal server error"))
        return None

    def _nextRequest(self, conn: ConnectionInterface, request: Request, rest: bytes = b"") -> None:
        """What ``request.nextRequest`` is."""
        exchange = self._exchanges.get(conn)
        if conn.httpRequest is not request:
            return
        if exchange is None:
            exchange = self._exchanges[conn] = _Exchange()
            exchange.again = rest
            self._proceed(conn, exchange)
        elif exchange.parser is None:
            # Called out of onOpen or onMessage, while _settle is at work: it goes on from here.
            exchange.again = rest

    def _await(self, conn: ConnectionInterface, exchange: _Exchange) -> None:
        exchange.parser = RequestParser(self.limits, conn.remoteAddress)
        exchange.timer = conn.reactor.callLater(
            self.limits.handshakeTimeout, self._timedOut, conn, exchange
        )

    def _timedOut(self, conn: ConnectionInterface, exchange: _Exchange) -> None:
        exchange.timer = None
        if exchange.reused and exchange.parser is not None and not exchange.parser.started:
            # An answer to no request would be taken for the answer to the next one.
            exchange.refused = True
            exchange.parser = None
            conn.close()
        else:
            error = HttpError(408, "the request took too long", limit="handshakeTimeout")
            self._refuse(conn, exchange, error)

    def _refuse(self, conn: ConnectionInterface, exchange: _Exchange, error: HttpError) -> None:
        exchange.refused = True
        exchange.parser = None
        exchange.stopTimer()
        exchange.held.clear()
        isHead = exchange.request is not None and exchange.request.method == "HEAD"
        refuse(conn, error, self.poweredBy, withBody=not isHead)

    def _receive(self, conn: ConnectionInterface, exchange: _Exchange, data: bytes) -> None:
        # A loop, because pipelined requests would make any recursion as deep as they are many.
        while data and exchange.parser is not None:
            try:
                request = exchange.parser.receive(data)
            except HttpError as error:
                self._refuse(conn, exchange, error)
                return
            if request is None:
                return
            rest = exchange.parser.rest
            exchange.parser = None
            exchange.stopTimer()
            if rest:
                exchange.held.append(rest)
            self._locate(conn, request, exchange.reused)
            exchange.request = conn.httpRequest = request
            if not conn.isBorrowed:
                request.nextRequest = partial(self._nextRequest, conn, request)
            exchange.gate = Gate(self.component, conn)
            pending = exchange.gate.open(self._openComponent, exchange)
            if pending is not None:
                self._watch(conn, exchange, request)
                pending.addCallback(lambda _: self._proceed(conn, exchange))
                return
            data = self._settle(conn, exchange)

    def _locate(self, conn: ConnectionInterface, request: Request, reused: bool) -> None:
        scheme = "https" if getattr(conn, "isSecure", False) else "http"
        address = peer = conn.remoteAddress
        if self.trustedProxies:
            if reused:
                # A proxy sends the requests of all its clients over the connections that it has.
                peer = conn.httpRequest.peerAddress
            address, forwarded = self.trustedProxies.resolve(peer, request.headers)
            scheme = forwarded or scheme
            conn.remoteAddress = address
        if address != peer or scheme != "http":
            request.arrived(address, peer, scheme)
        else:
            request.remoteAddress = address

    def _watch(self, conn: ConnectionInterface, exchange: _Exchange, request: Request) -> None:
        # The gate has paused reading, but that a client goes is seen only by reading.
        if request.whenGone is not None:
            exchange.watched = True
            conn.resumeReading()

    def _unwatch(self, conn: ConnectionInterface, exchange: _Exchange) -> None:
        if exchange.watched:
            exchange.watched = False
            conn.pauseReading()

    def _proceed(self, conn: ConnectionInterface, exchange: _Exchange) -> None:
        self._unwatch(conn, exchange)
        self._receive(conn, exchange, self._settle(conn, exchange))

    def _openComponent(self, conn: ConnectionInterface, exchange: _Exchange) -> object:
        """Call the component's ``onOpen``, and answer the client if it raises ``HttpError``."""
        try:
            result = self.component.onOpen(conn, exchange.request)  # type: ignore[arg-type]
        except HttpError as error:
            self._refuse(conn, exchange, error)
            return None
        if result is None:
            return None
        deferred = toDeferred(result)
        if deferred is None:
            return None

        def failed(failure: Failure) -> None:
            failure.trap(HttpError)
            self._refuse(conn, exchange, failure.value)  # type: ignore[arg-type]

        return deferred.addErrback(failed)

    def _settle(self, conn: ConnectionInterface, exchange: _Exchange) -> bytes:
        """Go on after ``onOpen`` has finished: what was held goes up, or is the next request.

        Returns:
            The first bytes of the next request, if the component has handed the connection back.
        """
        component = self.component
        while True:
            if exchange.refused or self._exchanges.get(conn) is not exchange:
                return b""
            if exchange.again is not None:
                break
            if not exchange.held:
                del self._exchanges[conn]
                conn.httpRequest.trim()
                return b""
            data = b"".join(exchange.held)
            exchange.held.clear()
            pending = call(component, component.onMessage, conn, data)
            if pending is not None and component.serial:
                conn.pauseReading()
                pending.addCallback(lambda _: self._resume(conn, exchange))
                return b""
        exchange.gate = None
        call(component, component.onClose, conn)
        if self._exchanges.get(conn) is not exchange:
            return b""
        # The next request may be another person's: proxies share their connections.
        if hasattr(conn, "Session"):
            del conn.Session
        data = exchange.again + b"".join(exchange.held)
        exchange.again = None
        exchange.held.clear()
        exchange.request = None
        exchange.reused = True
        self._await(conn, exchange)
        return data

    def _resume(self, conn: ConnectionInterface, exchange: _Exchange) -> None:
        self._proceed(conn, exchange)
        conn.resumeReading()
