"""The tree of errors: who is to blame, and what the answer is."""

from __future__ import annotations

import pytest

from ratchet_py.errors import (
    CallError,
    HttpError,
    LocalError,
    NotAuthorized,
    ProtocolError,
    RatchetError,
    RemoteError,
)


@pytest.mark.parametrize(
    ("error", "kinds"),
    [
        (LocalError("no"), (RatchetError, ValueError)),
        (RemoteError("no"), (RatchetError,)),
        (HttpError(404, "no"), (RemoteError,)),
        (ProtocolError(1002, "no"), (RemoteError,)),
        (CallError("http://example.com/e", "no"), (RatchetError,)),
        (NotAuthorized("no"), (CallError,)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_tree(error, kinds):
    assert isinstance(error, kinds)
    assert "no" in str(error)


def test_a_remote_error_is_not_ours():
    assert not isinstance(HttpError(400, "bad"), LocalError)
    assert not isinstance(CallError("uri"), RemoteError)


def test_an_http_error_carries_its_answer():
    headers = {"Allow": "GET"}
    error = HttpError(405, "only GET", headers)
    headers["Allow"] = "POST"
    assert (error.status, error.reason, error.headers) == (405, "only GET", {"Allow": "GET"})
    assert HttpError(404, "no").headers == {}


def test_a_protocol_error_carries_its_close_code():
    error = ProtocolError(1007, "not UTF-8")
    assert (error.closeCode, error.reason) == (1007, "not UTF-8")


def test_a_call_error_carries_what_the_caller_gets():
    error = CallError("http://example.com/e", "full", {"seats": 0})
    assert (error.uri, error.desc, error.details) == ("http://example.com/e", "full", {"seats": 0})
    assert str(CallError("http://example.com/e")) == "http://example.com/e"


def test_not_authorized_has_its_own_uri():
    error = NotAuthorized()
    assert (error.uri, error.desc, error.details) == (
        "http://api.wamp.ws/error#not-authorized",
        "not authorized",
        None,
    )
