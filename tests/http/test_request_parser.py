from __future__ import annotations

from itertools import pairwise
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ratchet_py.errors import HttpError
from ratchet_py.http import RequestParser
from ratchet_py.limits import Limits

GOOD = b"GET /chat?x=1 HTTP/1.1\r\nHost: localhost:8080\r\nX-Name: value\r\n\r\n"


def outcome(*pieces, limits=None):
    """What the parser makes of bytes: a head and the rest, a status, or None for more needed."""
    parser = RequestParser(limits or Limits())
    for index, piece in enumerate(pieces):
        try:
            request = parser.receive(piece)
        except HttpError as error:
            return error.status, error.reason
        if request is not None:
            return request.head, parser.rest + b"".join(pieces[index + 1 :])
    return None


def head(line="GET / HTTP/1.1", *fields, host="Host: localhost"):
    return "\r\n".join([line, *([host] if host else []), *fields, "", ""]).encode("latin-1")


def test_a_request():
    parser = RequestParser(Limits(), "192.0.2.7")

    request = parser.receive(GOOD)

    assert request.head == GOOD
    assert request.remoteAddress == "192.0.2.7"
    assert parser.rest == b""


def test_what_follows_the_head_is_kept():
    assert outcome(GOOD + b"\x81\x00\r\n\r\n") == (GOOD, b"\x81\x00\r\n\r\n")


def test_it_knows_whether_something_has_come():
    parser = RequestParser()
    assert not parser.started
    parser.receive(b"G")
    assert parser.started


@pytest.mark.parametrize("good", [GOOD, b"\r\n" + GOOD, head("OPTIONS * HTTP/1.1")])
def test_it_can_be_cut_anywhere(good):
    whole = outcome(good + b"rest")
    for cut in range(1, len(good) + 4):
        assert outcome((good + b"rest")[:cut], (good + b"rest")[cut:]) == whole
    assert outcome(*(bytes([byte]) for byte in good + b"rest")) == whole


@pytest.mark.parametrize(
    "good",
    [
        head("GET / HTTP/1.0"),
        head("GET / HTTP/1.0", host=None),
        head("GET / HTTP/2.0"),
        head("GET / HTTP/0.9"),
        head("M-SEARCH!#$%&'*+-.^_`|~09 / HTTP/1.1"),
        head("GET http://example.com/x HTTP/1.1"),
        head("GET WS://example.com:80 HTTP/1.1"),
        head("OPTIONS * HTTP/1.1"),
        head("GET /%C3%BC%20%2f?%zz HTTP/1.1"),
        head("GET / HTTP/1.1", "A:"),
        head("GET / HTTP/1.1", "A:\t \xe9\x85\xff\t~ "),
        head(host="hOST:\t[::1]:8080 "),
        b"\r\n" + head(),
    ],
)
def test_what_is_accepted(good):
    result = outcome(good)
    assert result is not None
    assert result[0] == good.removeprefix(b"\r\n")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"GET / HTTP/1.1\nHost: a\n\n", "line feed"),
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", "line feed"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nB: c\nD: e\r\n\r\n", "line feed"),
        (head(fields := "GET / HTTP/1.1", "A: b\rC: d"), "control byte"),
        *(
            (head(fields, f"A: b{chr(byte)}c"), "control byte")
            for byte in range(32)
            if byte not in b"\t\n\r"
        ),
        (head(fields, "A: b\x7fc"), "control byte"),
        (head(fields, "A : b"), "space before the colon"),
        (head(fields, "A\t: b"), "space before the colon"),
        (head(fields, "A B: c"), "header name"),
        (head(fields, ": c"), "header name"),
        (head(fields, "\xe9: c"), "header name"),
        (head(fields, "A(: c"), "header name"),
        (head(fields, "A: b", " folded"), "folded"),
        (head(fields, "A: b", "\tfolded: x"), "folded"),
        (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "folded"),
        (head(fields, "no colon"), "without a colon"),
        (head("GET / X"), "request line"),
        (head("GET /"), "request line"),
        (head("GET"), "request line"),
        (head("GET / HTTP/1.1 "), "request line"),
        (head("GET  / HTTP/1.1"), "request line"),
        (head("GET /  HTTP/1.1"), "request line"),
        (head("GET\t/ HTTP/1.1"), "request line"),
        (head(" GET / HTTP/1.1"), "request line"),
        (head("GET / a HTTP/1.1"), "request line"),
        (head("G(T / HTTP/1.1"), "request line"),
        (head("G\xc9T / HTTP/1.1"), "request line"),
        (head("GET /\xe9 HTTP/1.1"), "request line"),
        (head("GET /\x01 HTTP/1.1"), "request line"),
        (head("GET / http/1.1"), "request line"),
        (head("GET / HTTP/1"), "request line"),
        (head("GET / HTTP/11.1"), "request line"),
        (head("GET / HTTP/1.10"), "request line"),
        (head("GET / HTTP/1.x"), "request line"),
        (head("GET / HTTP/1,1"), "request line"),
        (b"\r\n\r\n" + head(), "request line"),
        (head("GET * HTTP/1.1"), r"target \*"),
        (head("PRI * HTTP/2.0"), r"target \*"),
        (head("GET chat HTTP/1.1"), "target"),
        (head("CONNECT example.com:80 HTTP/1.1"), "target"),
        (head("GET ftp://example.com/ HTTP/1.1"), "target"),
        (head("GET /#top HTTP/1.1"), "fragment"),
        (head("GET /%zz HTTP/1.1"), "percent"),
        (head("GET /% HTTP/1.1"), "percent"),
        (head("GET /%4 HTTP/1.1"), "percent"),
        (head("GET /%ff HTTP/1.1"), "UTF-8"),
        (head("GET /%00 HTTP/1.1"), "NUL"),
        (head("GET http://a:b:c/ HTTP/1.1"), "malformed Host"),
        (head("GET http:///x HTTP/1.1"), "malformed Host"),
        (head("GET http://user@a/ HTTP/1.1"), "malformed Host"),
        (head(host=None), "Host header missing"),
        (head("GET / HTTP/2.0", host=None), "Host header missing"),
        (head(fields, "host: localhost"), "more than one Host"),
        (head("GET / HTTP/1.0", "host: localhost"), "more than one Host"),
        (head(host="Host:"), "malformed Host"),
        (head(host="Host: a:b:c"), "malformed Host"),
        (head(host="Host: a:b"), "malformed Host"),
        (head(host="Host: a:99999"), "malformed Host"),
        (head(host="Host: a, b"), "malformed Host"),
        (head(host="Host: ::1"), "malformed Host"),
        (head(host="Host: [nonsense]"), "malformed Host"),
        (head(host="Host: http://a"), "malformed Host"),
        (head(host="Host: \xe9"), "malformed Host"),
    ],
)
def test_what_is_refused(bad, reason):
    parser = RequestParser()
    with pytest.raises(HttpError, match=reason) as caught:
        parser.receive(bad)

    assert caught.value.status == 400
    assert outcome(*(bytes([byte]) for byte in bad)) == (400, caught.value.reason)


def test_a_bare_line_feed_is_refused_before_the_head_ends():
    assert outcome(b"GET / HTTP/1.1\n")[0] == 400


SIZE = 100


def padded(size):
    start, end = b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"\r\n\r\n"
    return start + b"x" * (size - len(start) - len(end)) + end


def test_a_head_of_just_the_limit():
    good = padded(SIZE)
    limits = Limits(headSize=SIZE)

    assert outcome(good + b"y" * SIZE, limits=limits) == (good, b"y" * SIZE)
    assert outcome(*(bytes([byte]) for byte in good), limits=limits) == (good, b"")


@pytest.mark.parametrize("big", [padded(SIZE + 1), padded(SIZE * 50), b"x" * SIZE])
def test_a_head_over_the_limit(big):
    limits = Limits(headSize=SIZE)

    assert outcome(big, limits=limits)[0] == 431
    assert outcome(*(bytes([byte]) for byte in big), limits=limits)[0] == 431


def test_a_head_of_nothing_but_headers():
    fields = ["a:"] * 4000
    assert outcome(head("GET / HTTP/1.1", *fields)) is not None
    assert outcome(head("GET / HTTP/1.1", *fields, "b")) == (400, "header without a colon")


ALPHABET = [
    b"\r\n",
    b"\r",
    b"\n",
    b" ",
    b"\t",
    b":",
    b"A: b",
    b"Host: a",
    b"GET / HTTP/1.1",
    b"%",
    b"/",
    b"\x00",
    b"\x85",
]
heads = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(ALPHABET), max_size=30).map(b"".join),
    st.tuples(
        st.sampled_from([GOOD, padded(120), head("OPTIONS * HTTP/1.1", "A: b")]),
        st.binary(max_size=20),
        st.integers(0, 120),
    ).map(lambda made: made[0][: made[2]] + made[1] + made[0][made[2] :]),
)


@given(data=heads, cuts=st.lists(st.integers(0, 300), max_size=5), limit=st.integers(1, 200))
@example(data=b"\r\n\r\nG", cuts=[1], limit=100)
@example(data=b"G\n\r\n\r\n", cuts=[], limit=2)
def test_any_bytes_in_any_pieces_give_the_same_request_or_error(data, cuts, limit):
    limits = Limits(headSize=limit)
    whole = outcome(data, limits=limits)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[begin:end] for begin, end in pairwise(edges)]

    assert outcome(*pieces, limits=limits) == whole
    assert outcome(*(bytes([byte]) for byte in data), limits=limits) == whole
    assert whole is None or whole[0] in (400, 431) or data.endswith(whole[0] + whole[1])


TOKEN = "!#$%&'*+-.^_`|~0123456789abcXYZ"


@given(
    method=st.text(TOKEN, min_size=1),
    path=st.text("abc/.-_~%20ü é?&=", max_size=30),
    fields=st.lists(
        st.tuples(
            st.text(TOKEN, min_size=1).filter(lambda name: name.lower() != "host"),
            st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])),
        )
    ),
)
def test_every_good_head_is_read_back(method, path, fields):
    target = "/" + quote(path, safe="/?&=")
    request = RequestParser().receive(
        head(f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields))
    )

    assert request.method == method
    assert request.path == unquote(target.partition("?")[0])
    for name, _ in fields:
        assert request.headers.getAll(name) == [
            value.strip(" \t") for other, value in fields if other.lower() == name.lower()
        ]
