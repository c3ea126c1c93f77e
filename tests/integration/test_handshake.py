"""The handshake table: every row on a raw socket, against an App."""

from __future__ import annotations

import itertools

import pytest
import pytest_twisted
from twisted.web.static import Data

from ratchet_py import App, __version__
from ratchet_py.http import HttpServer
from ratchet_py.server import IoServer
from ratchet_py.websocket import WsServer
from tests.integration.conftest import Echo, Served
from tests.integration.wire import KEY, TEXT, request, text

UPGRADE = {
    "connection": "Upgrade, close",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
}


class Chat(Echo):
    """An application with subprotocols."""

    def getSubProtocols(self):
        return ["chat.v2", "chat"]


def assertRefusal(response, status, headers=None):
    """It is what every refusal must be."""
    assert response.status == status
    assert response.headers["connection"] == "close" or status == 426
    assert response.headers["content-length"] == str(len(response.body))
    assert response.headers["content-type"].startswith("text/plain")
    assert response.headers["x-powered-by"] == f"Ratchet_py/{__version__}"
    assert response.body.count(b"\n") == 1
    assert len(response.body) > 1
    assert response.body.endswith(b"\n")
    for name, value in (headers or {}).items():
        assert response.headers[name] == value


@pytest_twisted.ensureDeferred
async def test_a_good_one(serve, echo):
    served = await serve(echo)
    client = await served.client(request(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ=="))
    response = await client.response()
    assert response.line == "HTTP/1.1 101 Switching Protocols"
    assert response.headers == {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "x-powered-by": f"Ratchet_py/{__version__}",
    }
    client.send(text("hello"))
    assert await client.next() == "hello"
    assert echo.events == ["open", ("message", "hello")]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("chat", "chat"),
        ("chat, chat.v2", "chat"),
        ("unknown, chat.v2", "chat.v2"),
        (["unknown", "chat.v2"], "chat.v2"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_the_chosen_subprotocol_is_named(serve, offered, chosen):
    served = await serve(Chat())
    client = await served.open(Sec_WebSocket_Protocol=offered)
    assert client.headers["sec-websocket-protocol"] == chosen


@pytest.mark.parametrize(
    "changes",
    [
        {"Upgrade": "WebSocket"},
        {"Upgrade": "h2c, websocket"},
        {"Connection": "keep-alive, upgrade"},
        {"Connection": ["keep-alive", "Upgrade"]},
        {"Host": "LOCALHOST:8080"},
        {"Origin": "http://LocalHost"},
        {"Origin": "https://localhost:9000"},
        {"Sec-WebSocket-Key": f" {KEY} "},
        {"Content-Length": "0"},
    ],
    ids=str,
)
@pytest_twisted.ensureDeferred
async def test_what_is_as_good(serve, echo, changes):
    served = await serve(echo)
    assert (await (await served.client(request(**changes))).response()).status == 101


@pytest_twisted.ensureDeferred
async def test_the_name_of_the_library_can_be_switched_off(echo):
    from twisted.internet import reactor

    server = IoServer(HttpServer(WsServer(echo, poweredBy=False), poweredBy=False), reactor)
    app = App(None, reactor=reactor)
    app.server = server
    served = Served(app, await server.listen("tcp:0:interface=127.0.0.1"))
    for data in (request(), request("POST / HTTP/1.1")):
        response = await (await served.client(data)).response()
        assert "x-powered-by" not in response.headers
    await served.stop()


REFUSED = {
    "not GET": (request("POST / HTTP/1.1"), 405, {"allow": "GET"}),
    "HEAD-like nonsense": (request("FROB / HTTP/1.1"), 405, {"allow": "GET"}),
    "HTTP/1.0": (request("GET / HTTP/1.0"), 505),
    "HTTP/2.0": (request("GET / HTTP/2.0"), 505),
    "no Host": (request(Host=None), 400),
    "two Hosts": (request(Host=["localhost", "localhost"]), 400),
    "a plain GET": (request(Upgrade=None, Connection="close"), 426, UPGRADE),
    "another Upgrade": (request(Upgrade="h2c"), 426, UPGRADE),
    "no Connection": (request(Connection=None), 400),
    "Connection without Upgrade": (request(Connection="keep-alive"), 400),
    "a body": (request(Content_Length="5") + b"hello", 400),
    "a body in chunks": (request(Transfer_Encoding="chunked"), 400),
    "no key": (request(Sec_WebSocket_Key=None), 400),
    "two keys": (request(Sec_WebSocket_Key=[KEY, KEY]), 400),
    "key of 15 bytes": (request(Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAA"), 400),
    "key of 17 bytes": (request(Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAAAAA="), 400),
    "key without padding": (request(Sec_WebSocket_Key=KEY.rstrip("=")), 400),
    "key that is not strict base64": (request(Sec_WebSocket_Key="A" * 21 + "B=="), 400),
    "key of another alphabet": (request(Sec_WebSocket_Key="-" * 21 + "A=="), 400),
    "key with rubbish": (request(Sec_WebSocket_Key=KEY + "\xa0"), 400),
    "two Origins": (request(Origin=["http://localhost", "http://localhost"]), 400),
    "Host a:b:c": (request(Host="a:b:c"), 400),
    "empty Host": (request(Host=""), 400),
    "version 8": (request(Sec_WebSocket_Version="8"), 426, UPGRADE),
    "version 13abc": (request(Sec_WebSocket_Version="13abc"), 426, UPGRADE),
    "version 013": (request(Sec_WebSocket_Version="013"), 426, UPGRADE),
    "no version": (request(Sec_WebSocket_Version=None), 426, UPGRADE),
    "two versions": (request(Sec_WebSocket_Version=["13", "13"]), 426, UPGRADE),
    "no known subprotocol": (
        request("GET /chat HTTP/1.1", Sec_WebSocket_Protocol="soap"),
        426,
        {**UPGRADE, "sec-websocket-protocol": "chat.v2, chat"},
    ),
    "no subprotocol": (request("GET /chat HTTP/1.1"), 426, UPGRADE),
    "a subprotocol where there is none": (request(Sec_WebSocket_Protocol="chat"), 426, UPGRADE),
    "malformed subprotocols": (request(Sec_WebSocket_Protocol="a b"), 400),
    "malformed extensions": (request(Sec_WebSocket_Extensions="foo; =1"), 400),
    "unknown path": (request("GET /nowhere HTTP/1.1"), 404),
    "wrong host": (request(Host="example.com"), 404),
    "Origin not allowed": (request(Origin="http://evil.example"), 403),
    "no Origin": (request(Origin=None), 403),
    "Origin null": (request(Origin="null"), 403),
    "Origin that is none": (request(Origin="http://localhost.evil.example"), 403),
    "head too large": (request(Cookie="a" * 16384), 431),
    "head that never ends": (b"GET / HTTP/1.1\r\nX: " + b"a" * 16384, 431),
    "no colon": (request().replace(b"Host: ", b"Host "), 400),
    "space before the colon": (request().replace(b"Host:", b"Host :"), 400),
    "folded": (request(X="a\r\n b"), 400),
    "control byte": (request(X="a\x0bHost: evil"), 400),
    "another control byte": (request(X="a\x00b"), 400),
    "no version of HTTP": (b"GET / X\r\n\r\n", 400),
    "bad version of HTTP": (request("GET / HTTP/1.x"), 400),
    "no target": (request("GET HTTP/1.1"), 400),
    "bare LF": (request().replace(b"\r\n", b"\n"), 400),
    "one bare LF": (request().replace(b"\r\nUpgrade", b"\nUpgrade"), 400),
    "TLS": (bytes.fromhex("1603010200010001fc0303") + bytes(64) + b"\r\n\r\n", 400),
}


@pytest.mark.parametrize("row", REFUSED.values(), ids=REFUSED)
@pytest_twisted.ensureDeferred
async def test_a_refusal(serve, echo, row):
    data, status, *headers = row
    chat = Chat()
    served = await serve({"/": echo, "/chat": chat})
    client = await served.client(data)
    assertRefusal(await client.response(), status, *headers)
    await client.end()
    assert echo.events == chat.events == []


# In the order in which they are checked: what each changes, and its answer.
FAULTS = [
    ("size", {"Cookie": "a" * 16384}, 431),
    ("syntax", {"X": "\x01"}, 400),
    ("path", {"line": "{} /nowhere {}"}, 404),
    ("method", {"method": "POST"}, 405),
    ("origin", {"Origin": "http://evil.example"}, 403),
    ("HTTP version", {"version": "HTTP/1.0"}, 505),
    ("Upgrade", {"Upgrade": None}, 426),
    ("Connection", {"Connection": "close"}, 400),
    ("key", {"Sec-WebSocket-Key": "short"}, 400),
    ("WebSocket version", {"Sec-WebSocket-Version": "8"}, 426),
    ("subprotocol", {"Sec-WebSocket-Protocol": "soap"}, 426),
    ("extensions", {"Sec-WebSocket-Extensions": ";"}, 400),
]


@pytest_twisted.ensureDeferred
async def test_the_first_fault_is_answered(serve, echo):
    served = await serve(echo)
    alone = {}
    for (name, changes, status), later in itertools.product(FAULTS, [None, *FAULTS]):
        if later is not None and FAULTS.index(later) <= FAULTS.index((name, changes, status)):
            continue
        fields = {"method": "GET", "version": "HTTP/1.1", "line": "{} / {}"}
        fields.update({} if later is None else later[1])
        fields.update(changes)
        line = fields.pop("line").format(fields.pop("method"), fields.pop("version"))
        client = await served.client(request(line, **fields))
        response = await client.response()
        assert response.status == status, (name, later, response)
        if later is None:
            alone[name] = response.body
        # The body names the fault, so it tells faults of one status from each other.
        assert response.body == alone[name], later
    assert len(set(alone.values())) == len(FAULTS)


@pytest_twisted.ensureDeferred
async def test_without_the_strict_check_an_unknown_subprotocol_is_let_through(serve, echo):
    chat = Chat()
    served = await serve({"/": echo, "/chat": chat}, origins=["*"])
    for route in served.app.routes:
        route.controller.setStrictSubProtocolCheck(False)
    for path in ("/", "/chat"):
        client = await served.open(path, Sec_WebSocket_Protocol="soap")
        assert "sec-websocket-protocol" not in client.headers


@pytest.mark.parametrize(
    ("allowed", "origin", "status"),
    [
        ("example.com", "http://Example.COM", 101),
        ("Example.com", "https://example.com:8443", 101),
        ("example.com", "http://sub.example.com", 403),
        ("https://example.com", "https://example.com", 101),
        ("https://example.com", "https://example.com:443", 101),
        ("https://example.com", "http://example.com", 403),
        ("https://example.com", "https://example.com:8443", 403),
        ("https://example.com:8443", "https://EXAMPLE.com:8443", 101),
        ("*", None, 101),
        ("*", "null", 101),
    ],
)
@pytest_twisted.ensureDeferred
async def test_allowed_origins(serve, echo, allowed, origin, status):
    served = await serve(echo, origins=[allowed])
    client = await served.client(request(Origin=origin))
    assert (await client.response()).status == status


@pytest.mark.parametrize(
    ("changes", "line", "named"),
    [
        ({"Origin": "http://evil.example"}, "GET / HTTP/1.1", "allowedOrigins"),
        ({"Origin": None}, "GET / HTTP/1.1", "allowedOrigins"),
        ({"Host": "example.com"}, "GET / HTTP/1.1", "httpHost"),
        ({}, "GET /nowhere HTTP/1.1", "App.route"),
    ],
    ids=str,
)
@pytest_twisted.ensureDeferred
async def test_a_refusal_is_logged_once_with_its_option(serve, echo, logged, changes, line, named):
    served = await serve(echo)
    for _ in range(3):
        await (await served.client(request(line, **changes))).response()
    assert len(logged) == 1
    assert named in logged[0]


@pytest_twisted.ensureDeferred
async def test_what_follows_the_head_does_not_count(serve, echo):
    served = await serve(echo)
    client = await served.client(request() + text("x" * 20000))
    assert (await client.response()).status == 101
    assert await client.next() == "x" * 20000


@pytest_twisted.ensureDeferred
async def test_a_head_of_just_the_limit(serve, echo):
    served = await serve(echo)
    padding = 16384 - len(request(Cookie=""))
    for size, status in ((padding, 101), (padding + 1, 431)):
        client = await served.client(request(Cookie="a" * size))
        assert (await client.response()).status == status


@pytest_twisted.ensureDeferred
async def test_a_page_on_the_same_port_may_use_http_1_0(serve, echo):
    served = await serve({"/chat": echo, "/health": Data(b"well", "text/plain")})
    client = await served.client(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
    response = await client.response()
    assert (response.status, response.body) == (200, b"well")
    await client.end()


@pytest_twisted.ensureDeferred
async def test_frames_in_the_segment_of_the_request(serve, echo):
    served = await serve(echo)
    client = await served.client(request() + text("one") + text("two")[:3])
    assert (await client.response()).status == 101
    assert await client.next() == "one"
    client.send(text("two")[3:])
    assert await client.next() == "two"


@pytest_twisted.ensureDeferred
async def test_a_placeholder_wins_over_the_query(serve):
    class Rooms(Echo):
        def onOpen(self, conn):
            conn.send(repr(conn.httpRequest.query))

    served = await serve({"/rooms/{room}": Rooms()})
    client = await served.open("/rooms/a%20b?room=evil&x=1")
    assert await client.frame() == (TEXT, repr({"room": "a b", "x": "1"}).encode(), True, 0)
