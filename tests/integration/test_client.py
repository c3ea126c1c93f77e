"""The client on real sockets: against our own server, and against servers that misbehave."""

from __future__ import annotations

import re
import resource

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.internet.protocol import Factory, Protocol

from ratchet_py import App
from ratchet_py.client import (
    ConnectError,
    ConnectionClosed,
    Connector,
    HandshakeError,
    connect,
)
from ratchet_py.errors import LocalError
from ratchet_py.limits import Limits
from ratchet_py.rfc6455.header_values import acceptKey
from ratchet_py.server import EchoServer
from ratchet_py.websocket import WsServerInterface
from tests.integration.wire import patient, text

OPEN = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\n\r\n"
)


class Scripted(Protocol):
    """A server that does what a test says.

    ``script(self)`` is called when the request is in; ``{accept}`` of it is what it should answer.
    """

    def __init__(self, script):
        self._script = script
        self.head = b""
        self.data = b""
        self.lost = Deferred()

    def dataReceived(self, data):
        self.data += data
        if not self.head and b"\r\n\r\n" in self.data:
            self.head, _, self.data = self.data.partition(b"\r\n\r\n")
            self._script(self)

    def connectionLost(self, reason):
        self.lost.callback(None)

    def accept(self, data=b""):
        """Answer as one should, and go on with this."""
        key = re.search(rb"Sec-WebSocket-Key: (\S+)", self.head)[1].decode()
        self.transport.write(OPEN % acceptKey(key).encode() + data)


@pytest.fixture
def scripted():
    """``scripted(script)`` gives the URL of a server, and a list of its connections."""
    ports = []

    def start(script):
        from twisted.internet import reactor

        made = []

        class Server(Factory):
            noisy = False

            def buildProtocol(self, address):
                made.append(Scripted(script))
                return made[-1]

        ports.append((reactor.listenTCP(0, Server(), interface="127.0.0.1"), made))
        return f"ws://127.0.0.1:{ports[-1][0].getHost().port}/path", made

    yield start
    for port, made in ports:
        pytest_twisted.blockon(port.stopListening())
        for protocol in made:
            protocol.transport.abortConnection()
        pytest_twisted.blockon(gatherResults([protocol.lost for protocol in made]))


def say(data):
    return lambda server: server.transport.write(data)


async def fails(url, kind=ConnectError, **options):
    from twisted.internet import reactor

    with pytest.raises(kind) as caught:
        await patient(connect(url, reactor=reactor, **options), "a failure")
    return caught.value


# -- our own server --------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_an_echo(serve, echo):
    served = await serve(echo)
    sent = ["hello", "", "grüße 𝄞", "large " * 500_000, b"\x00\xff", b"", bytes(100_000)]
    async with await connect(f"ws://localhost:{served.port}/") as conn:
        for message in sent:
            conn.send(message)
        assert [await patient(conn.receive(), "an echo") for _ in sent] == sent
        assert conn.request.headers["Origin"] == f"http://localhost:{served.port}"
        assert conn.response.status == 101
        assert conn.response.headers["Sec-WebSocket-Extensions"].startswith("permessage-deflate")
    assert conn.closeCode == 1000
    await echo.until("close")
    assert echo.events == ["open", *(("message", message) for message in sent), "close"]


@pytest_twisted.ensureDeferred
async def test_more_than_both_ends_hold_goes_through(serve, echo):
    served = await serve(echo, limits=Limits(sendBuffer=64 * 1024 * 1024))
    conn = await connect(f"ws://localhost:{served.port}/", compression=None)
    for _ in range(50):
        conn.send(bytes(200_000))
        await patient(conn.whenDrained(), "the way out")
    for _ in range(50):
        assert len(await patient(conn.receive(), "an echo")) == 200_000
    await patient(conn.close(), "the close")


@pytest_twisted.ensureDeferred
async def test_headers_a_user_and_a_subprotocol(serve):
    class Speaks(EchoServer, WsServerInterface):
        def getSubProtocols(self):
            return ["chat"]

        def onOpen(self, conn):
            request = conn.httpRequest
            conn.send(f"{request.headers['Authorization']} {request.headers['X-Room']}")
            conn.send(f"{request.uri} {request.headers['User-Agent']}")

    served = await serve({"/chat": Speaks()}, origins=["*"])
    url = f"ws://ann:secret@localhost:{served.port}/chat?room=1"
    conn = await connect(url, ["other", "chat"], {"X-Room": "blue", "user-agent": "mine"})
    assert conn.subProtocol == "chat"
    assert await conn.receive() == "Basic YW5uOnNlY3JldA== blue"
    assert await conn.receive() == "/chat?room=1 mine"
    await conn.close()
    refused = await fails(f"ws://localhost:{served.port}/chat", subProtocols=["other"])
    assert refused.status == 426


@pytest.mark.parametrize(
    "headers",
    [
        {"Connection": "close"},
        {"sec-websocket-key": "x"},
        {"Content-Length": "5"},
        {"X": "a\r\nEvil: yes"},
        {"X Y": "a"},
        {"": "a"},
        {"X": "\u20ac"},
    ],
)
def test_header_fields_that_cannot_be_sent(headers):
    from twisted.internet import reactor

    with pytest.raises(LocalError):
        connect("ws://localhost/", headers=headers, reactor=reactor)


@pytest_twisted.ensureDeferred
async def test_a_refusal(serve, echo):
    served = await serve(echo, origins=["elsewhere.example"])
    error = await fails(f"ws://localhost:{served.port}/")
    assert type(error) is HandshakeError
    assert (error.status, error.body) == (403, b"origin not allowed\n")
    assert error.headers["content-type"].startswith("text/plain")
    assert str(error).endswith("/: Forbidden (403): origin not allowed")


@pytest_twisted.ensureDeferred
async def test_a_unix_socket(tmp_path):
    from twisted.internet import reactor

    app = App("localhost", 0, "127.0.0.1", reactor=reactor)
    app.route("/echo", EchoServer(), ["*"])
    port = await UNIXServerEndpoint(reactor, str(tmp_path / "a b.sock")).listen(app.server)
    conn = await connect(f"ws+unix://{tmp_path}/a%20b.sock:/echo?x")
    conn.send("hello")
    assert await patient(conn.receive(), "an echo") == "hello"
    await conn.close()
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_ipv6(echo):
    from twisted.internet import reactor
    from twisted.internet.error import CannotListenError

    app = App(None, 0, "::1", reactor=reactor)
    app.route("/", echo, ["*"])
    try:
        (port,) = await app.listen()
    except CannotListenError:
        # A machine without IPv6, as containers are: tests/client/test_address has what is left.
        return
    conn = await connect(f"ws://[::1]:{port.getHost().port}/")
    assert conn.request.headers["Host"] == f"[::1]:{port.getHost().port}"
    await conn.close()
    await app.close()


@pytest_twisted.ensureDeferred
async def test_a_thousand_at_once(serve, echo):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 3000:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3000, hard))
    served = await serve(echo, host=None, origins=["*"])
    connector = Connector()
    url = f"ws://127.0.0.1:{served.port}/"
    conns = await patient(gatherResults([connector(url) for _ in range(1000)]), "a thousand")
    for number, conn in enumerate(conns):
        conn.send(str(number))
    assert await gatherResults([conn.receive() for conn in conns]) == [*map(str, range(1000))]
    await patient(gatherResults([conn.close() for conn in conns]), "a thousand goodbyes")
    await echo.until("close", times=1000)


@pytest_twisted.ensureDeferred
async def test_the_server_closes_and_restarts(serve, echo):
    served = await serve(echo)
    conn = await connect(f"ws://localhost:{served.port}/")
    await served.app.close()
    await patient(conn.whenClosed(), "the end")
    assert conn.closeCode == 1001


# -- servers that misbehave ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"SSH-2.0-OpenSSH\r\n", None, "does not speak HTTP/1.1"),
        (b"\x00" * 100, None, "does not speak HTTP/1.1"),
        (b"HTTP/1.1 101 x\r\nno colon\r\n\r\n", None, "malformed"),
        (b"HTTP/1.1 101 x\r\n" + b"A: b\r\n" * 5000, None, "larger than 16384 bytes"),
        (b"HTTP/1.1 101 x\r\n\r\n", 101, "does not upgrade"),
        (OPEN % b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 101, "not the answer to our key"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "OK (200): hello"),
        (b"HTTP/1.1 204 \r\nContent-Length: 0\r\n\r\n", 204, "the server refuses (204)"),
        (
            b"HTTP/1.1 301 Moved\r\nLocation: wss://example.com/\r\nContent-Length: 0\r\n\r\n",
            301,
            "not followed, to wss://example.com/ (301)",
        ),
        (
            b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n",
            503,
            "No (503): hello",
        ),
        (b"HTTP/1.1 500 No\r\nContent-Length: 9999\r\n\r\n" + b"x" * 2000, 500, "xxx"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_answers_that_are_no_websocket(scripted, data, status, words):
    url, made = scripted(say(data))
    error = await fails(url)
    assert type(error) is HandshakeError
    assert error.status == status
    assert words in str(error)
    assert len(error.body) <= 1024
    await patient(made[0].lost, "the end of the connection")


@pytest_twisted.ensureDeferred
async def test_a_length_that_is_none(scripted):
    url, _ = scripted(say(b"HTTP/1.1 403 No\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"))
    error = await fails(url, limits=Limits(handshakeTimeout=0.05))
    assert (error.status, error.body) == (403, b"")


@pytest_twisted.ensureDeferred
async def test_a_refusal_whose_body_ends_with_the_connection(scripted):
    def script(server):
        server.transport.write(b"HTTP/1.1 403 No\r\n\r\nnot")
        server.transport.write(b" you")
        server.transport.loseConnection()

    url, _ = scripted(script)
    assert (await fails(url)).body == b"not you"


@pytest_twisted.ensureDeferred
async def test_a_server_that_hangs_up(scripted):
    url, _ = scripted(lambda server: server.transport.loseConnection())
    assert str(await fails(url)).endswith("closed the connection without an answer")
    url, _ = scripted(lambda server: server.transport.abortConnection())
    assert isinstance(await fails(url), ConnectError)


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 101 Switching Pro", b"HTTP/1.1 403 No\r\n\r\nno"])
@pytest_twisted.ensureDeferred
async def test_a_server_that_stalls(scripted, data):
    url, made = scripted(say(data))
    error = await fails(url, limits=Limits(handshakeTimeout=0.05))
    if data.endswith(b"no"):
        assert error.body == b"no"
    else:
        assert "no answer within 0.05 seconds" in str(error)
    await patient(made[0].lost, "the end of the connection")


@pytest_twisted.ensureDeferred
async def test_nobody_listens(freePort):
    error = await fails(f"ws://ann:secret@127.0.0.1:{freePort}/?token=secret")
    assert "refused" in str(error)
    assert "secret" not in str(error)
    assert error.__cause__ is not None
    assert isinstance(await fails("ws+unix:///nowhere/at/all:/"), ConnectError)


@pytest_twisted.ensureDeferred
async def test_giving_up_while_it_opens(scripted):
    from twisted.internet import reactor

    opening = Deferred()
    url, made = scripted(opening.callback)
    connecting = connect(url, reactor=reactor)
    await patient(opening, "the request")
    connecting.cancel()
    with pytest.raises(CancelledError):
        await connecting
    await patient(made[0].lost, "the end of the connection")


@pytest_twisted.ensureDeferred
async def test_giving_up_while_it_connects(scripted):
    from twisted.internet import reactor

    url, _ = scripted(lambda server: None)
    connecting = connect(url, reactor=reactor)
    connecting.cancel()
    with pytest.raises(CancelledError):
        await connecting


@pytest_twisted.ensureDeferred
async def test_what_follows_the_answer_at_once(scripted):
    frames = text("one", mask=None) + text("two", mask=None) + b"\x88\x02\x03\xe8"
    url, _ = scripted(lambda server: (server.accept(frames), server.transport.loseConnection()))
    conn = await patient(connect(url), "the connection")
    assert [message async for message in conn] == ["one", "two"]


@pytest_twisted.ensureDeferred
async def test_garbage_after_the_handshake(scripted):
    url, made = scripted(lambda server: server.accept(b"\xff" * 10_000))
    conn = await patient(connect(url, limits=Limits(closeTimeout=0.05)), "the connection")
    with pytest.raises(ConnectionClosed) as closed:
        await conn.receive()
    assert closed.value.code == 1002
    await patient(made[0].lost, "the end of the connection")


@pytest_twisted.ensureDeferred
async def test_a_server_that_floods_is_held_up(scripted):
    """It sends without end; what we keep of that is bounded, and so is what is under way."""
    url, made = scripted(lambda server: server.accept())
    conn = await patient(connect(url), "the connection")
    server = made[0]
    flood = text("x" * 1000, mask=None) * 100

    class Producer:
        def resumeProducing(self):
            server.transport.write(flood)

        def stopProducing(self):
            pass

    server.transport.registerProducer(Producer(), False)
    received = 0
    async for _ in conn:
        received += 1
        assert len(conn._incoming._unread) <= 16 + 65536 // 1000 + 2
        if received == 5000:
            break
    server.transport.unregisterProducer()
    conn.abort()
    await patient(server.lost, "the end of the connection")
