"""A connection that is made anew whenever it is lost."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import deferLater

from ratchet_py.client.connector import Connector
from ratchet_py.client.emitter import Emitter
from ratchet_py.client.errors import ConnectError, ConnectionClosed
from ratchet_py.client.web_socket import WebSocket
from ratchet_py.dispatch import toDeferred
from ratchet_py.errors import LocalError
from ratchet_py.rfc6455.close_code import CloseCode
from ratchet_py.rfc6455.frame import Frame
from ratchet_py.rfc6455.message import Message

__all__ = ["BackOff", "ReconnectingClient", "wantsBack"]

# A farewell, or a policy that we break: the same again would end the same.
_FINAL = frozenset({CloseCode.NORMAL, CloseCode.POLICY})

_STOPPED = ConnectionClosed(CloseCode.ABNORMAL, "stopped")


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long to wait before the next attempt.

    Example:
        >>> [BackOff(jitter=0).delay(attempt) for attempt in range(4)]
        [0.5, 1.0, 2.0, 4.0]

    Attributes:
        initialDelay: Seconds before the first new attempt.
        maxDelay: No more seconds than that.
        factor: How many times longer each one is than the one before.
        jitter: Which part of it is random, 0 to 1: thousands of clients that lost the same server
            must not come back in the same moment.
        stableAfter: After so many seconds a connection has been a success, and the next loss begins
            with ``initialDelay`` again. A server that drops us at once does not make us hurry.
        maxAttempts: How many times in a row it is tried again before it is given up; None for ever.
    """

    initialDelay: float = 0.5
    maxDelay: float = 30.0
    factor: float = 2.0
    jitter: float = 0.5
    stableAfter: float = 5.0
    maxAttempts: int | None = None

    def delay(self, attempt: int) -> float:
        """Seconds to wait before a new attempt; the first one is number 0."""
        longest = min(self.maxDelay, self.initialDelay * self.factor ** min(attempt, 100))
        return longest * (1 - self.jitter * random.random())


def wantsBack(reason: Exception) -> bool:
    """Whether to connect again, unless somebody else decides.

    Example:
        >>> wantsBack(ConnectionClosed(1006)), wantsBack(ConnectionClosed(1000, "goodbye"))
        (True, False)

    Args:
        reason: A :class:`ConnectError`, a :class:`ConnectionClosed`, or what ``onOpen`` has raised.

    Returns:
        False for the close codes 1000 and 1008, True for anything else.
    """
    return not (isinstance(reason, ConnectionClosed) and reason.code in _FINAL)


class ReconnectingClient(Emitter):
    """Connects, and connects again when the connection is lost or could not be made.

    The events, and what a listener is called with:

    ``open``
        The new :class:`WebSocket`, when ``onOpen`` is done with it.
    ``close``
        Code and reason of a connection that is gone.
    ``error``
        The exception: a connection could not be made, or ``onOpen`` or a listener has failed.

    Example:
        ::

            async def subscribe(conn):
                conn.on("message", print)
                conn.send("subscribe news")

            async with ReconnectingClient("wss://example.com/feed", onOpen=subscribe) as client:
                client.send("hello")

    Args:
        url: As :class:`Connector` takes it, and so are ``subProtocols`` and ``headers``.
        subProtocols: The subprotocols that we speak.
        headers: More header fields of each request.
        connector: Opens the connections.
        onOpen: Called with each new connection, before anything of it is delivered: here one
            listens, and subscribes anew. May be async; if it fails, the connection is closed, and
            made again.
        backOff: How long to wait before the next attempt.
        shouldReconnect: Called with the reason when there is no connection; see :func:`wantsBack`,
            which is asked if there is none.

    Attributes:
        url: Where to.
        conn: The connection of the moment, or None.
    """

    events = ("open", "close", "error")

    def __init__(
        self,
        url: str,
        subProtocols: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        connector: Connector | None = None,
        *,
        onOpen: Callable[[WebSocket], object] | None = None,
        backOff: BackOff = BackOff(),
        shouldReconnect: Callable[[Exception], bool] = wantsBack,
    ) -> None:
        super().__init__()
        self.url = url
        self.conn: WebSocket | None = None
        self._subProtocols = subProtocols
        self._headers = headers
        self._connector = Connector() if connector is None else connector
        self._onOpen = onOpen
        self._backOff = backOff
        self._shouldReconnect = shouldReconnect
        self._insists = False
        self._isOpen = False
        self._isStopped = False
        # The run, what it waits for if that may be cut short, and why it has ended.
        self._running: Deferred[None] | None = None
        self._pausing: Deferred[Any] | None = None
        self._reason: Exception | None = None
        self._waiting: list[Deferred[WebSocket]] = []

    @property
    def isStarted(self) -> bool:
        """Whether :meth:`start` or :meth:`stop` has been called."""
        return self._running is not None or self._isStopped

    def start(self) -> Self:
        """Begin to connect, and try until there is a connection.

        Raises:
            LocalError: It has begun already, or the URL, a subprotocol or a header field is none.
        """
        if self.isStarted:
            raise LocalError("a client is started once")
        self._start(insists=True)
        return self

    def open(self) -> Deferred[Self]:
        """Connect, if that has not begun yet, and wait until ``onOpen`` is done.

        Unlike :meth:`start` it gives up when the first attempt fails, so that somebody hears of a
        wrong address. A connection that has been open is made anew from then on.

        Returns:
            A Deferred of this client. It fails with the reason when there will be no connection:
            :class:`ConnectError`, :class:`ConnectionClosed`, or what ``onOpen`` has raised.

        Raises:
            LocalError: The URL, a subprotocol or a header field is none.
        """
        if not self.isStarted:
            self._start(insists=False)
        return self.whenOpen().addCallback(lambda _: self)

    async def __aenter__(self) -> Self:
        try:
            return await self.open()
        except BaseException:
            self.stop()
            raise

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def stop(self, code: int = CloseCode.NORMAL, reason: str = "") -> Deferred[None]:
        """Close the connection, and make no other.

        Args:
            code: The close code.
            reason: Words for the server.

        Returns:
            A Deferred that fires when the connection is gone.

        Raises:
            LocalError: The code is none that may be sent.
        """
        closing = None if self.conn is None else self.conn.close(code, reason)
        self._isStopped = True
        if closing is not None:
            return closing
        if self._pausing is not None:
            self._pausing.cancel()
        elif self._running is None:
            self._end(_STOPPED)
        return succeed(None)

    def whenOpen(self) -> Deferred[WebSocket]:
        """The connection, now or when there is one again, and ``onOpen`` is done with it.

        Returns:
            A Deferred that fails with the last reason when there will be none any more.
        """
        if self._isOpen and self.conn is not None and not self.conn.isClosed:
            return succeed(self.conn)
        if self._reason is not None:
            return fail(self._reason)
        waiting: Deferred[WebSocket] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def send(self, msg: str | bytes | Message | Frame) -> None:
        """Send a message over the connection of the moment.

        Nothing is kept for a later connection: only the caller knows what is worth sending then.

        Raises:
            ConnectionClosed: There is none.
            SendBufferFull: More than ``Limits.sendBuffer`` waits already.
        """
        if self.conn is None:
            raise ConnectionClosed(CloseCode.ABNORMAL, "not connected")
        self.conn.send(msg)

    def _start(self, insists: bool) -> None:
        first = self._connect()
        self._insists = insists
        self._running = Deferred.fromCoroutine(self._run(first))

    def _connect(self) -> Deferred[WebSocket]:
        return self._connector(self.url, self._subProtocols, self._headers)

    async def _run(self, connecting: Deferred[WebSocket]) -> None:
        clock = self._connector.reactor
        reason: Exception
        attempt = 0
        while True:
            try:
                self._pausing = connecting
                conn = await connecting
                began = clock.seconds()
                reason = await self._serve(conn)
                if clock.seconds() - began >= self._backOff.stableAfter:
                    attempt = 0
            except CancelledError:
                reason = _STOPPED
            except ConnectError as exc:
                reason = exc
            goesOn = (
                self._insists
                and not self._isStopped
                and attempt != self._backOff.maxAttempts
                and self._wants(reason)
            )
            # A loss is an event of its own; and at the end those who wait are told.
            if not isinstance(reason, ConnectionClosed) and (
                goesOn or self._listeners["error"] or not self._waiting
            ):
                self._report(reason)
            if not goesOn:
                break
            self._pausing = deferLater(clock, self._backOff.delay(attempt))
            attempt += 1
            try:
                await self._pausing
            except CancelledError:
                break
            connecting = self._connect()
        self._pausing = None
        self._end(reason)

    def _end(self, reason: Exception) -> None:
        self._reason = reason
        waiting, self._waiting = self._waiting, []
        while waiting:
            waiting.pop(0).errback(reason)

    def _wants(self, reason: Exception) -> bool:
        try:
            return self._shouldReconnect(reason)
        except Exception as exc:
            self._report(exc)
            return False

    async def _serve(self, conn: WebSocket) -> Exception:
        """Live with a connection until it is gone; why it is."""
        self.conn = conn
        self._pausing = None
        failed: Exception | None = None
        gone = conn.whenClosed()
        try:
            opening = None if self._onOpen is None else toDeferred(self._onOpen(conn))
            if opening is not None:
                # It may wait for what will not come any more.
                gone.addCallback(lambda _: opening.cancel())
                await opening
        except Exception as exc:
            if not conn.isClosed:
                failed = exc
                conn.close(CloseCode.GOING_AWAY)
        else:
            self._isOpen = not conn.isClosed
            if self._isOpen:
                self._opened(conn)
        await conn.whenClosed()
        self.conn = None
        self._isOpen = False
        assert conn.closeCode is not None
        self._emit("close", conn.closeCode, conn.closeReason)
        return failed or ConnectionClosed(conn.closeCode, conn.closeReason)

    def _opened(self, conn: WebSocket) -> None:
        self._insists = True
        waiting, self._waiting = self._waiting, []
        self._emit("open", conn)
        while waiting:
            waiting.pop(0).callback(conn)
