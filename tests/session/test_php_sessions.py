"""Sessions of PHP and of Symfony, written by them into each of the stores."""

from __future__ import annotations

import threading
import time

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, succeed

from ratchet_py.errors import LocalError
from ratchet_py.session import (
    MalformedSession,
    NativeFileSessionHandler,
    PdoSessionHandler,
    PhpSessions,
    SessionHandlerInterface,
)
from ratchet_py.session.serialize import PhpBinaryHandler, PhpHandler, PhpSerializeHandler
from ratchet_py.session.stored import MAX_SIZE

ID = "cbd2c8b5f0a94d1e8f7a6b5c4d3e2f1a"


class Dict(SessionHandlerInterface):
    """A store, and what it was asked for."""

    def __init__(self, **sessions):
        self.sessions = sessions
        self.asked = []

    def read(self, id):
        self.asked.append(id)
        return self.sessions.get(id)


async def find(sessions, cookie):
    found = sessions.find(cookie)
    return await found if isinstance(found, Deferred) else found


@pytest.mark.parametrize("format", [PhpHandler, PhpBinaryHandler, PhpSerializeHandler])
@pytest_twisted.ensureDeferred
async def test_files(format, php, tmp_path):
    name = {PhpHandler: "php", PhpBinaryHandler: "php_binary"}.get(format, "php_serialize")
    id = php("native.php", "files", tmp_path, name)
    sessions = PhpSessions(NativeFileSessionHandler(str(tmp_path)), serializer=format())
    session = await find(sessions, id)
    assert session.get("visits") == 7
    assert session.get("user")["name"] == "Ann"
    assert session.getId() == id
    assert session.getName() == "PHPSESSID"


@pytest_twisted.ensureDeferred
async def test_an_id_that_the_application_has_chosen(php, tmp_path):
    assert php("native.php", "files", tmp_path, "php", "ann-1") == "ann-1"
    session = await find(PhpSessions(NativeFileSessionHandler(str(tmp_path))), "ann-1")
    assert session.get("visits") == 7


@pytest_twisted.ensureDeferred
async def test_files_in_folders_of_folders(php, tmp_path):
    id = "a-b,cdefghijklmnopqrstu"
    (tmp_path / "a" / "-").mkdir(parents=True)
    path = f"2;0640;{tmp_path}"
    assert php("native.php", "files", path, "php", id) == id
    # A comma is encoded in a cookie.
    session = await find(PhpSessions(NativeFileSessionHandler(path)), "a-b%2Ccdefghijklmnopqrstu")
    assert session.get("visits") == 7


@pytest_twisted.ensureDeferred
async def test_redis(php, redisServer, redisHandler):
    where = f"tcp://127.0.0.1:{redisServer.port}"
    id = php("native.php", "redis", where, "php", extensions=["redis"])
    other = php("native.php", "redis", where + "?prefix=site:", "php", extensions=["redis"])
    assert (await find(PhpSessions(redisHandler()), id)).get("binary") == b"\xff\x00|"
    assert await find(PhpSessions(redisHandler()), other) is None
    prefixed = PhpSessions(redisHandler(prefix="site:"))
    assert (await find(prefixed, other)).get("visits") == 7


@pytest_twisted.ensureDeferred
async def test_memcached(php, memcached, memcachedHandler):
    where = f"127.0.0.1:{memcached.port}"
    id = php("native.php", "memcached", where, "php", extensions=["memcached"])
    sessions = PhpSessions(memcachedHandler())
    assert (await find(sessions, id)).get("binary") == b"\xff\x00|"
    assert await find(sessions, "x" * 32) is None
    assert await find(sessions, "x" * 256) is None


@pytest_twisted.ensureDeferred
async def test_what_memcached_has_compressed(php, memcached, memcachedHandler):
    def write(compression):
        setting = f"memcached.compression_type={compression}"
        arguments = ["memcached", memcached.port, "long"]
        return php("symfony.php", *arguments, extensions=["memcached"], setting=setting)

    sessions = PhpSessions(memcachedHandler(prefix="sf2s"))
    assert (await find(sessions, write("zlib"))).get("text") == "x" * 5000
    with pytest.raises(MalformedSession, match=r"memcached\.compression_type"):
        await find(sessions, write("fastlz"))


@pytest.mark.parametrize("kind", ["files", "memcached", "pdo", "redis"])
@pytest_twisted.ensureDeferred
async def test_symfony(kind, php, tmp_path, request):
    extensions = ()
    if kind == "files":
        path = tmp_path
        handler = NativeFileSessionHandler(str(tmp_path))
    elif kind == "memcached":
        extensions = ["memcached"]
        path = request.getfixturevalue("memcached").port
        handler = request.getfixturevalue("memcachedHandler")(prefix="sf2s")
    elif kind == "redis":
        extensions = ["redis"]
        path = request.getfixturevalue("redisServer").port
        handler = request.getfixturevalue("redisHandler")(prefix="sf_s")
    else:
        extensions = ["pdo_sqlite"]
        database = request.getfixturevalue("database")
        path = database.path
        handler = PdoSessionHandler(database.pool)
    id = php("symfony.php", kind, path, extensions=extensions)
    session = await find(PhpSessions(handler), id)
    assert session.all() == {"name": "Ann", "cart": {"apple": 2}}
    assert session.data["_symfony_flashes"] == {"notice": ["hello"]}
    assert session.data["_sf2_meta"]["c"] <= time.time()
    # This one has no attributes, and Symfony leaves out what is empty.
    guest = await find(PhpSessions(handler), php("symfony.php", kind, path, "guest"))
    assert guest.all() == {}
    assert guest.data["_symfony_flashes"] == {"notice": ["hello"]}


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "x" * 257,
        "../../../../etc/passwd-and-more",
        "..%2F..%2F..%2F..%2Fetc%2Fpasswd",
        "%00" * 30,
        ID + "%00",
        ID + "\n",
        ID + "%0A",
        ID + "'",
        ID + "\u0661",
        ID + "é",
        ID + ".",
        ID + "*",
    ],
)
def test_what_is_no_id_touches_no_store(cookie):
    store = Dict()
    assert PhpSessions(store).find(cookie) is None
    assert store.asked == []


@pytest_twisted.ensureDeferred
async def test_what_there_is_not():
    store = Dict(**{ID: b""})
    assert await find(PhpSessions(store), ID) is None
    assert await find(PhpSessions(store), "y" * 32) is None
    assert store.asked == [ID, "y" * 32]


@pytest.mark.parametrize("answer", [succeed, lambda found: found, None])
@pytest_twisted.ensureDeferred
async def test_a_store_may_answer_as_it_likes(answer):
    class Store(SessionHandlerInterface):
        async def later(self):
            return 'name|s:3:"Änn";'.replace("3", "4")

        def read(self, id):
            return self.later() if answer is None else answer(b'name|s:3:"Ann";')

    session = await find(PhpSessions(Store()), ID)
    assert session.get("name") in ("Ann", "Änn")


@pytest_twisted.ensureDeferred
async def test_what_is_long_is_decoded_in_a_thread():
    threads = []

    class Format(PhpHandler):
        def unserialize(self, raw):
            threads.append(threading.get_ident())
            return super().unserialize(raw)

    store = Dict(**{ID: b'name|s:3:"Ann";', ID[::-1]: b"a|i:1;" * 20_000})
    sessions = PhpSessions(store, serializer=Format())
    assert (await find(sessions, ID)).get("name") == "Ann"
    assert (await find(sessions, ID[::-1])).get("a") == 1
    assert [thread == threading.get_ident() for thread in threads] == [True, False]


@pytest.mark.parametrize(
    "raw", [b"nonsense", b"a|i:1;b|", b"_sf2_attributes|i:1;", b"x" * (MAX_SIZE + 1)]
)
@pytest_twisted.ensureDeferred
async def test_what_cannot_be_read(raw):
    with pytest.raises(MalformedSession):
        await find(PhpSessions(Dict(**{ID: raw})), ID)


def test_options_as_in_ratchet():
    sessions = PhpSessions.withOptions(
        Dict(), {"name": "SITE", "serialize_handler": "php_binary", "auto_start": 1}
    )
    assert sessions.name == "SITE"
    assert isinstance(sessions._serializer, PhpBinaryHandler)
    own = PhpSerializeHandler()
    assert PhpSessions.withOptions(Dict(), {}, own)._serializer is own


@pytest.mark.parametrize("options", [{"gc_maxlifetime": 60}, {"serialize_handler": "igbinary"}])
def test_options_that_mean_nothing(options):
    with pytest.raises(LocalError, match=r"gc_maxlifetime|igbinary"):
        PhpSessions.withOptions(Dict(), options)
