from __future__ import annotations

import sys

import pytest

from ratchet_py.http import Request
from ratchet_py.http.request import splitAuthority


def request(*lines, target="/", method="GET", version="1.1"):
    head = [f"{method} {target} HTTP/{version}", "Host: Example.com:8080", *lines, "", ""]
    return Request("\r\n".join(head).encode("latin-1"), "192.0.2.7")


def test_the_request_line():
    made = request(target="/a%20b/c?x=1&y", method="POST", version="1.0")

    assert made.method == "POST"
    assert made.path == "/a b/c"
    assert made.uri == "/a%20b/c?x=1&y"
    assert made.version == "1.0"
    assert made.remoteAddress == "192.0.2.7"


def test_host_and_port():
    assert (request().host, request().port) == ("example.com", 8080)


def test_an_absolute_target_has_a_host_of_its_own():
    made = request(target="http://Other.example?x=1")

    assert (made.host, made.port) == ("other.example", None)
    assert made.path == "/"
    assert made.query == {"x": "1"}
    assert made.uri.getScheme() == "http"
    assert made.uri.getAuthority() == "Other.example"
    assert made.uri.getQuery() == "x=1"


def test_an_absolute_target_with_a_path():
    assert request(target="wss://h/a/b").path == "/a/b"


def test_a_path_that_begins_with_two_slashes_is_no_host():
    made = request(target="//evil.example/x")

    assert made.path == "//evil.example/x"
    assert made.host == "example.com"


def test_the_query():
    assert request(target="/?a=1&b=&c&a=2&d=%C3%BC+x").query == {
        "a": "2",
        "b": "",
        "c": "",
        "d": "ü x",
    }


def test_what_is_written_to_the_query_stays():
    made = request()
    made.query["room"] = "lobby"
    made.trim()

    assert made.query == {"room": "lobby"}


def test_headers_are_found_without_case_and_keep_all_values():
    headers = request("X-One: 1", "x-one:  2 \t", "Empty:").headers

    assert headers["X-ONE"] == headers.get("x-one") == "1, 2"
    assert headers.getAll("x-One") == ["1", "2"]
    assert headers["empty"] == ""
    assert "EMPTY" in headers
    assert "missing" not in headers
    assert headers.get("missing") is None
    assert headers.get("missing", "x") == "x"
    assert headers.getAll("missing") == []
    assert list(headers) == ["Host", "X-One", "Empty"]
    assert dict(headers.items()) == {"Host": "Example.com:8080", "X-One": "1, 2", "Empty": ""}
    assert len(headers) == 3
    with pytest.raises(KeyError):
        headers["missing"]


def test_the_list_of_values_is_a_copy():
    made = request("A: 1")
    made.headers.getAll("a").append("2")

    assert made.headers.getAll("a") == ["1"]


@pytest.mark.parametrize("byte", ["\x85", "\xa0", "\xff"])
def test_no_byte_of_a_value_begins_another_header(byte):
    headers = request(f"A: 1{byte}Origin: http://evil.example").headers

    assert "Origin" not in headers
    assert headers["A"] == f"1{byte}Origin: http://evil.example"


def test_bytes_that_python_takes_for_space_are_not_stripped():
    assert request("A: \xa0x\x85").headers["A"] == "\xa0x\x85"


def test_cookies():
    made = request('Cookie: a=1; b="two"; a=3; broken; c=x=y', "Cookie: d=")

    assert made.cookies == {"a": "1", "b": "two", "c": "x=y", "d": ""}
    assert request().cookies == {}


def test_psr_7():
    made = request("A: 1", "a: 2", target="/p%20?q=1", method="PUT")

    assert made.getMethod() == "PUT"
    assert made.getUri().getPath() == "/p%20"
    assert made.getUri().getQuery() == "q=1"
    assert made.getRequestTarget() == "/p%20?q=1"
    assert made.getProtocolVersion() == "1.1"
    assert made.hasHeader("A")
    assert not made.hasHeader("B")
    assert made.getHeader("A") == ["1", "2"]
    assert made.getHeader("B") == []
    assert made.getHeaderLine("A") == "1, 2"
    assert made.getHeaderLine("B") == ""
    assert made.getHeaders() == {"Host": ["Example.com:8080"], "A": ["1", "2"]}


def test_what_was_parsed_can_be_dropped_and_read_again():
    made = request("A: 1", "Cookie: c=1")
    before = made.headers
    assert made.cookies == {"c": "1"}
    assert made.query == {}
    made.nextRequest = print
    made.trim()

    assert made.nextRequest is None
    assert made.headers is not before
    assert made.headers == before
    assert made.cookies == {"c": "1"}


def test_a_request_is_small():
    made = request()

    assert not hasattr(made, "__dict__")
    assert sys.getsizeof(made) <= 120


def test_its_repr_names_it():
    assert repr(request(target="/x")) == "<Request GET '/x' from 192.0.2.7>"
    assert repr(request().headers) == "<Headers {'Host': 'Example.com:8080'}>"


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("localhost", ("localhost", None)),
        ("LOCALHOST:80", ("localhost", 80)),
        ("a_b.example.:", ("a_b.example.", None)),
        ("127.0.0.1:65535", ("127.0.0.1", 65535)),
        ("[::1]:8080", ("::1", 8080)),
        ("[FE80::1]", ("fe80::1", None)),
    ],
)
def test_an_authority(authority, expected):
    assert splitAuthority(authority) == expected


@pytest.mark.parametrize(
    "authority",
    ["", ":80", "a:b:c", "a:b", "::1", "[::1", "[1:2]", "a:65536", "a b", "u@h", "a,b", "a/b", "ü"],
)
def test_no_authority(authority):
    with pytest.raises(ValueError):  # noqa: PT011 - it has no words of its own for all of them
        splitAuthority(authority)
