"""Sessions that Laravel has written, and the cookies that it has encrypted."""

from __future__ import annotations

import base64
import json
import secrets
from contextlib import suppress
from urllib.parse import quote, unquote

import pytest
import pytest_twisted
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed

from ratchet_py.errors import LocalError
from ratchet_py.session import (
    LaravelDatabaseSessionHandler,
    LaravelFileSessionHandler,
    LaravelSessions,
    MalformedSession,
    SessionHandlerInterface,
)
from ratchet_py.session.laravel_encrypter import LaravelEncrypter


def newKey(size=32):
    return "base64:" + base64.b64encode(secrets.token_bytes(size)).decode()


KEY = newKey()


class Store(SessionHandlerInterface):
    def __init__(self, data=b"a:0:{}"):
        self.data = data
        self.asked = []

    def read(self, id):
        self.asked.append(id)
        return succeed(self.data)


async def find(sessions, cookie):
    found = sessions.find(cookie)
    return await found if isinstance(found, Deferred) else found


@pytest.mark.parametrize("encrypt", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize("driver", ["file", "database", "redis"])
@pytest_twisted.ensureDeferred
async def test_every_store(driver, encrypt, laravel, tmp_path, request):
    if driver == "file":
        path = tmp_path
        handler = LaravelFileSessionHandler(str(path))
    elif driver == "database":
        database = request.getfixturevalue("database")
        path = database.path
        handler = LaravelDatabaseSessionHandler(database.pool)
    else:
        path = request.getfixturevalue("redisServer").port
        make = request.getfixturevalue("redisHandler")
        handler = make(prefix="laravel_database_laravel_cache:")
    cookies = laravel(KEY, driver, path, encrypt=encrypt)
    session = await find(LaravelSessions(handler, KEY, encrypt=encrypt), cookies["laravel_session"])
    assert session.get("name") == "Ann"
    assert session.get("cart") == {"apple": 2}
    assert len(session.get("_token")) == 40
    assert session.getId() == cookies["id"]
    assert session.getName() == "laravel_session"


@pytest_twisted.ensureDeferred
async def test_cookies_that_are_serialized(laravel, tmp_path):
    cookies = laravel(KEY, "file", tmp_path, serialize=True)
    sessions = LaravelSessions(LaravelFileSessionHandler(str(tmp_path)), KEY)
    session = await find(sessions, cookies["laravel_session"])
    assert session.get("name") == "Ann"
    assert await find(sessions, cookies["theme"]) is None
    # Nobody but the site can say what is serialized, and that may be nonsense.
    for plain in (b"s:9:", b's:1:"\xff";'):
        assert await find(sessions, quote(encrypted(plain).decode())) is None


@pytest.mark.parametrize("mode", ["CBC", "GCM"])
@pytest.mark.parametrize("size", [16, 32])
@pytest_twisted.ensureDeferred
async def test_every_cipher(mode, size, laravel, tmp_path):
    key, cipher = newKey(size), f"AES-{8 * size}-{mode}"
    cookies = laravel(key, "file", tmp_path, cipher=cipher)
    store = Store()

    def sessions(key, **options):
        return LaravelSessions(store, key, cipher=cipher, **options)

    cookie = cookies["laravel_session"]
    assert (await find(sessions(key), cookie)).getId() == cookies["id"]
    # The key has changed since; the site still knows it, or does not.
    assert (await find(sessions(newKey(size), previousKeys=[key]), cookie)).getId() == cookies["id"]
    assert await find(sessions(newKey(size)), cookie) is None
    # Another cookie of the site, which says the same.
    assert await find(sessions(key), cookies["theme"]) is None
    assert store.asked == [cookies["id"]] * 2
    # Each of its bytes matters.
    fields = json.loads(base64.b64decode(unquote(cookie)))
    for name in ("iv", "value", "mac", "tag"):
        if fields[name]:
            other = "0" if fields[name][0] != "0" else "1"
            forged = fields | {name: other + fields[name][1:]}
            payload = base64.b64encode(json.dumps(forged).encode()).decode()
            assert await find(sessions(key), payload) is None


def encrypted(plain, key=KEY):
    """As Laravel does, but for the tests that want what Laravel does not write."""
    import hashlib
    import hmac

    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    raw, nonce = base64.b64decode(key[7:]), secrets.token_bytes(16)
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(raw), modes.CBC(nonce)).encryptor()
    value = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    fields = [base64.b64encode(part).decode() for part in (nonce, value)]
    mac = hmac.new(raw, "".join(fields).encode(), hashlib.sha256).hexdigest()
    payload = {"iv": fields[0], "value": fields[1], "mac": mac, "tag": ""}
    return base64.b64encode(json.dumps(payload).encode())


def cookieOf(id, name="laravel_session"):
    import hashlib
    import hmac

    tag = hmac.new(base64.b64decode(KEY[7:]), f"{name}v2".encode(), hashlib.sha1).hexdigest()
    return quote(encrypted(f"{tag}|{id}".encode()).decode())


@pytest.mark.parametrize(
    "id", ["", "x" * 39, "x" * 41, "../" * 13 + "x", "x" * 39 + "\0", "é" * 40]
)
def test_what_is_no_id_touches_no_store(id):
    store = Store()
    assert LaravelSessions(store, KEY).find(cookieOf(id)) is None
    assert store.asked == []


@pytest.mark.parametrize(
    ("data", "options", "expected"),
    [
        (b'{"name":"Ann"}', {"serialization": "json"}, {"name": "Ann"}),
        (b's:14:"{"name":"Ann"}";', {"serialization": "json"}, {"name": "Ann"}),
        (
            encrypted(b's:14:"{"name":"Ann"}";'),
            {"serialization": "json", "encrypt": True},
            {"name": "Ann"},
        ),
        (b"[]", {"serialization": "json"}, {}),
        (b"a:0:{}", {}, {}),
    ],
)
@pytest_twisted.ensureDeferred
async def test_json(data, options, expected):
    sessions = LaravelSessions(Store(data), KEY, **options)
    assert (await find(sessions, cookieOf("x" * 40))).all() == expected


@pytest_twisted.ensureDeferred
async def test_there_is_none():
    assert await find(LaravelSessions(Store(b""), KEY), cookieOf("x" * 40)) is None


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (b"nonsense", {}),
        (b"i:1;", {}),
        (b"s:9:", {}),
        (b"a:0:{}", {"serialization": "json"}),
        (b"1", {"serialization": "json"}),
        (b"[" * 100_000, {"serialization": "json"}),
        (b"a:0:{}", {"encrypt": True}),
        (encrypted(b"a:0:{}", newKey()), {"encrypt": True}),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_cannot_be_read(data, options):
    with pytest.raises(MalformedSession):
        await find(LaravelSessions(Store(data), KEY, **options), cookieOf("x" * 40))


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.dictionaries(
        st.sampled_from(["iv", "value", "mac", "tag"]),
        st.none()
        | st.integers()
        | st.text()
        | st.binary().map(lambda b: base64.b64encode(b).decode()),
    ).map(lambda fields: base64.b64encode(json.dumps(fields).encode()))
)
def test_whatever_a_client_sends_finds_nothing(payload):
    for cipher in ("aes-256-cbc", "AES-256-GCM"):
        with suppress(MalformedSession):
            LaravelEncrypter([KEY], cipher).decrypt(payload)
        cookie = payload.decode("latin-1")
        assert LaravelSessions(Store(), KEY, cipher=cipher).find(cookie) is None


@pytest.mark.parametrize(
    ("key", "cipher"),
    [
        (KEY, "AES-256-ECB"),
        (KEY, "AES-128-CBC"),
        ("base64:x", "AES-256-CBC"),
        ("short", "AES-256-CBC"),
        ("", "AES-256-CBC"),
    ],
    ids=["unknown cipher", "too long", "too short", "no base64", "no key"],
)
def test_a_key_or_a_cipher_that_is_none(key, cipher):
    with pytest.raises(LocalError, match=r"cipher") as caught:
        LaravelSessions(Store(), key, cipher=cipher)
    assert not key or key not in str(caught.value)


def test_a_key_may_be_plain():
    LaravelSessions(Store(), "x" * 32)
