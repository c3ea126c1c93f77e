"""Each piece of code of the page on sessions, with a session that the real thing has written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest
import pytest_twisted
from twisted.enterprise import adbapi
from twisted.internet.defer import maybeDeferred

from ratchet_py import App
from ratchet_py.session import Session
from tests.integration.conftest import Served
from tests.integration.wire import request as handshake

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "howto" / "sessions.rst").read_text(encoding="utf-8")
SITE = Path(__file__).parent / "site"
APP_KEY = "base64:" + "A" * 43 + "="
SECRET_KEY = "the site's key"


def blocks():
    """The code of the page, by the heading above it and the words that tell which one it is."""
    sections = re.split(r"^(.+)\n-+\n", PAGE, flags=re.MULTILINE)
    for heading, text in zip(["", *sections[1::2]], sections[::2], strict=True):
        for code in re.findall(r"::\n\n((?:(?: {4}.*)?\n)+)", text):
            yield heading, textwrap.dedent(code)


BLOCKS = list(blocks())
INTRODUCTION = [code for heading, code in BLOCKS if not heading]
# The pieces that say what the sessions are.
SESSIONS = [(heading, code) for heading, code in BLOCKS if "sessions =" in code]


@pytest.fixture
def where(tmp_path, request, monkeypatch):
    """What the page calls ``/var/lib/php/sessions`` and so on, here."""

    class Where:
        folder = tmp_path
        database = tmp_path / "site.db"
        pools = []

        @property
        def memcached(self):
            return request.getfixturevalue("memcached").port

        @property
        def redis(self):
            return request.getfixturevalue("redisServer").port

        def pool(self, module, *args, **options):
            assert module in ("psycopg2", "MySQLdb")
            self.pools.append(RealPool("sqlite3", str(self.database), check_same_thread=False))
            return self.pools[-1]

    RealPool = adbapi.ConnectionPool
    found = Where()
    found.database.touch()
    monkeypatch.setattr(adbapi, "ConnectionPool", found.pool)
    monkeypatch.setenv("APP_KEY", APP_KEY)
    monkeypatch.setenv("SECRET_KEY", SECRET_KEY)
    yield found
    for pool in found.pools:
        pool.close()


# How each of them is written, by what is in the code: a cookie.


def native(where, php, laravel, format="php"):
    return "PHPSESSID=" + php("native.php", "files", where.folder, format)


def mysite(where, php, laravel):
    return native(where, php, laravel, "php_serialize").replace("PHPSESSID", "MYSITE")


def redis(where, php, laravel):
    path = f"tcp://127.0.0.1:{where.redis}"
    return "PHPSESSID=" + php("native.php", "redis", path, "php", extensions=["redis"])


def memcached(where, php, laravel):
    path = f"127.0.0.1:{where.memcached}"
    return "PHPSESSID=" + php("native.php", "memcached", path, "php", extensions=["memcached"])


def symfony(kind, extension):
    def write(where, php, laravel):
        path = {"files": where.folder, "pdo": where.database}.get(kind) or getattr(where, kind)
        return "PHPSESSID=" + php("symfony.php", kind, path, extensions=extension)

    return write


def laravels(driver):
    def write(where, php, laravel):
        path = {"file": where.folder, "database": where.database}.get(driver) or where.redis
        return "laravel_session=" + laravel(APP_KEY, driver, path)["laravel_session"]

    return write


def django(kind):
    def write(where, php, laravel):
        pytest.importorskip("django")
        command = [sys.executable, SITE / "django_site.py", where.database, SECRET_KEY, "utc"]
        return "sessionid=" + json.loads(subprocess.check_output(command))[kind]

    return write


def flask(where, php, laravel):
    flask = pytest.importorskip("flask")
    site = flask.Flask(__name__)
    site.secret_key = SECRET_KEY

    @site.get("/")
    def login():
        flask.session["name"] = "Ann"
        return ""

    browser = site.test_client()
    browser.get("/")
    return "session=" + browser.get_cookie("session").value


def own(where, php, laravel):
    return "token=secret"


WRITERS = [
    native,
    redis,
    memcached,
    mysite,
    symfony("files", []),
    symfony("pdo", ["pdo_sqlite"]),
    symfony("redis", ["redis"]),
    symfony("memcached", ["memcached"]),
    laravels("file"),
    laravels("database"),
    laravels("redis"),
    django("db"),
    django("cookie"),
    flask,
    own,
]


@pytest.mark.parametrize(
    ("block", "write"),
    list(zip(SESSIONS, WRITERS, strict=True)),
    ids=[f"{heading} {index}" for index, (heading, _) in enumerate(SESSIONS)],
)
@pytest_twisted.ensureDeferred
async def test_the_code_of_the_page(block, write, where, php, laravel):
    cookie = write(where, php, laravel)
    code = block[1]
    for folder in (
        "/var/lib/php/sessions",
        "/srv/site/var/sessions/prod",
        "/srv/site/storage/framework/sessions",
    ):
        code = code.replace(folder, str(where.folder))
    if "redis://" in code:
        code = code.replace("6379", str(where.redis))
    if "11211" in code:
        code = code.replace("11211", str(where.memcached))
    names = {}
    with App.marking() as apps:
        # How it is served, the page says at its beginning.
        for piece in [*INTRODUCTION, code, "serve(sessions)"]:
            exec(piece, names)
    (app,) = apps
    served = Served(app, await app.listen("tcp:0:interface=127.0.0.1"))
    try:
        client = await served.open("/chat", Cookie=cookie)
        assert await client.next() in ("Welcome, Ann", 'Welcome, Änn "quoted"; |', "Welcome, Änn")
        stranger = await served.client(handshake("GET /chat HTTP/1.1"))
        assert (await stranger.response()).status == 403
    finally:
        await served.stop()
        handler = names.get("handler", names["sessions"])
        if hasattr(handler, "close"):
            await maybeDeferred(handler.close)


def test_a_token_of_symfony_is_read():
    token = 'O:3:"Tok":1:{i:0;s:4:"main";}'
    (code,) = [code for _, code in BLOCKS if "_security_main" in code]
    names = {}
    exec(code, names)
    conn = types.SimpleNamespace(Session=Session({"_security_main": token}))
    assert names["token"](conn)[0] == "main"
