"""Sessions that Django has written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import types
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pytest_twisted
from itsdangerous import Signer
from twisted.internet.defer import Deferred, succeed

from ratchet_py.session import DjangoCookieSessions, DjangoSessions, MalformedSession

KEY = "the site's key"
EXPECTED = {"name": "Änn", "cart": {"apple": 2}}


@pytest.fixture
def site(database):
    """``site("utc")`` has Django write sessions, and returns their cookies."""

    def write(zone="utc"):
        pytest.importorskip("django")
        program = Path(__file__).parent / "site" / "django_site.py"
        command = [sys.executable, str(program), str(database.path), KEY, zone]
        return json.loads(subprocess.check_output(command, env={**os.environ, "PYTHONPATH": ""}))

    return write


async def find(sessions, cookie):
    found = sessions.find(cookie)
    return await found if isinstance(found, Deferred) else found


@pytest.mark.parametrize("zone", ["utc", "Pacific/Auckland"])
@pytest_twisted.ensureDeferred
async def test_the_database(zone, site, database):
    cookies = site(zone)
    now = time.time()

    def sessions(key=KEY, **options):
        timezone = UTC if zone == "utc" else ZoneInfo(zone)
        return DjangoSessions(database.pool, key, timezone=timezone, **options)

    session = await find(sessions(), cookies["db"])
    assert session.all() == EXPECTED
    assert (session.getId(), session.getName()) == (cookies["db"], "sessionid")
    # Django compresses what is long.
    assert (await find(sessions(), cookies["long"])).get("text") == "x" * 1000
    assert await find(sessions(), "x" * 32) is None
    # The key has changed since, and the site still knows it, or does not.
    rotated = await find(sessions("new", fallbacks=["newer", KEY]), cookies["db"])
    assert rotated.all() == EXPECTED
    with pytest.raises(MalformedSession, match="key"):
        await find(sessions("other"), cookies["db"])
    assert await find(sessions(now=lambda: now + 900), cookies["expiring"])
    assert not await find(sessions(now=lambda: now + 1100), cookies["expiring"])


@pytest_twisted.ensureDeferred
async def test_the_cookie(site):
    cookies = site()
    session = await find(DjangoCookieSessions(KEY), cookies["cookie"])
    assert session.all() == EXPECTED
    assert session.getId() == ""
    long = await find(DjangoCookieSessions("new", fallbacks=[KEY]), cookies["long cookie"])
    assert long.get("text") == "x" * 1000
    assert await find(DjangoCookieSessions("other"), cookies["cookie"]) is None
    later = time.time() + 1000
    assert await find(DjangoCookieSessions(KEY, age=1100, now=lambda: later), cookies["cookie"])
    assert not await find(DjangoCookieSessions(KEY, age=900, now=lambda: later), cookies["cookie"])


class Pool:
    """Has one row for everybody."""

    dbapi = types.SimpleNamespace(paramstyle="qmark", __name__="db")

    def __init__(self, data, expiry):
        self.row = (data, expiry)
        self.asked = []

    def runQuery(self, query, parameters):
        self.asked.append(parameters[0])
        return succeed([self.row])


def signed(payload, salt="django.contrib.sessions.SessionStore"):
    import hashlib

    options = {"sep": ":", "key_derivation": "django-concat", "digest_method": hashlib.sha256}
    return Signer(KEY, salt=salt, **options).sign(payload).decode()


# {"a": 1}, signed at 3600.
DATA = "eyJhIjogMX0:w4"


@pytest.mark.parametrize(
    ("expiry", "isThere"),
    [
        ("2024-01-01 00:00:01.5", True),
        ("2024-01-01 00:00:00", False),
        (datetime(2024, 1, 1, 0, 0, 1), True),
        (datetime(2024, 1, 1, 0, 0, 1, tzinfo=UTC), True),
        (datetime(2024, 1, 1, 5, 0, 1, tzinfo=ZoneInfo("Asia/Karachi")), True),
        (datetime(2024, 1, 1, 5, 0, 0, tzinfo=ZoneInfo("Asia/Karachi")), False),
    ],
)
@pytest_twisted.ensureDeferred
async def test_times_as_drivers_have_them(expiry, isThere):
    now = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
    sessions = DjangoSessions(Pool(signed(DATA), expiry), KEY, now=lambda: now)
    session = await find(sessions, "x" * 32)
    assert (session is not None) == isThere
    assert session is None or session.all() == {"a": 1}


@pytest.mark.parametrize(
    "cookie", ["", "x" * 7, "x" * 41, "../../../etc/passwd", "' OR ''='", "é" * 9]
)
def test_what_is_no_id_touches_no_database(cookie):
    pool = Pool(signed(DATA), "9999-01-01")
    assert DjangoSessions(pool, KEY).find(cookie) is None
    assert pool.asked == []


@pytest.mark.parametrize(
    "data", ["!:w4", "W10:w4", ".eyJhIjogMX0:w4", "gAWVCAAAAAAAAAB9:w4", "eyJh:é", ":"]
)
@pytest_twisted.ensureDeferred
async def test_what_was_signed_and_is_no_session(data):
    # Also what Django's old PickleSerializer wrote: nothing is unpickled.
    with pytest.raises(MalformedSession):
        await find(DjangoSessions(Pool(signed(data), "9999-01-01"), KEY), "x" * 32)
    cookie = signed(data, "django.contrib.sessions.backends.signed_cookies")
    with pytest.raises(MalformedSession):
        DjangoCookieSessions(KEY).find(cookie)


@pytest.mark.parametrize("cookie", ["", ":", "a:b:c", "é", "\udc80", "a" * 10_000, signed(DATA)])
def test_a_cookie_that_nobody_has_signed_for_this(cookie):
    assert DjangoCookieSessions(KEY).find(cookie) is None
