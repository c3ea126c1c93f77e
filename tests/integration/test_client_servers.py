"""The client against other people's servers: Autobahn's, ``websockets``, and ``ws`` on Node."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import pytest_twisted
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateOfferAccept
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import serverFromString
from twisted.internet.ssl import Certificate, trustRootFromCertificates

from ratchet_py.client import ConnectError, ConnectionClosed, HandshakeError, connect
from ratchet_py.http import HttpServer
from ratchet_py.rfc6455.permessage_deflate import PerMessageDeflateOptions
from ratchet_py.server import EchoServer, IoServer
from ratchet_py.websocket import WsServer
from tests.integration.process import Process
from tests.integration.wire import PATIENCE, patient
from tests.js.conftest import JS, node  # noqa: F401 - a fixture

LARGE = "grüße " * 200_000
SENT = ["hello", "", "grüße 𝄞", LARGE, LARGE, b"\x00\xff", b"", os.urandom(100_000)]
TAKEOVER = PerMessageDeflateOptions(serverNoContextTakeover=False, clientNoContextTakeover=False)
SMALL = PerMessageDeflateOptions(serverMaxWindowBits=9, clientMaxWindowBits=9)
COMPRESSIONS = {"plain": None, "default": PerMessageDeflateOptions(), "small": SMALL}
COMPRESSIONS["takeover"] = TAKEOVER

# What each of them does: it echoes, and closes as a message "close 4000 reason" says.
WEBSOCKETS = """
from websockets.sync.server import serve
def handler(conn):
    for message in conn:
        if isinstance(message, str) and message.startswith("close "):
            _, code, reason = message.split()
            conn.close(int(code), reason)
        else:
            conn.send(message)
with serve(handler, "127.0.0.1", 0, subprotocols=["a", "b"], max_size=None) as server:
    print("port", server.socket.getsockname()[1], flush=True)
    server.serve_forever()
"""

WS = """
import { WebSocketServer } from "ws";
const server = new WebSocketServer({
  host: "127.0.0.1", port: 0, perMessageDeflate: { threshold: 0 },
  handleProtocols: (offered) => (offered.has("b") ? "b" : false),
});
server.on("listening", () => console.log("port", server.address().port));
server.on("connection", (conn) => {
  conn.on("message", (data, isBinary) => {
    const [word, code, reason] = isBinary ? [] : data.toString().split(" ");
    if (word === "close") conn.close(Number(code), reason);
    else conn.send(data, { binary: isBinary });
  });
});
"""


class AutobahnEcho(WebSocketServerProtocol):
    def onConnect(self, request):
        return "b" if "b" in request.protocols else None

    def onMessage(self, payload, isBinary):
        if payload.startswith(b"close "):
            _, code, reason = payload.decode().split()
            self.sendClose(int(code), reason)
        else:
            self.sendMessage(payload, isBinary)


@pytest.fixture
def autobahn():
    """``await autobahn()`` gives the port of a server of Autobahn's."""
    ports = []

    async def start():
        from twisted.internet import reactor

        factory = WebSocketServerFactory(reactor=reactor)
        factory.noisy = False
        factory.protocol = AutobahnEcho
        timeouts = ("openHandshakeTimeout", "closeHandshakeTimeout")
        factory.setProtocolOptions(**dict.fromkeys(timeouts, PATIENCE))
        factory.setProtocolOptions(
            echoCloseCodeReason=True,
            perMessageCompressionAccept=lambda offers: next(
                (
                    PerMessageDeflateOfferAccept(offer, offer.accept_no_context_takeover)
                    for offer in offers
                    if isinstance(offer, PerMessageDeflateOffer)
                ),
                None,
            ),
        )
        ports.append(reactor.listenTCP(0, factory, interface="127.0.0.1"))
        return ports[-1].getHost().port

    yield start
    for port in ports:
        pytest_twisted.blockon(port.stopListening())


@pytest.fixture
def onNode(node, tmp_path):  # noqa: F811
    """``await onNode(program)`` gives the port of a server on Node."""
    started = []

    async def start(program):
        from twisted.internet import reactor

        # Beside the packages of tests/js, where Node looks for them.
        (tmp_path / "node_modules").symlink_to(JS / "node_modules")
        (tmp_path / "server.mjs").write_text(program)
        process = Process()
        command = [node.program, str(tmp_path / "server.mjs")]
        reactor.spawnProcess(process, node.program, command, os.environ)
        started.append(process)
        return int((await process.said(r"port (\d+)"))[1])

    yield start
    for process in started:
        if process.status is None:
            process.send("KILL")
            pytest_twisted.blockon(Deferred.fromCoroutine(process.end()))


async def talk(port, compression):
    url = f"ws://127.0.0.1:{port}/"
    options = {"compression": compression}
    conn = await patient(connect(url, ["c", "b"], **options), "the handshake")
    assert conn.subProtocol == "b"
    agreed = conn.response.headers.get("Sec-WebSocket-Extensions", "")
    assert agreed.startswith("permessage-deflate") == (compression is not None)
    pongs = []
    conn.on("pong", pongs.append)
    for message in SENT:
        conn.send(message).ping(b"between")
    assert [await patient(conn.receive(), "an echo") for _ in SENT] == SENT
    conn.send("close 4001 enough")
    with pytest.raises(ConnectionClosed) as closed:
        await patient(conn.receive(), "the close")
    assert (closed.value.code, closed.value.reason) == (4001, "enough")
    assert len(pongs) > 0
    assert set(pongs) == {b"between"}
    conn = await patient(connect(url, ["b"], **options), "the handshake")
    await patient(conn.close(4002, "goodbye"), "the close")
    assert conn.closeCode == 4002


@pytest.mark.parametrize("compression", COMPRESSIONS.values(), ids=COMPRESSIONS)
@pytest_twisted.ensureDeferred
async def test_autobahn(autobahn, compression):
    await talk(await autobahn(), compression)


@pytest.mark.parametrize("compression", COMPRESSIONS.values(), ids=COMPRESSIONS)
@pytest_twisted.ensureDeferred
async def test_websockets(spawn, compression):
    _, remote = await spawn(WEBSOCKETS)
    await talk(remote.port, compression)


@pytest_twisted.ensureDeferred
async def test_websockets_speaks_none_of_ours(spawn):
    _, remote = await spawn(WEBSOCKETS)
    with pytest.raises(HandshakeError):
        await connect(f"ws://127.0.0.1:{remote.port}/", ["c"])


@pytest.mark.parametrize("compression", COMPRESSIONS.values(), ids=COMPRESSIONS)
@pytest_twisted.ensureDeferred
async def test_ws(onNode, compression):
    await talk(await onNode(WS), compression)


# -- TLS -------------------------------------------------------------------------------------------


@pytest.fixture
def secure(certificate):
    """``await secure()`` gives the port of a server with TLS."""
    ports = []

    async def start():
        from twisted.internet import reactor

        server = IoServer(HttpServer(WsServer(EchoServer())), reactor)
        name = f"ssl:0:privateKey={certificate}:interface=127.0.0.1"
        ports.append(await serverFromString(reactor, name).listen(server))
        return ports[-1].getHost().port

    yield start
    for port in ports:
        pytest_twisted.blockon(port.stopListening())


@pytest.fixture
def trustRoot(certificate):
    return trustRootFromCertificates([Certificate.loadPEM(Path(certificate).read_bytes())])


tls = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")


@tls
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest_twisted.ensureDeferred
async def test_tls(secure, trustRoot, host):
    port = await secure()
    conn = await patient(connect(f"wss://{host}:{port}/", trustRoot=trustRoot), "the handshake")
    for message in SENT:
        conn.send(message)
    assert [await patient(conn.receive(), "an echo") for _ in SENT] == SENT
    for _ in range(30):
        conn.send(bytes(100_000))
        await patient(conn.whenDrained(), "the way out")
    for _ in range(30):
        await patient(conn.receive(), "an echo")
    assert conn.request.headers["Origin"] == f"https://{host}:{port}"
    await patient(conn.close(), "the close")
    assert conn.closeCode == 1000


@tls
@pytest_twisted.ensureDeferred
async def test_a_certificate_that_nobody_vouches_for(secure):
    with pytest.raises(ConnectError, match="TLS: certificate verify failed"):
        await patient(connect(f"wss://localhost:{await secure()}/"), "a failure")


@tls
@pytest_twisted.ensureDeferred
async def test_a_certificate_of_somebody_else(secure, trustRoot):
    # The name leads here, as any name may; the certificate is not its.
    port = await secure()
    with pytest.raises(ConnectError):
        await patient(connect(f"wss://127.0.0.2:{port}/", trustRoot=trustRoot), "a failure")


@tls
@pytest_twisted.ensureDeferred
async def test_tls_where_there_is_none_and_none_where_there_is(secure, serve, echo):
    served = await serve(echo)
    with pytest.raises(ConnectError, match="TLS: "):
        await patient(connect(f"wss://localhost:{served.port}/"), "a failure")
    with pytest.raises(ConnectError):
        await patient(connect(f"ws://localhost:{await secure()}/"), "a failure")


@tls
@pytest_twisted.ensureDeferred
async def test_a_hundred_with_tls_at_once(secure, trustRoot):
    url = f"wss://localhost:{await secure()}/"
    opening = [connect(url, trustRoot=trustRoot) for _ in range(100)]
    conns = await patient(gatherResults(opening), "a hundred")
    for conn in conns:
        conn.send("hello")
    assert await gatherResults([conn.receive() for conn in conns]) == ["hello"] * 100
    await patient(gatherResults([conn.close() for conn in conns]), "a hundred goodbyes")
