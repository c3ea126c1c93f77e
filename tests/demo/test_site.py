"""The demo on an App: pages, their headers, and what cannot be reached."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from twisted.internet.task import Clock

from ratchet_py import App
from ratchet_py.demo import Asset, mount
from ratchet_py.testing import RawClient, WampClient, WebSocketClient

PACKAGE = files("ratchet_py")


@pytest.fixture
def server():
    app = App(None, reactor=Clock())
    mount(app)
    return app.server


def get(server, path, method="GET", **headers):
    """Status, header fields and body of the answer to a request."""
    client = RawClient(server)
    fields = {"Host": "localhost", **{k.replace("_", "-"): v for k, v in headers.items()}}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    client.sendBytes("\r\n".join([*lines, "", ""]).encode())
    head, _, body = client.data.partition(b"\r\n\r\n")
    line, *rest = head.decode().split("\r\n")
    answered = {k.lower(): v for k, v in (field.split(": ", 1) for field in rest)}
    client.disconnect()
    return int(line.split(" ")[1]), answered, body


@pytest.mark.parametrize(
    ("path", "kind", "file"),
    [
        ("/", "text/html; charset=utf-8", "demo/static/index.html"),
        ("/?x=1", "text/html; charset=utf-8", "demo/static/index.html"),
        ("/demo.js", "text/javascript; charset=utf-8", "demo/static/demo.js"),
        ("/theme.js", "text/javascript; charset=utf-8", "demo/static/theme.js"),
        ("/demo.css", "text/css; charset=utf-8", "demo/static/demo.css"),
        ("/icon.svg", "image/svg+xml", "demo/static/icon.svg"),
        ("/ratchet.js", "text/javascript; charset=utf-8", "js/ratchet.js"),
        ("/ratchet.d.ts", "text/plain; charset=utf-8", "js/ratchet.d.ts"),
    ],
)
def test_a_page(server, path, kind, file):
    status, headers, body = get(server, path)
    assert status == 200
    assert headers["content-type"] == kind
    assert body == PACKAGE.joinpath(*file.split("/")).read_bytes()
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-cache"
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("HEAD", "/nothing/at/all", 404),
        ("POST", "/nothing", 404),
        ("GET", "/demo.js/more", 404),
        ("POST", "/", 405),
    ],
)
def test_what_is_refused_has_the_same_headers(server, method, path, status):
    _, page, _ = get(server, "/")
    answered, headers, body = get(server, path, method)
    assert answered == status
    for name in ("content-security-policy", "referrer-policy", "x-content-type-options"):
        assert headers[name] == page[name]
    assert status == 405 or body == (b"" if method == "HEAD" else b"not found\n")


def test_head_has_no_body(server):
    status, headers, body = get(server, "/", "HEAD")
    assert status == 200
    assert int(headers["content-length"]) > 1000
    assert body == b""


def test_who_has_it_already_is_told_so(server):
    _, headers, _ = get(server, "/demo.js")
    status, _, body = get(server, "/demo.js", If_None_Match=headers["etag"])
    assert (status, body) == (304, b"")
    status, _, body = get(server, "/demo.js", If_None_Match='"another"')
    assert status == 200
    assert body


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/index.html",
        "/static/demo.js",
        "/demo.js/",
        "/demo.js/more",
        "/../site.py",
        "/..%2fsite.py",
        "/%2e%2e/site.py",
        "//etc/passwd",
        "/site.py",
    ],
)
def test_nothing_else_can_be_reached(server, path):
    assert get(server, path)[0] in (400, 404)


def test_a_post_is_refused(server):
    assert get(server, "/", "POST", Content_Length="0")[0] == 405


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080"])
def test_the_services_answer_by_whatever_name_the_page_was_reached(server, host):
    headers = {"Host": host, "Origin": f"http://{host}"}
    echo = WebSocketClient(server, "/echo", headers)
    echo.send("hello")
    assert echo.received == ["hello"]
    for path in ["/chat", "/pubsub"]:
        client = WampClient(server, path, headers=headers)
        assert client.sessionId


@pytest.mark.parametrize("path", ["/chat", "/pubsub", "/echo"])
def test_the_pages_of_others_may_not_connect(server, path):
    client = WebSocketClient(server, path, {"Origin": "http://evil.example"}, ["wamp"])
    assert client.status == 403


def test_origins_that_are_allowed():
    app = App(None, reactor=Clock())
    mount(app, ["friend.example"])
    client = WampClient(app.server, "/chat", headers={"Origin": "http://friend.example"})
    assert client.status == 101


def test_the_page_uses_what_is_there_and_nothing_from_elsewhere(server):
    html = get(server, "/")[2].decode()
    script = get(server, "/demo.js")[2].decode()
    for path in re.findall(r'(?:src|href)="(/[^"]*)"', html):
        assert get(server, path)[0] == 200, path
    assert not re.search(r"""(?:src|href|from)\s*=?\s*["'](?:https?:)?//""", html + script)
    # A policy without 'unsafe-inline' would leave these out silently.
    assert " style=" not in html
    assert "<script>" not in html
    assert not re.search(r"\son\w+=", html)
    assert "innerHTML" not in script


def test_every_id_that_the_script_wants_is_in_the_page(server):
    html = get(server, "/")[2].decode()
    script = get(server, "/demo.js")[2].decode()
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'\$\("([^"]+)"\)', script)) <= set(ids)


def test_an_asset_that_is_not_there():
    with pytest.raises(FileNotFoundError):
        Asset("demo/static/nothing.js")
