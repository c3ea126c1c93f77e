"""What the stores do with files and rows that are not as they should be."""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
import types
import zlib
from contextlib import suppress

import pytest
import pytest_twisted
from twisted.enterprise.adbapi import ConnectionLost
from twisted.internet.defer import Deferred, fail, gatherResults, succeed

from ratchet_py.errors import LocalError
from ratchet_py.session import (
    DjangoCookieSessions,
    FlaskSessions,
    LaravelDatabaseSessionHandler,
    LaravelFileSessionHandler,
    MalformedSession,
    MemcachedSessionHandler,
    NativeFileSessionHandler,
    PdoSessionHandler,
    RedisSessionHandler,
)
from ratchet_py.session.handlers import session_file
from ratchet_py.session.stored import MAX_SIZE, asked

ID = "cbd2c8b5f0a94d1e8f7a6b5c4d3e2f1a"


async def read(handler, id=ID):
    return await asked(handler.read, id)


# -- files -----------------------------------------------------------------------------------------


def native(folder, **options):
    return NativeFileSessionHandler(str(folder), **options), folder / f"sess_{ID}"


def laravel(folder, **options):
    return LaravelFileSessionHandler(str(folder), **options), folder / ID


files = pytest.mark.parametrize("make", [native, laravel])


@files
@pytest_twisted.ensureDeferred
async def test_a_file(make, tmp_path):
    handler, file = make(tmp_path)
    assert await read(handler) == b""
    file.write_bytes(b"data")
    assert await read(handler) == b"data"


@files
@pytest_twisted.ensureDeferred
async def test_a_folder_that_is_not_there_is_no_empty_one(make, tmp_path):
    handler, _ = make(tmp_path / "other")
    with pytest.raises(FileNotFoundError):
        await read(handler)


@files
@pytest_twisted.ensureDeferred
async def test_a_file_that_php_writes_at_the_moment(make, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    handler, file = make(tmp_path)
    with file.open("wb") as writer:
        writer.write(b"before")
        writer.flush()
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert await read(handler) == b"before"


@files
@pytest.mark.parametrize("torn", [b"", b"aft"])
@pytest_twisted.ensureDeferred
async def test_a_file_is_never_read_half_written(make, torn, tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    handler, file = make(tmp_path)
    file.write_bytes(torn)
    with file.open("r+b") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)

        def goOn(seconds):
            writer.write(b"after"[writer.tell() :])
            writer.flush()

        monkeypatch.setattr(session_file, "time", types.SimpleNamespace(sleep=goOn))
        assert await read(handler) == b"after"


@files
@pytest_twisted.ensureDeferred
async def test_a_file_that_is_written_without_end(make, tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    handler, file = make(tmp_path)
    file.write_bytes(b"0")
    pauses = []
    with file.open("r+b", buffering=0) as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)

        def goOn(seconds):
            pauses.append(seconds)
            writer.truncate(0)
            if len(pauses) % 2:
                os.pwrite(writer.fileno(), b"%d" % len(pauses), 0)

        monkeypatch.setattr(session_file, "time", types.SimpleNamespace(sleep=goOn))
        assert await read(handler) == b"199"


@files
@pytest_twisted.ensureDeferred
async def test_a_new_session_that_nothing_is_in_yet(make, tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    handler, file = make(tmp_path)
    monkeypatch.setattr(session_file, "time", types.SimpleNamespace(sleep=lambda seconds: None))
    with file.open("wb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert await read(handler) == b""


@files
@pytest_twisted.ensureDeferred
async def test_somebody_elses_file(make, tmp_path, monkeypatch):
    handler, file = make(tmp_path)
    file.write_bytes(b"data")
    if os.geteuid() == 0:
        os.chown(file, 54321, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(PermissionError, match="belongs to user"):
        await read(handler)
    owned, _ = make(tmp_path, owner=file.stat().st_uid)
    assert await read(owned) == b"data"


@files
@pytest_twisted.ensureDeferred
async def test_what_is_no_plain_file(make, tmp_path):
    handler, file = make(tmp_path)
    (tmp_path / "secret").write_bytes(b"secret")
    file.symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic") as caught:
        await read(handler)
    # This gets into logs, and an id is as good as a password.
    assert ID not in str(caught.value)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(PermissionError, match="no file"):
        await read(handler)
    file.unlink()
    file.mkdir()
    with pytest.raises(PermissionError, match="no file"):
        await read(handler)


@files
@pytest.mark.parametrize("id", ["", "..", "../x", "/etc/passwd", "a/b", "a\0", "a\n", "x" * 257])
@pytest_twisted.ensureDeferred
async def test_no_id_leaves_the_folder(make, id, tmp_path):
    (tmp_path / "sess_x").write_bytes(b"data")
    assert await read(make(tmp_path / "in")[0], id) == b""


@files
def test_an_owner_that_nobody_is(make, tmp_path):
    with pytest.raises(LocalError, match="no user"):
        make(tmp_path, owner="nobody of this name")
    make(tmp_path, owner="root")


@pytest.mark.parametrize("path", ["x;/tmp", "-1;/tmp", "1;x;/tmp", ";/tmp"])
def test_a_save_path_that_is_none(path):
    with pytest.raises(LocalError, match="save_path"):
        NativeFileSessionHandler(path)


@pytest_twisted.ensureDeferred
async def test_an_id_shorter_than_the_depth(tmp_path):
    assert await read(NativeFileSessionHandler(f"32;{tmp_path}")) == b""


@pytest_twisted.ensureDeferred
async def test_laravels_files_expire(tmp_path):
    now = [1_000_000.0]
    handler, file = laravel(tmp_path, lifetime=2, now=lambda: now[0])
    file.write_bytes(b"data")
    os.utime(file, (now[0], now[0]))
    now[0] += 120
    assert await read(handler) == b"data"
    now[0] += 1
    assert await read(handler) == b""


# -- tables ----------------------------------------------------------------------------------------


def execute(database, *statements):
    with sqlite3.connect(database.path) as connection:
        for statement, *parameters in statements:
            connection.execute(statement, parameters)
    connection.close()


PDO = "CREATE TABLE sessions (sess_id, sess_data BLOB, sess_lifetime INTEGER, sess_time INTEGER)"


@pytest.mark.parametrize(
    ("lifetime", "isThere"),
    [
        (1_700_000_100, True),
        (1_700_000_000, True),
        (1_699_999_999, False),
        # Before Symfony 4.4, seconds since it was written.
        (100, True),
        (99, False),
    ],
)
@pytest_twisted.ensureDeferred
async def test_symfonys_table(lifetime, isThere, database):
    row = ("INSERT INTO sessions VALUES (?, ?, ?, ?)", ID, b"\xff", lifetime, 1_699_999_900)
    execute(database, (PDO,), row)
    handler = PdoSessionHandler(database.pool, now=lambda: 1_700_000_000)
    assert await read(handler) == (b"\xff" if isThere else b"")
    assert await read(handler, "other") == b""
    assert await read(handler, "' OR '1'='1") == b""


@pytest_twisted.ensureDeferred
async def test_other_names_in_the_table(database):
    execute(
        database,
        ("CREATE TABLE site (id, data TEXT, ends INTEGER, at INTEGER)",),
        ("INSERT INTO site VALUES (?, ?, 9999999999, 0)", ID, "text ä"),
    )
    names = ["main.site", "id", "data", "ends", "at"]
    assert await read(PdoSessionHandler(database.pool, *names)) == "text ä".encode()
    for index in range(5):
        bad = [*names]
        bad[index] = "a; DROP TABLE site"
        with pytest.raises(LocalError, match="no name"):
            PdoSessionHandler(database.pool, *bad)


@pytest_twisted.ensureDeferred
async def test_a_table_that_is_not_there(database):
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await read(PdoSessionHandler(database.pool))


class Pool:
    """Answers as a pool of another module would."""

    def __init__(self, paramstyle, *answers):
        self.dbapi = types.SimpleNamespace(paramstyle=paramstyle, __name__="db")
        self.answers = list(answers)
        self.asked = []

    def runQuery(self, query, parameters):
        self.asked.append((query.rpartition(" ")[2], parameters))
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("style", "asked"),
    [
        ("qmark", ("?", (ID,))),
        ("numeric", (":1", (ID,))),
        ("named", (":id", {"id": ID})),
        ("format", ("%s", (ID,))),
        ("pyformat", ("%(id)s", {"id": ID})),
    ],
)
@pytest_twisted.ensureDeferred
async def test_the_parameters_of_every_module(style, asked):
    # As psycopg2 hands out bytes.
    pool = Pool(style, succeed([(memoryview(b"data"), 9_999_999_999, 0)]))
    assert await read(PdoSessionHandler(pool)) == b"data"
    assert pool.asked == [asked]


def test_a_style_that_is_none():
    with pytest.raises(LocalError, match="style"):
        PdoSessionHandler(Pool("other"))


@pytest_twisted.ensureDeferred
async def test_a_connection_that_has_gone_stale_is_tried_once_more():
    pool = Pool("qmark", fail(ConnectionLost()), succeed([]))
    assert await read(PdoSessionHandler(pool)) == b""
    pool = Pool("qmark", fail(ConnectionLost()), fail(ConnectionLost()))
    with pytest.raises(ConnectionLost):
        await read(PdoSessionHandler(pool))


@pytest_twisted.ensureDeferred
async def test_laravels_table(database):
    execute(
        database,
        ("CREATE TABLE sessions (id, payload TEXT, last_activity INTEGER)",),
        ("INSERT INTO sessions VALUES ('a', 'ZGF0YQ==', 1000)",),
        ("INSERT INTO sessions VALUES ('b', 'x', 1000)",),
    )
    now = [1120]
    handler = LaravelDatabaseSessionHandler(database.pool, lifetime=2, now=lambda: now[0])
    assert await read(handler, "a") == b"data"
    assert await read(handler, "c") == b""
    with pytest.raises(MalformedSession, match="base64"):
        await read(handler, "b")
    now[0] += 1
    assert await read(handler, "a") == b""


# -- Redis -----------------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_redis_gives_bytes_whatever_they_look_like(redisServer, redisHandler):
    redisServer.ask("SET", f"PHPREDIS_SESSION:{ID}", "123")
    assert await read(redisHandler()) == b"123"
    assert not await read(redisHandler(), "other")


async def until(handler, data, id=ID):
    from twisted.internet import reactor, task

    while True:
        try:
            assert await read(handler, id) == data
        except ConnectionError:
            await task.deferLater(reactor, 0.01)
        else:
            return


@pytest_twisted.ensureDeferred
async def test_redis_that_is_away_is_an_error_soon_and_is_found_again(redisServer, redisHandler):
    redisServer.ask("SET", f"PHPREDIS_SESSION:{ID}", "data")
    handler = redisHandler(timeout=0.2)
    assert await read(handler) == b"data"
    redisServer.kill()
    with pytest.raises(Exception, match=r"lost|answer|connect|clean"):
        await read(handler)
    with pytest.raises(ConnectionError):
        await read(handler)
    # The others do not wait at all.
    with pytest.raises(ConnectionError, match="does not answer"):
        handler.read(ID)
    redisServer.start()
    redisServer.ask("SET", f"PHPREDIS_SESSION:{ID}", "again")
    await until(handler, b"again")


@pytest_twisted.ensureDeferred
async def test_redis_that_does_not_let_us_in_is_asked_again(redisServer, redisHandler):
    redisServer.ask("SET", f"PHPREDIS_SESSION:{ID}", "data")
    redisServer.ask("CONFIG", "SET", "requirepass", "secret")
    handler = RedisSessionHandler(redisServer.url.replace("//", "//:secret@"), timeout=0.2)
    wrong = RedisSessionHandler(redisServer.url.replace("//", "//:wrong@"), timeout=0.2)
    try:
        assert await read(handler) == b"data"
        with pytest.raises(ConnectionError, match="could not auth"):
            await read(wrong)
        with socket.create_connection(("127.0.0.1", redisServer.port)) as operator:
            operator.sendall(b"AUTH secret\r\nCONFIG SET requirepass wrong\r\n")
            while operator.recv(1024)[-5:] != b"+OK\r\n":
                pass
        await until(wrong, b"data")
    finally:
        await handler.close()
        await wrong.close()


# -- memcached -------------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_memcached_that_is_lost_is_found_again(memcached, memcachedHandler):
    memcached.put(b"memc.sess.key.a", b"data")
    handler = memcachedHandler()
    reads = await gatherResults([Deferred.fromCoroutine(read(handler, "a")) for _ in range(3)])
    assert reads == [b"data"] * 3
    assert memcached.ask(b"stats").count(b"curr_connections 2\r\n") == 1
    memcached.kill()
    for _ in range(2):
        with pytest.raises(Exception, match=r"lost|clean|refused"):
            await read(handler, "a")
    memcached.start()
    memcached.put(b"memc.sess.key.a", b"again")
    await until(handler, b"again", "a")


@pytest_twisted.ensureDeferred
async def test_memcached_that_is_silent_is_lost(memcached, memcachedHandler):
    memcached.put(b"memc.sess.key.a", b"of a")
    handler = memcachedHandler(timeout=0.05)
    assert await read(handler, "a") == b"of a"
    memcached.stop()
    try:
        with pytest.raises(Exception, match=r"[Tt]imeout"):
            await read(handler, "a")
    finally:
        memcached.resume()
    # The answer to that is not taken for the answer to this.
    assert await read(handler, "b") == b""


@pytest.mark.parametrize("value", [b"", b"1234", b"1234nonsense", b"1234" + zlib.compress(b"")[:3]])
@pytest_twisted.ensureDeferred
async def test_what_memcached_has_compressed_badly(value, memcached, memcachedHandler):
    memcached.put(b"memc.sess.key.a", value, flags=0b110000)
    with suppress(MalformedSession):
        assert await read(memcachedHandler(), "a") == b""


@pytest_twisted.ensureDeferred
async def test_what_memcached_has_inflates_only_so_far(memcached, memcachedHandler):
    bomb = b"1234" + zlib.compress(bytes(100_000_000))
    memcached.put(b"memc.sess.key.a", bomb, flags=0b110000)
    assert len(await read(memcachedHandler(), "a")) == MAX_SIZE + 1


def test_an_endpoint_that_is_none():
    with pytest.raises(ValueError, match="Unknown endpoint"):
        MemcachedSessionHandler("here:1")


def test_a_url_that_is_none():
    with pytest.raises(LocalError, match="URL"):
        RedisSessionHandler("http://localhost")


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("txredisapi", RedisSessionHandler),
        ("itsdangerous", lambda: FlaskSessions("key")),
        ("itsdangerous", lambda: DjangoCookieSessions("key")),
    ],
)
def test_a_missing_extra_is_named(name, make, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'ratchet_py\[(redis|sessions)\]'"):
        make()
