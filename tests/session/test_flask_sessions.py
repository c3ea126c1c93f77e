"""Sessions that Flask has written."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeTimedSerializer

from ratchet_py.session import FlaskSessions, MalformedSession

KEY = "the site's key"


@pytest.fixture
def site():
    """``site(name=value)`` has Flask write a session, and returns its cookie."""
    flask = pytest.importorskip("flask")
    app = flask.Flask(__name__)
    app.secret_key = KEY

    def write(**values):
        @app.get(f"/{uuid.uuid4()}")
        def page():
            flask.session.update(values)
            return ""

        client = app.test_client()
        client.get(app.url_map._rules[-1].rule)
        return client.get_cookie("session").value

    return write


def test_all_that_flask_can_keep(site):
    markup = pytest.importorskip("markupsafe").Markup
    values = {
        "name": "Änn",
        "cart": {"apple": 2, "more": [1, 2.5, None, True]},
        "pair": (1, ("a", "b")),
        "bytes": b"\xff\x00",
        "uuid": uuid.UUID(int=7),
        "at": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
        "html": markup("<b>"),
        "tags": {" t": [1]},
        "inner": {" di": {" b": (1,)}},
        "spaces": {" x": 1},
    }
    session = FlaskSessions(KEY).find(site(**values))
    assert session.all() == values
    assert (session.getId(), session.getName()) == ("", "session")


def test_what_is_long(site):
    assert FlaskSessions(KEY).find(site(text="x" * 2000)).get("text") == "x" * 2000


def test_keys(site):
    cookie = site(name="Ann")
    assert FlaskSessions("new", fallbacks=["newer", KEY]).find(cookie).get("name") == "Ann"
    assert FlaskSessions("other").find(cookie) is None
    assert FlaskSessions(KEY).find("x" + cookie[1:]) is None


def test_they_expire(site):
    cookie = site(name="Ann")
    assert FlaskSessions(KEY, lifetime=10).find(cookie)
    assert FlaskSessions(KEY, lifetime=-1).find(cookie) is None


def signed(value, **options):
    import hashlib
    import json

    options = {"key_derivation": "hmac", "digest_method": hashlib.sha1}
    serializer = URLSafeTimedSerializer(
        KEY, salt="cookie-session", serializer=json, signer_kwargs=options
    )
    return serializer.dumps(value)


@pytest.mark.parametrize(
    "value", [1, [], {" u": "x"}, {"a": {" u": 1}}, {" d": "x"}, {" di": 1}, {" b": 1}, {" t": 1}]
)
def test_what_was_signed_and_is_no_session(value):
    with pytest.raises(MalformedSession):
        FlaskSessions(KEY).find(signed(value))


def test_what_inflates_further_than_a_session_may():
    assert FlaskSessions(KEY).find(signed({"a": "x" * 200_000})).get("a") == "x" * 200_000
    with pytest.raises(MalformedSession, match="more than"):
        FlaskSessions(KEY).find(signed({"a": "x" * 300_000}))


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_whatever_a_client_sends_finds_nothing(cookie):
    assert FlaskSessions(KEY).find(cookie) is None
