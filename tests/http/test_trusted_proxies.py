"""Whose X-Forwarded-For counts, and how far."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from ratchet_py import App
from ratchet_py.http import Headers, HttpServer, HttpServerInterface, TrustedProxies
from ratchet_py.interfaces import MessageComponentInterface
from ratchet_py.server import IoServer
from ratchet_py.testing import RawClient, connect

PROXIES = TrustedProxies(["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"])


def headers(*addresses, proto=()):
    lines = [f"X-Forwarded-For: {value}" for value in addresses]
    return Headers("\r\n".join([*lines, *(f"X-Forwarded-Proto: {value}" for value in proto)]))


@pytest.mark.parametrize(
    ("peer", "values", "client"),
    [
        ("127.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("::ffff:127.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("2001:db8::5", ["2001:DB9::7"], "2001:db9::7"),
        # What the client has sent itself stands to the left.
        ("127.0.0.1", ["127.0.0.1, 192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1", ["6.6.6.6", "192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1", ["6.6.6.6, 192.0.2.7, 10.1.2.3", "10.0.0.1"], "192.0.2.7"),
        ("127.0.0.1", ["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        ("198.51.100.1", ["192.0.2.7"], "198.51.100.1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("", ["192.0.2.7"], ""),
        # With ports, and in brackets.
        ("127.0.0.1", ["192.0.2.7:4711"], "192.0.2.7"),
        ("127.0.0.1", ["[2001:db9::7]:4711"], "2001:db9::7"),
        ("127.0.0.1", ["[2001:db9::7]"], "2001:db9::7"),
        ("127.0.0.1", ["::ffff:192.0.2.7"], "192.0.2.7"),
        # Malformed: who has passed it on is the last that is known.
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", ["unknown"], "127.0.0.1"),
        ("127.0.0.1", ["192.0.2.7,"], "127.0.0.1"),
        ("127.0.0.1", ["192.0.2.7, 1.2.3, 10.0.0.1"], "10.0.0.1"),
        ("127.0.0.1", ["192.0.2.700"], "127.0.0.1"),
        ("127.0.0.1", ["192.0.2.7; x"], "127.0.0.1"),
        ("127.0.0.1", ["fe80::1%eth0"], "127.0.0.1"),
    ],
)
def test_the_address(peer, values, client):
    assert PROXIES.resolve(peer, headers(*values)).address == client


@pytest.mark.parametrize(
    ("peer", "addresses", "proto", "scheme"),
    [
        ("127.0.0.1", "192.0.2.7", ["https"], "https"),
        ("127.0.0.1", "192.0.2.7", ["HTTP"], "http"),
        ("127.0.0.1", "192.0.2.7", ["wss"], "https"),
        ("127.0.0.1", "192.0.2.7", ["https, http"], "http"),
        ("127.0.0.1", "192.0.2.7", ["https", "http"], "http"),
        ("127.0.0.1", "192.0.2.7, 10.0.0.1", ["http, https, http"], "https"),
        ("127.0.0.1", "192.0.2.7, 10.0.0.1", ["https"], "https"),
        ("127.0.0.1", "unknown", ["https"], "https"),
        ("127.0.0.1", "192.0.2.7", ["gopher"], None),
        ("127.0.0.1", "192.0.2.7", [""], None),
        ("127.0.0.1", "192.0.2.7", [], None),
        ("198.51.100.1", "192.0.2.7", ["https"], None),
    ],
)
def test_the_scheme(peer, addresses, proto, scheme):
    assert PROXIES.resolve(peer, headers(addresses, proto=proto)).scheme == scheme


@given(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n")))
def test_whatever_is_sent_raises_nothing_and_gives_an_address(value):
    address, scheme = PROXIES.resolve("127.0.0.1", headers(value, proto=[value]))
    assert TrustedProxies([address])
    assert scheme in (None, "http", "https")


def test_a_unix_socket():
    assert TrustedProxies(["unix"]).resolve("", headers("192.0.2.7")).address == "192.0.2.7"
    assert not TrustedProxies(["unix"]).trusts("127.0.0.1")


@pytest.mark.parametrize("network", ["", "localhost", "10.0.0.0/33", "*"])
def test_what_is_no_network(network):
    with pytest.raises(ValueError, match=r".*"):
        TrustedProxies([network])


class Pages(HttpServerInterface):
    """Answers each request with where it has come from, on one connection."""

    def onOpen(self, conn, request):
        body = f"{conn.remoteAddress} {request.peerAddress} {request.scheme}\n"
        conn.send(body)
        conn.reactor.callLater(0, request.nextRequest, b"")

    def onMessage(self, conn, msg):
        pass

    def onClose(self, conn):
        pass

    def onError(self, conn, exc):
        raise exc


def test_one_connection_of_a_proxy_brings_many_clients():
    server = IoServer(HttpServer(Pages(), trustedProxies=["127.0.0.1"]), Clock())
    client = RawClient(server)
    for fields in ("X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n", "", "A: b\r\n"):
        client.sendBytes(f"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
        client.clock.advance(0)
    client.sendBytes(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.8\r\n\r\n")
    assert client.data.decode().splitlines() == [
        "192.0.2.7 127.0.0.1 https",
        "127.0.0.1 127.0.0.1 http",
        "127.0.0.1 127.0.0.1 http",
        "192.0.2.8 127.0.0.1 http",
    ]
    client.disconnect()


class Notes(MessageComponentInterface):
    def onOpen(self, conn):
        request = conn.httpRequest
        self.seen = (conn.remoteAddress, request.remoteAddress, request.peerAddress, request.scheme)

    def onMessage(self, conn, msg):
        pass

    def onClose(self, conn):
        pass

    def onError(self, conn, exc):
        raise exc


@pytest.mark.parametrize(
    ("trusted", "seen"),
    [
        (["127.0.0.1"], ("192.0.2.7", "192.0.2.7", "127.0.0.1", "https")),
        ([], ("127.0.0.1", "127.0.0.1", "127.0.0.1", "http")),
    ],
)
def test_a_connection(trusted, seen):
    notes = Notes()
    app = App(None, trustedProxies=trusted)
    app.route("/", notes, ["*"])
    connect(app, headers={"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"})
    assert notes.seen == seen
