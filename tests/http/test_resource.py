from __future__ import annotations

import os

import pytest
import pytest_twisted
from klein import Klein
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.logger import capturedLogs
from twisted.web.client import Agent, HTTPConnectionPool, readBody
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from twisted.web.static import Data, File

from ratchet_py.http import HttpServer, ResourceController, Route, RouteCollection, Router
from ratchet_py.limits import Limits
from ratchet_py.server import IoServer
from ratchet_py.testing import connectRaw

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:twisted.web.static")


class Echo(Resource):
    """Answers with what it was sent, and remembers the requests."""

    isLeaf = True

    def __init__(self):
        super().__init__()
        self.requests = []

    def render_GET(self, request):
        self.requests.append(request)
        return b"got " + request.uri

    def render_POST(self, request):
        self.requests.append(request)
        return b"posted " + request.content.read()


class Later(Resource):
    """Answers when it is told to."""

    isLeaf = True

    def __init__(self):
        super().__init__()
        self.requests = []
        self.endings = []

    def render_GET(self, request):
        self.requests.append(request)
        request.notifyFinish().addBoth(self.endings.append)
        return NOT_DONE_YET


def serve(*routes):
    collection = RouteCollection()
    for index, route in enumerate(routes):
        collection.add(str(index), route)
    return HttpServer(Router(collection))


def get(path="/", *fields, method="GET", version="1.1", body=b""):
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost:8080", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def post(body, path="/"):
    return get(path, f"Content-Length: {len(body)}", method="POST", body=body)


def answers(data):
    """The status and the body of each answer."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        body = b""
        if b"Transfer-Encoding" in fields:
            while size := int((line := data.partition(b"\r\n"))[0], 16):
                body += line[2][:size]
                data = line[2][size + 2 :]
            data = line[2][2:]
        else:
            length = int(fields[b"Content-Length"])
            body, data = data[:length], data[length:]
        found.append((int(head.split()[1]), body))
    return found


def ask(server, conn, *pieces):
    server.onOpen(conn)
    for piece in pieces:
        server.onMessage(conn, piece)
    return answers(conn.written)


def test_a_page(conn):
    server = serve(Route("/page", Data(b"hello", "text/plain")))

    assert ask(server, conn, get("/page")) == [(200, b"hello")]
    assert not conn.closed
    assert conn.pauses == 0


def test_one_request_after_another(conn, clock):
    server = serve(Route("/", Echo()))
    assert ask(server, conn, get("/1"), post(b"abc"), get("/2"), post(b"")) == [
        (200, b"got /1"),
        (200, b"posted abc"),
        (200, b"got /2"),
        (200, b"posted "),
    ]
    server.onClose(conn)
    assert not clock.getDelayedCalls()


def test_requests_all_at_once(conn):
    server = serve(Route("/", Echo()))
    data = (get("/1") + post(b"abc")) * 500

    assert ask(server, conn, data) == [(200, b"got /1"), (200, b"posted abc")] * 500


def test_requests_byte_by_byte(connection):
    data = get("/1") + post(b"abc") + get("/2")
    conn = connection()
    assert ask(serve(Route("/", Echo())), conn, *(bytes([byte]) for byte in data)) == [
        (200, b"got /1"),
        (200, b"posted abc"),
        (200, b"got /2"),
    ]


def test_a_chunked_body(conn):
    chunked = get("/", "Transfer-Encoding: chunked", method="POST")
    body = b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"

    echo = Echo()
    assert ask(serve(Route("/", echo)), conn, chunked + body + get("/1")) == [
        (200, b"posted abcdefg"),
        (200, b"got /1"),
    ]
    # As one whose length was known: WSGI knows no other.
    headers = echo.requests[0].requestHeaders
    assert headers.getRawHeaders("Content-Length") == ["7"]
    assert not headers.hasHeader("Transfer-Encoding")


def test_each_request_is_routed_again(conn, recorder):
    app = recorder()
    one, two = Echo(), Echo()
    server = serve(Route("/one", one), Route("/ws", app), Route("/two", two))
    ask(server, conn, get("/one"), get("/two") + get("/ws") + b"\x81\x00")
    server.onMessage(conn, b"\x82\x00")
    server.onClose(conn)

    assert len(one.requests) == len(two.requests) == 1
    assert app.events == [
        ("open", "/ws"),
        ("message", b"\x81\x00"),
        ("message", b"\x82\x00"),
        ("close",),
    ]


def test_a_later_request_may_be_refused(conn, recorder):
    server = serve(Route("/one", Echo()), Route("/ws", recorder()))

    assert ask(server, conn, get("/one"), get("/two")) == [
        (200, b"got /one"),
        (404, b"not found\n"),
    ]
    assert conn.closed


def test_the_client_may_ask_for_the_end(conn):
    server = serve(Route("/", Echo()))
    ask(server, conn, get("/", "Connection: TE,Close") + get("/2"))

    assert conn.status == 200
    assert conn.answerHeaders["Connection"] == "close"
    assert conn.closed
    server.onMessage(conn, get("/3"))
    assert conn.status == 200


def test_http_1_0_is_answered_and_closed(conn):
    ask(serve(Route("/", Echo())), conn, get("/", "Connection: keep-alive", version="1.0"))

    assert conn.status == 200
    assert conn.answerHeaders["Connection"] == "close"
    assert conn.closed


def test_http_1_0_without_a_host(conn):
    resource = Echo()
    ask(serve(Route("/", resource)), conn, b"GET / HTTP/1.0\r\n\r\n")

    assert conn.status == 200
    assert resource.requests[0].getHost().host == ""


def test_another_version(conn):
    assert ask(serve(Route("/", Echo())), conn, get(version="2.0"))[0][0] == 505


class Page(Resource):
    def render_GET(self, request):
        return b"hello"


@pytest.mark.parametrize("page", [Data(b"hello", "text/plain"), Page()])
def test_head(conn, page):
    server = serve(Route("/page", page))
    with capturedLogs() as events:
        ask(server, conn, get("/page", method="HEAD"))

    assert events == []
    assert conn.status == 200
    assert conn.answerHeaders["Content-Length"] == "5"
    assert conn.answerBody == b""
    assert not conn.closed


def test_options_of_everything(conn):
    assert ask(serve(Route("/", Echo())), conn, get("*", method="OPTIONS"))[0][0] == 404


def test_a_method_that_the_resource_does_not_have(conn):
    assert ask(serve(Route("/", Later())), conn, post(b"x"))[0][0] == 405
    assert not conn.closed


def test_a_resource_that_fails(conn, loggedFailures):
    class Broken(Resource):
        isLeaf = True

        def render_GET(self, request):
            raise ZeroDivisionError

    server = serve(Route("/", Broken()))

    assert ask(server, conn, get(), get())[0][0] == 500
    assert len(loggedFailures.flush(ZeroDivisionError)) == 2


def test_an_absolute_target(conn):
    resource = Echo()
    assert ask(serve(Route("/", resource)), conn, get("http://Example.com/a?b=c")) == [
        (200, b"got /a?b=c")
    ]


def test_the_clients_address(connection):
    resource = Echo()
    for address in ("192.0.2.7", "2001:db8::7", ""):
        ask(serve(Route("/", resource)), connection(address), get())

    found = [request.getClientAddress() for request in resource.requests]
    assert [getattr(address, "host", None) for address in found] == [
        "192.0.2.7",
        "2001:db8::7",
        None,
    ]
    assert [type(address).__name__ for address in found] == [
        "IPv4Address",
        "IPv6Address",
        "UNIXAddress",
    ]


def test_a_mount_is_not_part_of_the_path(conn):
    root = Resource()
    root.putChild(b"a", Data(b"page a", "text/plain"))
    leaf = Echo()
    root.putChild(b"leaf", leaf)
    found = ask(
        serve(Route("/deep/site", root)), conn, get("/deep/site/a"), get("/deep/site/leaf/x/y")
    )

    assert found == [(200, b"page a"), (200, b"got /deep/site/leaf/x/y")]
    assert leaf.requests[0].prepath == [b"deep", b"site", b"leaf"]
    assert leaf.requests[0].postpath == [b"x", b"y"]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/deep%2Fsite/x", (200, b"page")),
        ("/deep/site%2Fx", None),
        ("/d%C3%A9/x", (200, b"page")),
    ],
)
def test_an_encoded_slash_in_the_path_of_a_mount(conn, path, answer):
    root = Resource()
    root.putChild(b"x", Data(b"page", "text/plain"))
    (found,) = ask(serve(Route("/deep/site", root), Route("/d\u00e9", root)), conn, get(path))

    assert found == answer if answer else found[0] == 404


@pytest.mark.parametrize("proto", ["http", "https"])
def test_a_resource_knows_what_a_trusted_proxy_says(proto):
    class Where(Resource):
        isLeaf = True

        def render_GET(self, request):
            return repr((request.isSecure(), request.getHost().port)).encode()

    server = HttpServer(serve(Route("/", Where())).component, trustedProxies=["127.0.0.1"])
    client = connectRaw(server)
    client.sendBytes(get("/", f"X-Forwarded-Proto: {proto}").replace(b":8080", b""))
    expected = (True, 443) if proto == "https" else (False, 80)
    assert answers(client.data) == [(200, repr(expected).encode())]


def test_a_klein_app(conn):
    app = Klein()

    @app.route("/hello/<name>", methods=["GET"])
    def hello(request, name):
        return f"hello {name}"

    @app.route("/form", methods=["POST"])
    def form(request):
        return request.args[b"a"][0]

    encoded = get(
        "/klein/form",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Length: 3",
        method="POST",
        body=b"a=b",
    )
    server = serve(Route("/klein", app.resource()))

    assert ask(server, conn, get("/klein/hello/ann") + encoded) == [
        (200, b"hello ann"),
        (200, b"b"),
    ]


# -- bodies ---------------------------------------------------------------------------------------


def limited(**limits):
    return serve(Route("/", ResourceController(Echo(), Limits(**limits))))


def test_an_announced_body_over_the_limit(conn):
    found = ask(limited(messageSize=10), conn, post(b"x" * 10), get("/", "Content-Length: 11"))

    assert [status for status, _ in found] == [200, 413]
    assert conn.closed


@pytest.mark.parametrize("digits", [19, 5000])
def test_an_announced_length_of_many_digits(conn, digits):
    assert ask(limited(), conn, get("/", f"Content-Length: {'9' * digits}"))[0][0] == 413


def test_a_chunked_body_over_the_limit(conn, clock):
    server = limited(messageSize=100)
    chunk = b"10\r\n" + b"x" * 16 + b"\r\n"
    ask(server, conn, get("/", "Transfer-Encoding: chunked", method="POST"), *[chunk] * 20)

    assert conn.status == 413
    assert conn.closed
    server.onClose(conn)
    assert not clock.getDelayedCalls()


def test_what_follows_a_chunked_body_is_not_of_it(conn):
    chunked = get("/", "Transfer-Encoding: chunked", method="POST", body=b"0\r\n\r\n")

    assert ask(limited(messageSize=100), conn, chunked, *[post(b"x" * 90)] * 3)[-1][0] == 200


def test_a_body_that_does_not_come(conn, clock):
    server = limited(handshakeTimeout=7)
    ask(server, conn, post(b"abc")[:-1])
    clock.advance(6)
    assert conn.written == b""
    clock.advance(1)

    assert conn.status == 408
    assert conn.closed
    server.onMessage(conn, b"c")
    server.onClose(conn)
    assert conn.status == 408
    assert not clock.getDelayedCalls()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (["Content-Length: x"], 400),
        (["Content-Length: -1"], 400),
        (["Content-Length: +1"], 400),
        (["Content-Length: 1_0"], 400),
        (["Content-Length:"], 400),
        (["Content-Length: 1, 1"], 400),
        (["Content-Length: \u00b2"], 400),
        (["Content-Length: 1", "Content-Length: 1"], 400),
        (["Content-Length: 1", "Transfer-Encoding: chunked"], 400),
        (["Transfer-Encoding: gzip, chunked"], 501),
        (["Transfer-Encoding: identity"], 501),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], 501),
    ],
)
def test_a_body_whose_length_is_in_doubt(conn, fields, status):
    server = serve(Route("/", Echo()))
    assert ask(server, conn, get("/", *fields, method="POST"), b"abc")[0][0] == status
    assert conn.closed


def test_chunks_and_http_1_0_do_not_go_together(conn):
    ask(serve(Route("/", Echo())), conn, get("/", "Transfer-Encoding: chunked", version="1.0"))
    assert conn.status == 400


def test_a_malformed_chunk(conn):
    chunked = get("/", "Transfer-Encoding: chunked", method="POST")
    server = serve(Route("/", Echo()))
    server.onOpen(conn)
    server.onMessage(conn, chunked + b"xyz\r\nabc")
    server.onMessage(conn, b"more")

    assert conn.status == 400
    assert conn.closed
    server.onClose(conn)


def test_the_client_is_told_to_go_on(conn):
    server = serve(Route("/", Echo()))
    server.onOpen(conn)
    whole = get("/", "Content-Length: 3", "Expect: 100-continue", method="POST")
    server.onMessage(conn, whole)
    assert conn.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    server.onMessage(conn, b"abc")

    assert conn.written.endswith(b"posted abc")


# -- answers that take their time -----------------------------------------------------------------


def test_a_request_waits_for_the_answer_before(conn, clock):
    later = Later()
    server = serve(Route("/later", later), Route("/", Echo()))
    ask(server, conn, get("/later") + get("/1"), get("/2"))
    clock.advance(60)
    assert conn.written == b""

    later.requests[0].setHeader(b"Content-Length", b"4")
    later.requests[0].write(b"late")
    later.requests[0].finish()

    assert answers(conn.written) == [(200, b"late"), (200, b"got /1"), (200, b"got /2")]
    assert later.endings == [None]
    server.onClose(conn)
    assert not clock.getDelayedCalls()


def test_reading_pauses_while_an_answer_is_awaited(conn):
    later = Later()
    server = serve(Route("/later", later), Route("/", Echo()))
    ask(server, conn, get("/later"), get("/" + "x" * 10000), get("/" + "y" * 10000))
    assert conn.pauses == 1

    later.requests[0].setHeader(b"Content-Length", b"0")
    later.requests[0].finish()

    assert conn.pauses == 0
    assert [status for status, _ in answers(conn.written)] == [200, 200, 200]


def test_a_client_that_does_not_wait_for_its_answer(conn, clock):
    later = Later()
    server = serve(Route("/later", later))
    ask(server, conn, get("/later"), b"x" * 20000)
    server.onClose(conn)

    assert len(later.endings) == 1
    assert conn.pauses == 0
    assert not clock.getDelayedCalls()


def test_a_producer_pauses_while_much_waits(conn):
    class Producer:
        calls = []

        def pauseProducing(self):
            self.calls.append("pause")

        def resumeProducing(self):
            self.calls.append("resume")

        def stopProducing(self):
            self.calls.append("stop")

    later = Later()
    server = serve(Route("/later", later))
    ask(server, conn, get("/later"))
    request = later.requests[0]
    request.registerProducer(producer := Producer(), True)
    request.write(b"x")
    assert producer.calls == []

    conn.bufferedAmount = 1_000_000
    request.write(b"x")
    request.write(b"x")
    assert producer.calls == ["pause"]

    conn.drain()
    assert producer.calls == ["pause", "resume"]

    conn.bufferedAmount = 1_000_000
    request.write(b"x")
    server.onClose(conn)
    assert producer.calls == ["pause", "resume", "pause", "stop"]
    conn.drain()
    assert producer.calls == ["pause", "resume", "pause", "stop"]


def test_the_next_request_waits_until_the_answer_has_left(conn):
    class Large(Resource):
        isLeaf = True

        def render_GET(self, request):
            conn.bufferedAmount = 1_000_000
            return b"large"

    server = serve(Route("/large", Large()), Route("/", Echo()))
    assert ask(server, conn, get("/large") + get("/1")) == [(200, b"large")]
    assert conn.pauses == 1
    server.onMessage(conn, get("/2"))

    conn.drain()

    assert answers(conn.written) == [(200, b"large"), (200, b"got /1"), (200, b"got /2")]
    assert conn.pauses == 0


def test_a_client_that_leaves_before_the_answer_has_left(conn):
    class Large(Resource):
        isLeaf = True

        def render_GET(self, request):
            conn.bufferedAmount = 1_000_000
            return b"large"

    server = serve(Route("/large", Large()))
    ask(server, conn, get("/large"))
    server.onClose(conn)
    conn.drain()

    assert answers(conn.written) == [(200, b"large")]
    assert conn.pauses == 0


def test_a_resource_may_drop_the_connection(conn):
    later = Later()
    server = serve(Route("/later", later))
    ask(server, conn, get("/later"))
    later.requests[0].transport.abortConnection()

    assert conn.aborted
    server.onClose(conn)
    assert len(later.endings) == 1


def test_a_resource_that_runs_without_a_router(conn):
    assert ask(HttpServer(ResourceController(Echo())), conn, get("/x"), get("/y")) == [
        (200, b"got /x"),
        (200, b"got /y"),
    ]


def test_a_fault_outside_of_the_resource_drops_the_connection(conn, loggedFailures):
    class BrokenController(ResourceController):
        def onMessage(self, conn, msg):
            raise ZeroDivisionError

    server = serve(Route("/", BrokenController(Echo())))
    ask(server, conn, post(b"abc"))

    assert conn.aborted
    assert len(loggedFailures.flush(ZeroDivisionError)) == 1


# -- on sockets -----------------------------------------------------------------------------------


@pytest.fixture
def listen():
    """Serves on a port; gives its URL."""
    ports = []

    async def start(server):
        made = IoServer(server, reactor)
        ports.append(
            (made, await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(made))
        )
        return ports[-1][1].getHost().port

    yield start
    for server, port in ports:
        pytest_twisted.blockon(port.stopListening())
        pytest_twisted.blockon(server.close())


@pytest_twisted.ensureDeferred
async def test_files_over_one_socket(listen, tmp_path):
    content = os.urandom(3_000_000)
    (tmp_path / "large.bin").write_bytes(content)
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "index.html").write_text("<p>index")
    port = await listen(serve(Route("/files", File(str(tmp_path))), Route("/echo", Echo())))
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = 1
    agent = Agent(reactor, pool=pool)

    async def fetch(path):
        answer = await agent.request(b"GET", f"http://127.0.0.1:{port}{path}".encode())
        return answer, await readBody(answer)

    try:
        for _ in range(2):
            answer, body = await fetch("/files/large.bin")
            assert (answer.code, body == content) == (200, True)
            answer, body = await fetch("/echo")
            assert (answer.code, body) == (200, b"got /echo")
        answer, body = await fetch("/files/dir/")
        assert (answer.code, body) == (200, b"<p>index")
        answer, body = await fetch("/files/dir")
        assert (answer.code, answer.headers.getRawHeaders("Location")) == (302, ["/files/dir/"])
        answer, body = await fetch("/files/none")
        assert answer.code == 404
    finally:
        await pool.closeCachedConnections()


class Client(Protocol):
    """Counts what it gets, and reads no more than it is told to."""

    def __init__(self):
        self.received = 0
        self.lost = Deferred()
        self.first = Deferred()

    def dataReceived(self, data):
        self.received += len(data)
        if self.first is not None:
            first, self.first = self.first, None
            first.callback(None)

    def connectionLost(self, reason):
        self.lost.callback(None)


@pytest_twisted.ensureDeferred
async def test_a_slow_reader_does_not_fill_the_memory(listen, tmp_path):
    size = 50_000_000
    with open(tmp_path / "huge.bin", "wb") as file:
        file.truncate(size)
    server = serve(Route("/", File(str(tmp_path))))
    port = await listen(server)
    client = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), Client())
    client.transport.write(get("/huge.bin", "Connection: close"))
    await client.first
    client.transport.pauseProducing()
    (conn,) = server.component._controllers
    turns = 0
    while not conn.bufferedAmount and turns < 100_000:
        turns += 1
        await turn()
    waiting = []
    for _ in range(200):
        waiting.append(conn.bufferedAmount)
        await turn()

    assert 0 < max(waiting) < 1_000_000
    client.transport.resumeProducing()
    await client.lost
    assert client.received > size


async def turn():
    later = Deferred()
    reactor.callLater(0, later.callback, None)
    await later


@pytest_twisted.ensureDeferred
async def test_a_client_that_leaves_amid_a_file(listen, tmp_path):
    with open(tmp_path / "huge.bin", "wb") as file:
        file.truncate(50_000_000)
    server = serve(Route("/", File(str(tmp_path))))
    port = await listen(server)
    client = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), Client())
    client.transport.write(get("/huge.bin"))
    await client.first
    client.transport.abortConnection()
    await client.lost
    while server.component._controllers:
        await turn()
