from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet_py.client.address import Address
from ratchet_py.errors import LocalError


@pytest.mark.parametrize(
    ("url", "host", "port", "isSecure", "resource", "hostField", "origin"),
    [
        ("ws://example.com", "example.com", 80, False, "/", "example.com", "http://example.com"),
        (
            "WS://Example.com:80/a",
            "example.com",
            80,
            False,
            "/a",
            "example.com",
            "http://example.com",
        ),
        (
            "wss://example.com:8443/a/b?c=d&e",
            "example.com",
            8443,
            True,
            "/a/b?c=d&e",
            "example.com:8443",
            "https://example.com:8443",
        ),
        ("ws://[::1]:9000/x", "::1", 9000, False, "/x", "[::1]:9000", "http://[::1]:9000"),
        ("wss://[::1]", "::1", 443, True, "/", "[::1]", "https://[::1]"),
        ("ws://10.0.0.1?a=b", "10.0.0.1", 80, False, "/?a=b", "10.0.0.1", "http://10.0.0.1"),
        (
            "ws://h/grüße?ä=%C3%A4",
            "h",
            80,
            False,
            "/gr%C3%BC%C3%9Fe?%C3%A4=%C3%A4",
            "h",
            "http://h",
        ),
        (
            "ws://bücher.example/",
            "xn--bcher-kva.example",
            80,
            False,
            "/",
            "xn--bcher-kva.example",
            "http://xn--bcher-kva.example",
        ),
    ],
)
def test_what_a_url_says(url, host, port, isSecure, resource, hostField, origin):
    address = Address.parse(url)
    assert (address.host, address.port, address.isSecure) == (host, port, isSecure)
    assert (address.resource, address.hostField, address.origin) == (resource, hostField, origin)


@pytest.mark.parametrize(
    ("url", "path", "resource"),
    [
        ("ws+unix:///run/chat.sock", "/run/chat.sock", "/"),
        ("ws+unix:/run/chat.sock:/room?x=1", "/run/chat.sock", "/room?x=1"),
        ("ws+unix:///run/my%20chat.sock:/a:b", "/run/my chat.sock", "/a:b"),
    ],
)
def test_a_unix_socket(url, path, resource):
    address = Address.parse(url)
    assert (address.path, address.resource) == (path, resource)
    assert address.hostField == "localhost"


def test_a_user():
    address = Address.parse("wss://ann:s%20ecret%3A@example.com/?token=secret")
    assert address.authorization == "Basic YW5uOnMgZWNyZXQ6"
    assert Address.parse("ws://ann@h").authorization == "Basic YW5uOg=="
    assert "ecret" not in str(address) + repr(address).replace(address.resource, "")
    assert str(address) == "wss://example.com/"
    assert str(Address.parse("ws+unix:///run/x:/y")) == "ws+unix:///run/x:/y"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "http://example.com",
        "ws:",
        "ws:///path",
        "wss://:443/",
        "ws://example.com:port",
        "ws://example.com:70000",
        "ws://[::1",
        "ws://[nonsense]/",
        "ws://example.com/#here",
        "ws://example.com/#",
        "ws://example.com/a b",
        "ws://example.com/\r\nEvil: yes",
        "ws://exam\tple.com/",
        'ws://a"b/',
        "ws://ex%61mple.com/",
        "ws://exa..mple.ä/",
        "ws://[fe80::1%25eth0]/",
        "ws+unix://host/path",
        "ws+unix:",
        "ws+unix::/path",
    ],
)
def test_what_is_no_url(url):
    with pytest.raises(LocalError) as caught:
        Address.parse(url)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_any_text_is_an_address_or_an_error(text):
    for url in (text, "ws://" + text, "ws://ann:" + text + "@host/", "ws://host/" + text):
        try:
            address = Address.parse(url)
        except LocalError:
            continue
        assert address.resource.isascii()
        assert address.hostField.isascii()
        assert address.resource.isprintable()
        assert " " not in address.resource
