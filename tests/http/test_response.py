from __future__ import annotations

import pytest

import ratchet_py
from ratchet_py.errors import HttpError, LocalError
from ratchet_py.http import refuse, response


def test_a_response():
    assert response(200, [("A", "1"), ("B", "\xe9")], b"body", poweredBy=False) == (
        b"HTTP/1.1 200 OK\r\nA: 1\r\nB: \xe9\r\n\r\nbody"
    )


def test_a_response_without_headers():
    assert response(204, [], poweredBy=False) == b"HTTP/1.1 204 No Content\r\n\r\n"


def test_a_response_names_the_library():
    line = b"X-Powered-By: Ratchet_py/" + ratchet_py.__version__.encode() + b"\r\n"
    assert line in response(200, [])


def test_a_status_without_a_name():
    assert response(499, [], poweredBy=False) == b"HTTP/1.1 499 \r\n\r\n"


@pytest.mark.parametrize(
    "header", [("A", "b\r\nC: d"), ("A\n", "b"), ("A", "b\rc"), ("A", "\u20ac")]
)
def test_a_header_that_cannot_be_sent(header):
    with pytest.raises(LocalError):
        response(200, [header])


def test_a_refusal(conn):
    refuse(conn, HttpError(404, "not found"))

    assert conn.closed
    assert conn.status == 404
    assert conn.answerBody == b"not found\n"
    assert conn.answerHeaders == {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": "10",
        "Connection": "close",
        "X-Powered-By": f"Ratchet_py/{ratchet_py.__version__}",
    }


def test_the_headers_of_the_error_win(conn):
    refuse(conn, HttpError(426, "no", {"connection": "Upgrade, close", "Upgrade": "websocket"}))

    assert "Connection" not in conn.answerHeaders
    assert conn.answerHeaders["connection"] == "Upgrade, close"
    assert conn.answerHeaders["Upgrade"] == "websocket"


def test_the_name_of_the_library_can_be_left_out(conn):
    refuse(conn, HttpError(400, "no"), poweredBy=False)

    assert "X-Powered-By" not in conn.answerHeaders


def test_the_body_is_one_line_whatever_the_reason(conn):
    refuse(conn, HttpError(400, "one\r\ntwo \u20ac \ud800"))

    assert conn.answerBody == "one two \u20ac \\ud800\n".encode()
    assert conn.answerHeaders["Content-Length"] == str(len(conn.answerBody))


def test_head_is_answered_without_the_body(conn):
    refuse(conn, HttpError(400, "no"), withBody=False)

    assert conn.answerBody == b""
    assert conn.answerHeaders["Content-Length"] == "3"
