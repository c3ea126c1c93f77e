"""In-memory clients of any stack, for the tests of an application.

No socket is opened and no time passes: the client's bytes go through the very stack that would
serve a real one, and time is a :class:`~twisted.internet.task.Clock`.

Example:
    >>> from ratchet_py.server import EchoServer
    >>> client = connect(EchoServer())
    >>> client.send("hello")
    >>> client.received
    ['hello']
    >>> client.close()
    >>> client.closeCode, client.isClosed
    (1000, True)
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Self

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IConsumer, IPushProducer, ITransport
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from ratchet_py.app import App
from ratchet_py.errors import ProtocolError
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.rfc6455.frame import OP_BINARY, OP_CLOSE, OP_PING, OP_PONG, OP_TEXT, Frame, encode
from ratchet_py.rfc6455.message_buffer import MessageBuffer
from ratchet_py.server.io_server import IoServer
from ratchet_py.wamp.payload import Payload
from ratchet_py.wamp.serializers import Cbor, Json, MsgPack

__all__ = [
    "MemoryTransport",
    "RawClient",
    "Wamp2Client",
    "WampClient",
    "WebSocketClient",
    "connect",
    "connectRaw",
]

# One read of a TCP transport, and what it buffers before it pauses a producer.
_READ_SIZE = 64 * 1024
_MASK = b"\x01\x02\x03\x04"
_KEY = b64encode(bytes(16)).decode()


@implementer(ITransport, IConsumer, IPushProducer)
class MemoryTransport:
    """The server's end of a connection whose other end is an object of this module.

    Attributes:
        stalled: Whether the client takes nothing of what it is sent.
        disconnected: Whether the connection is gone.
    """

    def __init__(self, client: RawClient, clock: Clock, address: str) -> None:
        self.stalled = False
        self.disconnected = False
        self._client = client
        self._clock = clock
        self._address = address
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self._producer: Any = None
        self._producerPaused = False
        self._reading = True
        self._closing = False
        self._aborted = False
        self._ended = False

    # -- the server's side ------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send to the client (ITransport)."""
        if self.disconnected or self._aborted:
            return
        self._outgoing += data
        self._flush()
        if len(self._outgoing) > _READ_SIZE and self._producer and not self._producerPaused:
            self._producerPaused = True
            self._producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send to the client (ITransport)."""
        self.write(b"".join(data))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Say who is to be paused when the client does not keep up (IConsumer)."""
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Nobody is to be paused any more (IConsumer)."""
        self._producer = None

    def pauseProducing(self) -> None:
        """Take no more from the client (IPushProducer)."""
        self._reading = False

    def resumeProducing(self) -> None:
        """Take from the client again, in a later turn (IPushProducer)."""
        self._reading = True
        self._clock.callLater(0, self._deliver)

    def stopProducing(self) -> None:
        """Close (IProducer)."""
        self.loseConnection()

    def loseConnection(self) -> None:
        """Close when everything is sent (ITransport)."""
        self._closing = True
        if not self._outgoing:
            self._clock.callLater(0, self._lose, ConnectionDone())

    def abortConnection(self) -> None:
        """Close now, and forget what was not sent yet (ITCPTransport)."""
        self._aborted = True
        self._outgoing.clear()
        self._clock.callLater(0, self._lose, ConnectionAborted())

    def getPeer(self) -> IPv4Address:
        """The client's address (ITransport)."""
        return IPv4Address("TCP", self._address, 40000)

    def getHost(self) -> IPv4Address:
        """The server's address (ITransport)."""
        return IPv4Address("TCP", "127.0.0.1", 80)

    # -- the client's side ------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """The client sends."""
        self._incoming += data
        self._deliver()
        self._clock.advance(0)

    def end(self, half: bool) -> None:
        """The client has gone, or will only read any more."""
        if not half:
            self._lose(ConnectionLost())
        elif not self.disconnected:
            self._ended = True
            self._deliver()
        self._clock.advance(0)

    def unstall(self) -> None:
        """The client reads again."""
        self.stalled = False
        self._flush()
        self._clock.advance(0)

    def _deliver(self) -> None:
        while self._incoming and self._reading and not self.disconnected:
            data = bytes(self._incoming[:_READ_SIZE])
            del self._incoming[:_READ_SIZE]
            self._client.connection.dataReceived(data)
        if self._ended and not self._incoming and self._reading and not self.disconnected:
            self._ended = False
            self._client.connection.readConnectionLost()

    def _flush(self) -> None:
        while self._outgoing and not self.stalled:
            data = bytes(self._outgoing)
            self._outgoing.clear()
            self._client.dataReceived(data)
            if self._producerPaused and self._producer:
                self._producerPaused = False
                self._producer.resumeProducing()
        if self._closing and not self._outgoing:
            self._clock.callLater(0, self._lose, ConnectionDone())

    def _lose(self, reason: Exception) -> None:
        if not self.disconnected:
            self.disconnected = True
            self._client.connection.connectionLost(Failure(reason))


class RawClient:
    """A client that sends and receives bytes.

    Attributes:
        server: The bottom of the stack.
        connection: The connection there, as the server sees it.
        transport: What joins the two.
        clock: The time of the stack.
        data: All bytes that have been received.
    """

    def __init__(self, server: IoServer, address: str = "127.0.0.1") -> None:
        self.server = server
        self.data = b""
        self.clock: Clock = server.loop
        self.transport = MemoryTransport(self, self.clock, address)
        connection = server.buildProtocol(self.transport.getPeer())
        if connection is None:
            raise ConnectionRefusedError("the server is full")
        self.connection = connection
        self.connection.makeConnection(self.transport)
        self.clock.advance(0)

    @property
    def isClosed(self) -> bool:
        """Whether the server has closed the connection, or lost it."""
        return self.transport.disconnected

    def another(self, **options: Any) -> Self:
        """A second client, of the same kind and to the same server."""
        return type(self)(self.server, **options)

    def sendBytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.transport.feed(data)

    def halfClose(self) -> None:
        """Send no more, but read on."""
        self.transport.end(half=True)

    def disconnect(self) -> None:
        """Go without a word."""
        self.transport.end(half=False)

    def stall(self) -> None:
        """Take nothing of what is sent, until :meth:`unstall`."""
        self.transport.stalled = True

    def unstall(self) -> None:
        """Take what has been sent meanwhile, and what follows."""
        self.transport.unstall()

    def dataReceived(self, data: bytes) -> None:
        """The server has sent bytes."""
        self.data += data


class WebSocketClient(RawClient):
    """A client that speaks WebSocket.

    Attributes:
        path: The path of its request.
        status: The status of the answer to the handshake: 101, or why not.
        headers: Its header fields, names in lower case.
        received: The messages, ``str`` and ``bytes``.
        pings: The payloads of the pings, each of which has been answered.
        pongs: The payloads of the pongs.
        closeCode: The code of the server's close frame; None before it comes, 1005 if it is empty.
        closeReason: Its reason.
    """

    def __init__(
        self,
        server: IoServer,
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        subProtocols: Iterable[str] = (),
        address: str = "127.0.0.1",
    ) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.received: list[Any] = []
        self.pings: list[bytes] = []
        self.pongs: list[bytes] = []
        self.path = path
        self.closeCode: int | None = None
        self.closeReason = ""
        self._buffer: MessageBuffer | None = None
        super().__init__(server, address)
        fields = {
            "Host": "localhost",
            "Origin": "http://localhost",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": _KEY,
            "Sec-WebSocket-Version": "13",
        }
        if subProtocols:
            fields["Sec-WebSocket-Protocol"] = ", ".join(subProtocols)
        fields.update(headers or {})
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        self.sendBytes("\r\n".join([*lines, "", ""]).encode())

    def another(self, **options: Any) -> Self:
        """A second client, of the same kind, to the same server and path."""
        return type(self)(self.server, self.path, **options)

    def send(self, msg: str | bytes) -> None:
        """Send a message."""
        if isinstance(msg, str):
            self.sendFrame(msg.encode(), OP_TEXT)
        else:
            self.sendFrame(msg, OP_BINARY)

    def sendFrame(self, payload: bytes, opcode: int, final: bool = True) -> None:
        """Send one frame."""
        self.sendBytes(encode(payload, opcode, final, mask=_MASK))

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping."""
        self.sendFrame(payload, OP_PING)

    def close(self, code: int = 1000) -> None:
        """Send a close frame."""
        self.sendFrame(code.to_bytes(2, "big"), OP_CLOSE)

    def dataReceived(self, data: bytes) -> None:
        """The server has sent bytes."""
        super().dataReceived(data)
        if self._buffer is None:
            head, separator, data = self.data.partition(b"\r\n\r\n")
            if not separator:
                return
            line, *fields = head.decode("latin-1").split("\r\n")
            self.status = int(line.split(" ")[1])
            self.headers = {
                name.lower(): value for name, value in (field.split(": ", 1) for field in fields)
            }
            self._buffer = MessageBuffer(masked=False)
        if self.status == 101:
            for record in self._buffer.receive(data):
                self._take(record)

    def messageReceived(self, msg: str | bytes) -> None:
        """The server has sent a message."""
        self.received.append(msg)

    def _take(self, record: str | bytes | Frame | ProtocolError) -> None:
        if isinstance(record, ProtocolError):
            raise AssertionError("the server broke the WebSocket protocol") from record
        if not isinstance(record, Frame):
            self.messageReceived(record)
        elif record.opcode == OP_PING:
            self.pings.append(record.payload)
            self.sendLater(encode(record.payload, OP_PONG, mask=_MASK))
        elif record.opcode == OP_PONG:
            self.pongs.append(record.payload)
        else:
            self.closeCode = 1005 if record.closeCode is None else record.closeCode
            self.closeReason = record.reason
            self.sendLater(encode(record.payload[:2], OP_CLOSE, mask=_MASK))

    def sendLater(self, data: bytes) -> None:
        """Send bytes in a turn of their own, as an answer of the client's would come."""
        self.clock.callLater(0, self.sendBytes, data)


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
        self._serializer = _SERIALIZERS[subProtocol]
        super().__init__(server, path, subProtocols=[subProtocol], **options)
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


_SERIALIZERS = {f"wamp.2.{each.name}": each for each in (Json(), MsgPack(), Cbor())}


def _value(payload: list[Any]) -> Any:
    if len(payload) == 1 and len(payload[0]) == 1:
        return payload[0][0]
    return Payload(*payload)


def connect(
    served: Any,
    path: str = "/",
    clock: Clock | None = None,
    limits: Limits = DEFAULT_LIMITS,
    **options: Any,
) -> Any:
    """Connect a client that speaks what is served.

    Args:
        served: An application, which is served as ``App.route`` would serve it; or a whole
            :class:`~ratchet_py.App`; or the ``server`` of another client, to join it.
        path: Where the application is, or is to be; the client's may go on with a query.
        clock: The time of the stack; one is made if none is given.
        limits: The limits of a stack that is made here.
        options: What :class:`WebSocketClient` takes: ``headers``, ``subProtocols``, ``address``;
            or what :class:`Wamp2Client` takes, of which ``subProtocol`` must be one.

    Returns:
        A :class:`Wamp2Client` if there is a ``subProtocol``, a :class:`WampClient` for any other
        client of a WAMP application, else a :class:`WebSocketClient`.
    """
    if isinstance(served, IoServer):
        other = Wamp2Client if "subProtocol" in options else WebSocketClient
        return other(served, path, **options)
    route = path.partition("?")[0]
    if isinstance(served, App):
        app = served
        if clock is not None or not isinstance(app.server.loop, Clock):
            app.server.loop = clock or Clock()
    else:
        app = App(None, reactor=clock or Clock(), limits=limits)
        app.route(route, served, ["*"])
    kind: type[WebSocketClient] = WampClient if app.isWamp(route) else WebSocketClient
    if "subProtocol" in options:
        kind = Wamp2Client
    return kind(app.server, path, **options)


def connectRaw(
    served: Any, clock: Clock | None = None, limits: Limits = DEFAULT_LIMITS, **options: Any
) -> RawClient:
    """Connect a client that sends bytes to a component that takes bytes.

    Args:
        served: The component, or the ``server`` of another client.
        clock: The time of the stack; one is made if none is given.
        limits: The limits of a stack that is made here.
        options: What :class:`RawClient` takes: ``address``.
    """
    if not isinstance(served, IoServer):
        served = IoServer(served, clock or Clock(), limits)
    return RawClient(served, **options)
