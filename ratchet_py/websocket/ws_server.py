"""WebSocket on top of HTTP (RFC 6455)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ratchet_py.dispatch import Gate, toDeferred
from ratchet_py.errors import HttpError, ProtocolError
from ratchet_py.http.interfaces import HttpServerInterface
from ratchet_py.http.request import Request
from ratchet_py.http.response import refuse, response
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.interfaces import MessageComponentInterface as DataComponentInterface
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.meter import Meter
from ratchet_py.rfc6455.close_code import CloseCode
from ratchet_py.rfc6455.frame import OP_CLOSE, OP_PING, Frame
from ratchet_py.rfc6455.handshake import Handshake, ServerNegotiator
from ratchet_py.rfc6455.message import Message
from ratchet_py.rfc6455.permessage_deflate import PerMessageDeflateOptions
from ratchet_py.websocket.framer import Framer
from ratchet_py.websocket.interfaces import MessageComponentInterface, WsServerInterface
from ratchet_py.websocket.keep_alive import KeepAlive
from ratchet_py.websocket.measured import MeasuredGate, MeasuredWsConnection
from ratchet_py.websocket.ws_connection import WebSocket, WsConnection

__all__ = ["WsServer"]


log = Logger()


class _Waiting:
    """The ``authenticate`` of one client, which takes its time."""

    __slots__ = ("_pending", "isGone")

    def __init__(self, pending: Deferred[Any]) -> None:
        self._pending = pending
        self.isGone = False

    def cancel(self) -> None:
        """The client is gone."""
        self.isGone = True
        self._pending.cancel()

    def failed(self, failure: Failure) -> None:
        """It has failed, perhaps because it was cancelled."""
        if not self.isGone:
            raise _refusal(failure)


def _admitted(user: object) -> object:
    if user is None or user:
        return user
    raise HttpError(403, "not allowed")


def _refusal(failure: Failure) -> HttpError:
    if isinstance(failure.value, HttpError):
        return failure.value
    log.failure("authenticate has failed; the client gets a 500", failure)
    return HttpError(500, "internal server error")


class WsServer(HttpServerInterface):
    r"""Speaks WebSocket with every client that asks for it (``Ratchet\WebSocket\WsServer``).

    The component above gets whole messages: payloads (``str`` for text, ``bytes`` for binary) if it
    is a :class:`ratchet_py.interfaces.MessageComponentInterface`,
    :class:`~ratchet_py.rfc6455.Message` objects if it is a
    :class:`ratchet_py.websocket.interfaces.MessageComponentInterface`.

    Args:
        component: What is above. If it has ``getSubProtocols``, these are the subprotocols.
        limits: ``messageSize``, ``frameSize``, ``fragments``, ``sendBuffer`` and ``closeTimeout``
            are used here.
        compression: What permessage-deflate may be agreed; None for no compression.
        slowConsumers: What happens to a client that has more than ``sendBuffer`` waiting when it is
            sent a message: ``"close"`` it with 1013, or ``"drop"`` that message.
        poweredBy: Whether the answer to a handshake names this library.
        authenticate: Called with the :class:`~ratchet_py.http.Request` of a handshake that is sound
            otherwise, before it is answered; may be async. What it returns is
            ``conn.httpRequest.user``. It refuses by raising :class:`~ratchet_py.errors.HttpError`,
            401 or 403 say; what is false but not None is a 403. If it fails: 500. The component
            never hears of who is refused, or leaves while this waits; then the Deferred that waits
            is cancelled.

    Raises:
        TypeError: The component takes no messages.

    Attributes:
        delegate: The component above.
        limits: The limits.
        framer: Frames what is sent.
        meter: What is counted and timed here; None if nothing is.
        connectionClass: What the connections of the component above are.
        gateClass: What their events pass.
        dropped: How many messages were dropped because a client was too slow.
    """

    connectionClass: type[WsConnection] = WsConnection
    gateClass: type[Gate] = Gate

    def __init__(
        self,
        component: DataComponentInterface | MessageComponentInterface,
        limits: Limits = DEFAULT_LIMITS,
        *,
        compression: PerMessageDeflateOptions | None = PerMessageDeflateOptions(),  # noqa: B008
        slowConsumers: Literal["close", "drop"] = "close",
        poweredBy: bool = True,
        authenticate: Callable[[Request], object] | None = None,
    ) -> None:
        if not isinstance(component, (DataComponentInterface, MessageComponentInterface)):
            raise TypeError(f"{type(component).__name__} is no MessageComponentInterface")
        self.delegate = component
        self.limits = limits
        self.framer = Framer()
        self.dropped = 0
        self.meter: Meter | None = None
        self._wantsMessages = isinstance(component, MessageComponentInterface)
        self._negotiator = ServerNegotiator(
            component.getSubProtocols() if isinstance(component, WsServerInterface) else (),
            compression=compression,
        )
        self._slowConsumers = slowConsumers
        self._poweredBy = poweredBy
        self._authenticate = authenticate
        self._websockets: dict[ConnectionInterface, WebSocket] = {}
        self._keepAlive: KeepAlive | None = None

    @property
    def connections(self) -> list[ConnectionInterface]:
        """The clients of the moment, as the component above knows them."""
        return [websocket.conn for websocket in self._websockets.values()]

    def setStrictSubProtocolCheck(self, enable: bool) -> None:
        """Say what happens to a client that offers none of our subprotocols.

        Args:
            enable: True, the default, refuses it; False lets it in without a subprotocol.
        """
        self._negotiator.setStrictSubProtocolCheck(enable)

    def enableKeepAlive(self, loop: Any = None, interval: float = 30) -> None:
        """Ping every client, and drop who has sent nothing at all since the last ping.

        Args:
            loop: As in Ratchet; not needed, as each connection knows its reactor.
            interval: Seconds between two pings.
        """
        if self._keepAlive is not None:
            self._keepAlive.stop()
        self._keepAlive = KeepAlive(self._websockets.values(), interval)
        for conn in self._websockets:
            self._keepAlive.start(conn.reactor)

    def measure(self, meter: Meter) -> None:
        """Count the messages of the clients that come from now on, and time what they cause.

        Args:
            meter: What counts; the component above gets it, too, if it has a ``measure``.
        """
        self.meter = meter
        self.connectionClass = MeasuredWsConnection
        self.gateClass = MeasuredGate
        measure = getattr(self.delegate, "measure", None)
        if measure is not None:
            measure(meter)

    def onOpen(self, conn: ConnectionInterface, request: Request) -> object:
        """A request wants to become a WebSocket.

        Raises:
            HttpError: It must not; nothing has been sent.
        """
        handshake = self._negotiator.handshake(request.method, request.version, request.headers)
        if self._authenticate is None:
            return self._upgrade(conn, handshake)
        try:
            user = self._authenticate(request)
        except Exception as exc:
            raise _refusal(Failure(exc)) from None
        pending = toDeferred(user)
        if pending is None:
            request.user = _admitted(user)
            return self._upgrade(conn, handshake)
        waiting = _Waiting(pending)
        request.whenGone = waiting.cancel
        return pending.addCallbacks(_admitted, waiting.failed).addCallback(
            self._admit, conn, request, handshake, waiting
        )

    def _admit(
        self,
        user: object,
        conn: ConnectionInterface,
        request: Request,
        handshake: Handshake,
        waiting: _Waiting,
    ) -> object:
        if waiting.isGone:
            return None
        request.whenGone = None
        request.user = user
        return self._upgrade(conn, handshake)

    def _upgrade(self, conn: ConnectionInterface, handshake: Handshake) -> object:
        conn.send(response(101, handshake.headers, poweredBy=self._poweredBy))
        websocket = WebSocket(self, conn, handshake.subProtocol, handshake.extension)
        self._websockets[conn] = websocket
        if self._keepAlive is not None:
            self._keepAlive.start(conn.reactor)
        return websocket.gate.open(self.delegate.onOpen)

    def onMessage(self, conn: ConnectionInterface, msg: bytes) -> None:
        """Bytes of a client have arrived."""
        websocket = self._websockets.get(conn)
        if websocket is None:
            return
        websocket.heard = True
        deliver = websocket.gate.message
        wrap = self._wantsMessages
        for record in websocket.buffer.receive(msg):
            # By the exact class, which is what the buffer makes and what is fastest.
            kind = record.__class__
            if kind is str or kind is bytes:
                if not websocket.closing:
                    deliver(Message(record) if wrap else record)  # type: ignore[arg-type]
            elif isinstance(record, Frame):
                self.onControlFrame(record, websocket.conn)
            elif isinstance(record, ProtocolError):
                if record.limit is not None:
                    conn.serverTally.exceeded[record.limit] += 1
                websocket.gate.inTurn(partial(websocket.fail, record.closeCode, record.reason))

    def onControlFrame(self, frame: Frame, conn: WsConnection) -> None:
        """A control frame has come in; a pong needs no answer."""
        websocket = conn.WebSocket
        if frame.opcode == OP_PING:
            websocket.pong(frame.payload)
        elif frame.opcode == OP_CLOSE:
            websocket.gate.inTurn(partial(websocket.answerClose, frame))

    def onSlowConsumer(self, conn: WsConnection) -> None:
        """A message finds more than ``sendBuffer`` waiting."""
        conn.serverTally.exceeded["sendBuffer"] += 1
        if self._slowConsumers == "drop":
            self.dropped += 1
        else:
            conn.close(CloseCode.TRY_AGAIN, "slow consumer")

    def onClose(self, conn: ConnectionInterface) -> None:
        """A client is gone."""
        websocket = self._websockets.pop(conn, None)
        if websocket is None:
            return
        if self._keepAlive is not None and not self._websockets:
            self._keepAlive.stop()
        websocket.ended()

    def onError(self, conn: ConnectionInterface, exc: Exception) -> object:
        """Something below or beside us failed: the component above is told, or the request ends."""
        websocket = self._websockets.get(conn)
        if websocket is not None:
            return self.delegate.onError(websocket.conn, exc)
        refuse(conn, HttpError(500, "the request could not be served"))
        return None
