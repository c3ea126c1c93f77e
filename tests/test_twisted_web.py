"""A stack in a real site of ``twisted.web``: what a client sees is what it sees without one."""

from __future__ import annotations

import gc

import pytest
import pytest_twisted
from klein import Klein
from twisted.internet import defer
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
    serverFromString,
    wrapClientTLS,
)
from twisted.internet.interfaces import IProtocolNegotiationFactory
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import CertificateOptions
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from twisted.web.server import Request as WebRequest
from twisted.web.static import Data
from zope.interface import implementer

from ratchet_py import App, Limits
from ratchet_py.http import HttpServer, OriginCheck, Route, RouteCollection, Router
from ratchet_py.server import EchoServer, IoServer, Limiter
from ratchet_py.testing import connectRaw
from ratchet_py.twisted_web import RatchetResource
from ratchet_py.websocket import WsServer
from tests.integration.conftest import Echo
from tests.integration.wire import CLOSE, PING, PONG, TEXT, Client, frame, patient, request, text

pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

PROXY_HEADER = b"PROXY TCP4 198.51.100.7 192.0.2.1 40000 80\r\n"


class Beside:
    """A site that listens, with a page, a resource that waits, and a stack at ``/ws``."""

    def __init__(self, served, **options):
        from twisted.internet import reactor

        self.reactor = reactor
        self.resource = RatchetResource(served, **options)
        self.root = Resource()
        self.root.putChild(b"page", Data(b"hello", "text/plain"))
        self.waiting = self.root.children[b"wait"] = Waiting()
        self.root.putChild(b"ws", self.resource)
        self.site = Site(self.root)
        self._clients = []

    async def listen(self, endpoint="tcp:0:interface=127.0.0.1"):
        self._port = await serverFromString(self.reactor, endpoint).listen(self.site)
        return self

    async def client(self, data=b"", wrap=lambda endpoint: endpoint, path=None):
        if path is None:
            endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", self._port.getHost().port)
        else:
            endpoint = UNIXClientEndpoint(self.reactor, str(path))
        client = await connectProtocol(wrap(endpoint), Client())
        self._clients.append(client)
        client.send(data)
        return client

    async def stop(self):
        for client in self._clients:
            if client.lost is None:
                client.reset()
                await client.gone()
        await patient(self.resource.close(), "the clients' end")
        await patient(defer.maybeDeferred(self._port.stopListening), "the port's end")
        assert not self.resource.ioServer.connections


class Waiting(Resource):
    """Answers when it is told to, and so that nobody could miss it."""

    isLeaf = True

    def __init__(self):
        super().__init__()
        self.asked = defer.Deferred()

    def render_GET(self, request):
        self.asked.callback(request)
        return NOT_DONE_YET


@pytest.fixture
def beside():
    """``await beside(served)``, with the options of the resource."""
    all_ = []

    async def start(served, endpoint="tcp:0:interface=127.0.0.1", **options):
        one = Beside(served, **options)
        await one.listen(endpoint)
        all_.append(one)
        return one

    yield start
    for one in all_:
        pytest_twisted.blockon(defer.Deferred.fromCoroutine(one.stop()))


@pytest.fixture
def echo():
    return Echo()


def upgrade(path="/ws", **fields):
    return request(f"GET {path} HTTP/1.1", **fields)


def get(path="/page"):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


async def echoes(client, message="hello"):
    client.send(text(message))
    assert await client.next() == message


# -- the upgrade -----------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_frames_in_the_segment_of_the_request_are_processed(beside, echo):
    served = await beside(WsServer(echo))
    client = await served.client(upgrade() + text("first") + text("second"))
    assert (await client.response()).status == 101
    assert await client.next() == "first"
    assert await client.next() == "second"
    await echoes(client)
    client.send(frame(CLOSE, b"\x03\xe8"))
    await client.closing(1000)
    await echo.until("close")
    assert echo.events[0] == "open"


@pytest_twisted.ensureDeferred
async def test_a_request_in_pieces(beside, echo):
    served = await beside(WsServer(echo))
    client = await served.client()
    data = upgrade() + text("hello")
    for index in range(len(data)):
        client.send(data[index : index + 1])
        await turn()
    assert (await client.response()).status == 101
    assert await client.next() == "hello"


@pytest_twisted.ensureDeferred
async def test_pages_come_before_it_on_the_same_connection(beside, echo):
    served = await beside(WsServer(echo))
    client = await served.client(get())
    assert (await client.response()).body == b"hello"
    client.send(get())
    assert (await client.response()).body == b"hello"
    client.send(upgrade())
    assert (await client.response()).status == 101
    await echoes(client)


@pytest_twisted.ensureDeferred
async def test_pages_come_before_it_in_the_same_segment(beside, echo):
    served = await beside(WsServer(echo))
    client = await served.client(get() + get() + upgrade() + text("hello"))
    assert (await client.response()).body == b"hello"
    assert (await client.response()).body == b"hello"
    assert (await client.response()).status == 101
    assert await client.next() == "hello"


@pytest_twisted.ensureDeferred
async def test_a_page_that_takes_its_time_before_it(beside, echo):
    served = await beside(WsServer(echo))
    messages = ["x" * 10_000] * 20
    # More than twisted.web reads ahead: it has stopped reading when the page is done.
    client = await served.client(get("/wait") + upgrade() + b"".join(map(text, messages)))
    asked = await patient(served.waiting.asked, "the request")
    for _ in range(20):
        await turn()
    asked.setHeader("Content-Length", "4")
    asked.write(b"late")
    asked.finish()
    assert (await client.response()).body == b"late"
    assert (await client.response()).status == 101
    for message in messages:
        assert await client.next() == message


@pytest.mark.parametrize("size", [50_000, 3_000_000])
@pytest_twisted.ensureDeferred
async def test_nothing_overtakes_a_page_that_the_client_has_not_read_yet(beside, echo, size):
    served = await beside(WsServer(echo))
    page = bytes(range(250)) * (size // 250)
    served.root.putChild(b"large", Data(page, "application/octet-stream"))
    client = await served.client()
    client.transport.pauseProducing()
    client.send(get("/large") + upgrade() + text("hello"))
    await echo.until("open")
    for _ in range(20):
        await turn()
    client.transport.resumeProducing()
    assert (await client.response()).body == page
    assert (await client.response()).status == 101
    assert await client.next() == "hello"


@pytest_twisted.ensureDeferred
async def test_the_stack_sees_the_request_as_it_was_sent(beside, echo):
    served = await beside(WsServer(echo))
    client = await served.client(
        upgrade(
            "/ws/room%201/x?a=1&a=2&b=%20",
            Cookie=["a=1; b=2", 'c="3"'],
            X_Twice=["one", "two"],
            X_Latin="\xe9",
        )
    )
    assert (await client.response()).status == 101
    [conn] = echo.conns
    seen = conn.httpRequest
    assert (seen.method, seen.version, seen.path) == ("GET", "1.1", "/ws/room 1/x")
    assert seen.uri == "/ws/room%201/x?a=1&a=2&b=%20"
    assert seen.query == {"a": "2", "b": " "}
    assert seen.cookies == {"a": "1", "b": "2", "c": "3"}
    assert seen.headers.getAll("X-Twice") == ["one", "two"]
    assert seen.headers["x-latin"] == "\xe9"
    assert seen.headers["Sec-WebSocket-Version"] == "13"
    assert (conn.remoteAddress, seen.remoteAddress, seen.scheme) == ("127.0.0.1",) * 2 + ("http",)


@pytest_twisted.ensureDeferred
async def test_who_waits_for_the_end_of_the_request_is_told(beside, echo):
    served = await beside(WsServer(echo))
    ends = []

    class Watched(Resource):
        isLeaf = True

        def render(self, request):
            request.notifyFinish().addBoth(ends.append)
            return served.resource.render(request)

    served.root.putChild(b"watched", Watched())
    client = await served.client(upgrade("/watched"))
    assert (await client.response()).status == 101
    assert len(ends) == 1
    await echoes(client)


@pytest_twisted.ensureDeferred
async def test_a_client_that_goes_before_the_site_has_found_the_resource(beside, echo):
    served = await beside(WsServer(echo))
    client = await served.client(upgrade("/wait"))
    asked = await patient(served.waiting.asked, "the request")
    gone = asked.notifyFinish().addErrback(lambda _: None)
    client.reset()
    await patient(gone, "the end")
    asked.render(served.resource)
    assert served.resource.ioServer.tally.connections == 0


@pytest_twisted.ensureDeferred
async def test_nothing_of_twisted_web_stays(beside, echo):
    served = await beside(WsServer(echo))
    clients = [await served.client(get() + upgrade()) for _ in range(3)]
    for client in clients:
        assert (await client.response()).body == b"hello"
        assert (await client.response()).status == 101
    gc.collect()
    kinds = [type(each) for each in gc.get_objects()]
    assert kinds.count(HTTPChannel) == kinds.count(WebRequest) == 0
    assert len(served.resource.ioServer.connections) == 3


# -- transports ------------------------------------------------------------------------------------


def tls(endpoint):
    return wrapClientTLS(CertificateOptions(verify=False), endpoint)


@pytest_twisted.ensureDeferred
async def test_a_site_over_tls(beside, echo, certificate):
    served = await beside(WsServer(echo), f"ssl:0:interface=127.0.0.1:privateKey={certificate}")
    client = await served.client(get() + upgrade() + text("hello"), tls)
    assert (await client.response()).body == b"hello"
    assert (await client.response()).status == 101
    assert await client.next() == "hello"
    assert echo.conns[0].httpRequest.scheme == "https"
    await echoes(client, "x" * 300_000)
    client.send(frame(CLOSE))
    await client.closing(None)


@pytest_twisted.ensureDeferred
async def test_a_site_on_a_unix_socket(beside, echo, tmp_path):
    served = await beside(WsServer(echo), f"unix:{tmp_path / 'socket'}")
    client = await served.client(upgrade(), path=tmp_path / "socket")
    assert (await client.response()).status == 101
    await echoes(client)


@pytest_twisted.ensureDeferred
async def test_a_site_behind_a_proxy_that_says_who_comes(beside, echo):
    served = await beside(WsServer(echo), "haproxy:tcp:0:interface=127.0.0.1")
    client = await served.client(PROXY_HEADER + upgrade() + text("hello"))
    assert (await client.response()).status == 101
    assert await client.next() == "hello"
    assert echo.conns[0].remoteAddress == "198.51.100.7"
    await echoes(client)


class Http2(Protocol):
    """One request over HTTP/2."""

    def __init__(self, path):
        h2 = pytest.importorskip("h2.connection", reason="twisted[http2] is not installed")
        self.events = []
        self.done = defer.Deferred()
        self._path = path
        self._http = h2.H2Connection()

    def connectionMade(self):
        self._http.initiate_connection()
        fields = [(":method", "GET"), (":path", self._path), (":scheme", "https")]
        self._http.send_headers(1, [*fields, (":authority", "localhost")], end_stream=True)
        self.transport.write(self._http.data_to_send())

    def dataReceived(self, data):
        self.events += self._http.receive_data(data)
        self.transport.write(self._http.data_to_send())
        if "StreamEnded" in map(self._name, self.events):
            self.transport.loseConnection()

    def connectionLost(self, reason):
        [head] = (each for each in self.events if self._name(each) == "ResponseReceived")
        bodies = (each.data for each in self.events if self._name(each) == "DataReceived")
        self.done.callback((dict(head.headers), b"".join(bodies)))

    @staticmethod
    def _name(event):
        return type(event).__name__


@implementer(IProtocolNegotiationFactory)
class OnlyHttp2:
    @staticmethod
    def acceptableProtocols():
        return [b"h2"]


@pytest_twisted.ensureDeferred
async def test_http_2_is_told_to_come_another_way(beside, echo, certificate):
    served = await beside(WsServer(echo), f"ssl:0:interface=127.0.0.1:privateKey={certificate}")
    answers = []
    for path in ("/ws", "/page"):
        protocol = Http2(path)
        options = CertificateOptions(verify=False, acceptableProtocols=[b"h2"])
        port = served._port.getHost().port
        endpoint = wrapClientTLS(options, TCP4ClientEndpoint(served.reactor, "127.0.0.1", port))
        await connectProtocol(endpoint, protocol)
        answers.append(await patient(protocol.done, "an answer"))
    (head, body), (page, content) = answers
    assert head[b":status"] == b"505"
    assert b"HTTP/1.1" in body
    assert (page[b":status"], content) == (b"200", b"hello")
    assert echo.events == []


@pytest_twisted.ensureDeferred
async def test_what_is_no_connection_of_its_own_cannot_be_taken(beside, echo):
    server = HttpServer(Router(routes(("/", RatchetResource(WsServer(echo))))))
    client = connectRaw(server)
    client.sendBytes(upgrade("/"))
    assert client.data.startswith(b"HTTP/1.1 505 ")


# -- answers that are no upgrade -------------------------------------------------------------------


def routes(*pairs):
    collection = RouteCollection()
    for index, (path, controller) in enumerate(pairs):
        collection.add(str(index), Route(path, controller))
    return collection


class Chat(EchoServer):
    def getSubProtocols(self):
        return ["chat"]


def stack():
    return Router(routes(("/ws/{room}", OriginCheck(WsServer(Chat()), ["localhost"]))))


@pytest.mark.parametrize(
    "data",
    [
        upgrade("/ws/x", Sec_WebSocket_Protocol="chat"),
        b"GET /ws/x HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n",
        b"HEAD /ws/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /ws/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
        b"POST /ws/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n0\r\n\r\n",
        request("GET /ws/x HTTP/1.0"),
        request("GET /ws/x/y HTTP/1.1"),
        upgrade("/ws/x", Upgrade="other"),
        upgrade("/ws/x", Connection="keep-alive"),
        upgrade("/ws/x", Sec_WebSocket_Key="short"),
        upgrade("/ws/x", Sec_WebSocket_Key=None),
        upgrade("/ws/x", Sec_WebSocket_Version="12"),
        upgrade("/ws/x", Sec_WebSocket_Protocol="other"),
        upgrade("/ws/x", Sec_WebSocket_Extensions="x;=", Sec_WebSocket_Protocol="chat"),
        upgrade("/ws/x", Origin="http://elsewhere.example"),
        upgrade("/ws/x", Origin=None),
        upgrade("/ws/x", Origin=["http://localhost", "http://localhost"]),
        upgrade("/ws/x", Host=None),
        upgrade("/ws/x", Host=["localhost", "localhost"]),
        upgrade("/ws/x", Host="a:b:c"),
        upgrade("/ws/%zz"),
        upgrade("/ws/%00"),
        upgrade("/ws/x", Content_Length="5") + b"hello",
        upgrade("/ws/x", Content_Length="0", Sec_WebSocket_Protocol="chat"),
    ],
    ids=lambda data: data[:60].decode().replace("\r\n", " "),
)
@pytest_twisted.ensureDeferred
async def test_the_answer_is_the_one_without_twisted_web(beside, data):
    alone = connectRaw(HttpServer(stack()))
    alone.sendBytes(data)
    served = await beside(stack())
    client = await served.client(data)
    if b" 101 " not in alone.data:
        await client.gone()
    while len(client._data) < len(alone.data):
        await client._more("the answer")
    assert bytes(client._data) == alone.data


@pytest_twisted.ensureDeferred
async def test_a_head_too_large_is_the_sites_own_matter(beside, echo):
    served = await beside(WsServer(echo))
    client = await served.client(upgrade(X_Large="x" * 20_000))
    await client.gone()
    assert echo.events == []


@pytest_twisted.ensureDeferred
async def test_an_app_with_pages_answers_one_request_of_a_connection(beside, echo):
    app = App("localhost", reactor=None)
    app.route("/ws/echo", echo)

    class Form(Resource):
        isLeaf = True

        def render_GET(self, request):
            return b"a form"

        def render_POST(self, request):
            return b"got " + request.content.read()

    app.route("/ws/form", Form())
    served = await beside(app)
    client = await served.client(upgrade("/ws/echo"))
    assert (await client.response()).status == 101
    # The one behind it may be for the site.
    client = await served.client(get("/ws/form") + get())
    response = await client.response()
    assert (response.body, response.headers["connection"]) == (b"a form", "close")
    await client.end()
    head = b"POST /ws/form HTTP/1.1\r\nHost: localhost\r\n"
    for rest in (
        b"Content-Length: 3\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
    ):
        client = await served.client(head + rest)
        assert (await client.response()).body == b"got abc"
        await client.end()
    assert app.server.tally.connections == 4


def test_what_cannot_be_served_is_said_at_once():
    with pytest.raises(TypeError, match="EchoServer cannot be served here: wrap it in a WsServer"):
        RatchetResource(EchoServer())


# -- the life of a connection ----------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_a_half_closed_client_gets_what_is_queued(beside, echo):
    served = await beside(WsServer(echo))
    client = await served.client(upgrade() + text("x" * 500_000))
    client.transport.loseWriteConnection()
    assert (await client.response()).status == 101
    assert await client.next() == "x" * 500_000
    await client.gone()
    await echo.until("close")


@pytest_twisted.ensureDeferred
async def test_a_client_that_is_reset(beside, echo):
    served = await beside(WsServer(echo))
    client = await served.client(upgrade())
    assert (await client.response()).status == 101
    client.reset()
    await echo.until("close")
    assert not served.resource.ioServer.connections


@pytest_twisted.ensureDeferred
async def test_a_slow_consumer_is_closed(beside, echo):
    served = await beside(WsServer(echo, Limits(sendBuffer=100_000)))
    client = await served.client(upgrade())
    assert (await client.response()).status == 101
    client.transport.pauseProducing()
    while not echo.conns[0].record.serverTally.exceeded["sendBuffer"]:
        echo.conns[0].send("x" * 100_000)
        await turn()
    client.transport.resumeProducing()
    while (received := await client.frame()).opcode == TEXT:
        pass
    assert received.payload[:2] == (1013).to_bytes(2, "big")


@pytest_twisted.ensureDeferred
async def test_keep_alive(beside, echo):
    server = WsServer(echo)
    server.enableKeepAlive(interval=0.01)
    served = await beside(server)
    client = await served.client(upgrade())
    assert (await client.response()).status == 101
    assert (await client.frame()).opcode == PING
    # Silent, but for a word now and then: one that says nothing at all is dropped.
    client.send(frame(PONG))
    await client.gone()
    await echo.until("close")


@pytest_twisted.ensureDeferred
async def test_the_limits_of_the_stack(beside):
    served = await beside(WsServer(EchoServer()), limits=Limits(connections=1))
    client = await served.client(upgrade())
    assert (await client.response()).status == 101
    other = await served.client(upgrade())
    assert (await other.response()).status == 503
    await other.end()
    page = await served.client(get())
    assert (await page.response()).body == b"hello"


@pytest_twisted.ensureDeferred
async def test_a_server_of_ones_own(beside, echo):
    from twisted.internet import reactor

    limiter = Limiter(HttpServer(WsServer(echo), trustedProxies=["127.0.0.1"]), connections=1)
    served = await beside(IoServer(limiter, reactor))
    client = await served.client(upgrade(X_Forwarded_For="192.0.2.9"))
    assert (await client.response()).status == 101
    assert echo.conns[0].remoteAddress == "192.0.2.9"
    other = await served.client(upgrade())
    assert (await other.response()).status == 503


@pytest_twisted.ensureDeferred
async def test_closing_says_goodbye_and_lets_nobody_in(beside, echo):
    served = await beside(WsServer(echo))
    client = await served.client(upgrade())
    assert (await client.response()).status == 101
    closed = served.resource.close()
    other = await served.client(upgrade())
    response = await other.response()
    assert (response.status, response.headers["retry-after"]) == (503, "60")
    assert await client.closing(1001) == "server is shutting down"
    await patient(closed, "the end")
    page = await served.client(get())
    assert (await page.response()).body == b"hello"
    assert echo.events == ["open", "close"]


@pytest_twisted.ensureDeferred
async def test_many_at_once(beside, echo):
    # A listening socket holds 50 by default: what comes at once beyond that tries again later.
    served = await beside(WsServer(echo), "tcp:0:interface=127.0.0.1:backlog=200")
    clients = await defer.gatherResults(
        [
            defer.Deferred.fromCoroutine(served.client(get() + upgrade() + text(str(number))))
            for number in range(200)
        ]
    )
    for number, client in enumerate(clients):
        assert (await client.response()).body == b"hello"
        assert (await client.response()).status == 101
        assert await client.next() == str(number)
    assert len(served.resource.ioServer.connections) == 200


# -- Klein -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [False, True])
@pytest_twisted.ensureDeferred
async def test_a_stack_in_a_klein_app(beside, echo, late):
    served = await beside(WsServer(echo))
    klein = Klein()

    @klein.route("/ws", branch=True)
    def websocket(request):
        if not late:
            return served.resource
        later = defer.Deferred()
        served.reactor.callLater(0, later.callback, served.resource)
        return later

    @klein.route("/hello/<name>")
    def hello(request, name):
        request.setHeader("Content-Length", str(len(name)))
        return name

    served.site.resource = klein.resource()
    client = await served.client(get("/hello/ann") + upgrade("/ws/x") + text("hello"))
    assert (await client.response()).body == b"ann"
    assert (await client.response()).status == 101
    assert await client.next() == "hello"
    await echoes(client)
    assert echo.conns[0].httpRequest.path == "/ws/x"


@pytest_twisted.ensureDeferred
async def test_a_klein_app_in_an_app(echo):
    from twisted.internet import reactor

    klein = Klein()

    @klein.route("/hello/<name>")
    def hello(request, name):
        request.setHeader("Content-Length", str(len(name)))
        return name

    app = App("localhost", 0, reactor=reactor)
    app.route("/ws", echo)
    app.route("/", klein.resource())
    [port] = await app.listen()
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
    client = await connectProtocol(endpoint, Client())
    client.send(get("/hello/ann") + upgrade() + text("hello"))
    assert (await client.response()).body == b"ann"
    assert (await client.response()).status == 101
    assert await client.next() == "hello"
    client.reset()
    await client.gone()
    await app.close()


async def turn():
    from twisted.internet import reactor

    later = defer.Deferred()
    reactor.callLater(0, later.callback, None)
    await later
