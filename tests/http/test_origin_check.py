from __future__ import annotations

import pytest
from twisted.logger import formatEvent, globalLogPublisher

from ratchet_py.errors import HttpError
from ratchet_py.http import SAME_HOST, OriginCheck, Request


def request(*origins, host="chat.example:8080"):
    lines = [
        "GET / HTTP/1.1",
        f"Host: {host}",
        *(f"Origin: {origin}" for origin in origins),
        "",
        "",
    ]
    return Request("\r\n".join(lines).encode("latin-1"))


def isAllowed(component, conn, allowed, *origins, **kwargs):
    """Whether the check passes; else the status."""
    check = OriginCheck(component, allowed)
    try:
        check.onOpen(conn, request(*origins, **kwargs))
    except HttpError as error:
        assert component.events == []
        return error.status
    assert component.events == [("open", "/")]
    return True


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ("example.com", "http://example.com"),
        ("example.com", "https://EXAMPLE.com:8443"),
        ("Example.COM", "http://example.com"),
        ("example.com", "http://example.com/"),
        ("example.com", "example.com"),
        ("example.com", "chrome-extension://example.com"),
        ("127.0.0.1", "http://127.0.0.1:3000"),
        ("[::1]", "http://[::1]:3000"),
        ("example.com:8443", "https://example.com:8443"),
        ("example.com:443", "https://example.com"),
        ("https://example.com", "https://example.com"),
        ("HTTPS://Example.com:443", "https://example.com"),
        ("https://example.com:8443", "https://example.com:8443"),
        ("app://local", "app://local"),
        (SAME_HOST, "https://chat.example"),
        (SAME_HOST, "http://CHAT.example:8080"),
        ("*", "http://anything.example"),
        ("*", "null"),
        ("*", "nonsense at all"),
    ],
)
def test_what_is_allowed(conn, recorder, allowed, origin):
    assert isAllowed(recorder(), conn, ["first.example", allowed], origin) is True


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ("example.com", "http://evil.example"),
        ("example.com", "http://example.com.evil.example"),
        ("example.com", "http://sub.example.com"),
        ("example.com", "http://example.com@evil.example"),
        ("example.com", "http://evil.example/example.com"),
        ("example.com", "http://evil.example/http://example.com"),
        ("example.com", "http://example.com http://evil.example"),
        ("example.com", ""),
        ("example.com", "null"),
        ("null", "null"),
        ("example.com", "http://"),
        ("example.com", "http://a:b:c"),
        ("example.com:8443", "https://example.com"),
        ("example.com:8443", "example.com"),
        ("https://example.com", "http://example.com"),
        ("https://example.com", "https://example.com:8443"),
        ("https://example.com", "example.com"),
        ("https://example.com:8443", "https://example.com"),
        (SAME_HOST, "http://example.com"),
        (SAME_HOST, "null"),
        (SAME_HOST, SAME_HOST),
        ("not a host", "not a host"),
    ],
)
def test_what_is_not(conn, recorder, allowed, origin):
    assert isAllowed(recorder(), conn, [allowed], origin) == 403


def test_a_missing_origin(conn, recorder):
    assert isAllowed(recorder(), conn, ["example.com"]) == 403
    assert isAllowed(recorder(), conn, [SAME_HOST]) == 403
    assert isAllowed(recorder(), conn, []) == 403
    assert isAllowed(recorder(), conn, ["*"]) is True


@pytest.mark.parametrize("allowed", ["example.com", "*"])
def test_two_origins(conn, recorder, allowed):
    assert isAllowed(recorder(), conn, [allowed], "http://example.com", "http://example.com") == 400


def test_an_entry_that_is_no_origin_does_no_harm(conn, recorder):
    assert isAllowed(recorder(), conn, ["not a host", "example.com"], "http://example.com") is True


def test_the_list_may_change_later(conn, recorder):
    component = recorder()
    check = OriginCheck(component)
    check.allowedOrigins.append("example.com")
    check.onOpen(conn, request("http://example.com"))

    assert component.events == [("open", "/")]


def test_everything_else_is_passed_on(conn, recorder):
    component = recorder(
        open=lambda *_: 1, message=lambda *_: 2, close=lambda *_: 3, error=lambda *_: 4
    )
    component.serial = True
    check = OriginCheck(component, ["*"])
    error = RuntimeError()

    assert check.serial
    assert check.onOpen(conn, request()) == 1
    assert check.onMessage(conn, b"x") == 2
    assert check.onError(conn, error) == 4
    assert check.onClose(conn) == 3
    assert component.events == [("open", "/"), ("message", b"x"), ("error", error), ("close",)]


def test_a_component_that_was_not_opened_is_not_closed(conn, recorder):
    component = recorder()
    check = OriginCheck(component, ["example.com"])
    with pytest.raises(HttpError):
        check.onOpen(conn, request("http://evil.example"))
    check.onClose(conn)
    assert component.events == []

    check.onOpen(conn, request("http://example.com"))
    check.onClose(conn)
    assert component.events == [("open", "/"), ("close",)]


def test_a_refusal_is_logged_once_and_names_the_option(conn, recorder):
    lines = []
    observer = lambda event: lines.append(formatEvent(event))  # noqa: E731
    globalLogPublisher.addObserver(observer)
    try:
        check = OriginCheck(recorder(), ["example.com"])
        for origins in [["http://evil.example"], ["http://evil.example"], [], []]:
            with pytest.raises(HttpError):
                check.onOpen(conn, request(*origins))
    finally:
        globalLogPublisher.removeObserver(observer)

    assert len(lines) == 2
    assert "'http://evil.example'" in lines[0]
    assert all("allowedOrigins" in line for line in lines)
