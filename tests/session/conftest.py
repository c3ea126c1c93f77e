"""Sites that write sessions: PHP and the parts of its frameworks, as Debian has them."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
import pytest_twisted

from tests.broker.redis_server import RedisServer

SITE = Path(__file__).parent / "site"

# What PHP needs to be able to do for each of the programs there, and where Debian has it.
NEEDS = {
    "native.php": ("", "php-cli"),
    "symfony.php": ("Symfony/Component/HttpFoundation/autoload.php", "php-symfony-http-foundation"),
    "laravel.php": ("Illuminate/Session/autoload.php", "php-illuminate-session"),
}
EXTENSIONS = {
    "memcached": "php-memcached",
    "pdo_sqlite": "php-sqlite3",
    "redis": "php-redis",
}


def missing(program, extensions):
    """What is to be installed before the program can run; None if nothing."""
    if shutil.which("php") is None:
        return "php-cli"
    file, package = NEEDS[program]
    code = f"exit(stream_resolve_include_path({file!r}) ? 0 : 1);" if file else ""
    if subprocess.run(["php", "-r", code], check=False).returncode:
        return package
    loaded = subprocess.check_output(["php", "-m"], text=True).split()
    return next((EXTENSIONS[name] for name in extensions if name not in loaded), None)


def unavailable(reason):
    """Skip the test, but not where all is to be tested."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def php():
    """``php("native.php", ...)`` runs a program of the folder ``site`` and returns what it says."""

    def run(program, *arguments, extensions=(), setting="precision=14"):
        package = missing(program, extensions)
        if package is not None:
            unavailable(f"a part of PHP is not there: apt install {package}")
        command = [
            "php",
            "-d",
            "display_errors=stderr",
            "-d",
            "error_reporting=8191",
            "-d",
            setting,
        ]
        found = subprocess.run(
            [*command, str(SITE / program), *map(str, arguments)],
            capture_output=True,
            check=False,
        )
        assert (found.returncode, found.stderr) == (0, b""), found.stderr.decode()
        return found.stdout.decode()

    return run


@pytest.fixture
def laravel(php):
    """Has Laravel write a session; the id and the cookies are returned."""

    def write(key, driver, path, *, cipher="AES-256-CBC", encrypt=False, serialize=False):
        options = {
            "key": key,
            "driver": driver,
            "path": str(path),
            "cipher": cipher,
            "encrypt": encrypt,
            "serialize": serialize,
        }
        extensions = {"redis": ["redis"], "database": ["pdo_sqlite"]}.get(driver, ())
        return json.loads(php("laravel.php", json.dumps(options), extensions=extensions))

    return write


@pytest.fixture
def redisServer(freePort, tmp_path):
    """A Redis that serves."""
    server = RedisServer(freePort, tmp_path)
    server.start()
    yield server
    server.kill()


class Memcached:
    """A memcached that can be killed and started again, always on the same port."""

    def __init__(self, port):
        self.port = port
        self._process = None

    def start(self):
        """Start it, and wait until it serves."""
        command = shutil.which("memcached")
        if command is None:
            unavailable("there is no memcached: apt install memcached")
        options = ["-l", "127.0.0.1", "-p", str(self.port), "-u", getpass.getuser()]
        self._process = subprocess.Popen([command, *options])
        while True:
            try:
                return self.ask(b"version")
            except ConnectionRefusedError:
                assert self._process.poll() is None

    def ask(self, command):
        """Give it a command and return the first bytes of its reply."""
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.sendall(command + b"\r\n")
            return client.recv(65536)

    def put(self, key, value, flags=0):
        """Store a value."""
        assert self.ask(b"set %b %d 0 %d\r\n%b" % (key, flags, len(value), value)) == b"STORED\r\n"

    def stop(self):
        """Have it stand still, until :meth:`resume`."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def resume(self):
        """Have it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self):
        """End it without a word."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def memcached(freePort):
    """A memcached that serves."""
    server = Memcached(freePort)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def memcachedHandler(memcached):
    """Makes a ``MemcachedSessionHandler`` of that memcached."""
    from ratchet_py.session import MemcachedSessionHandler

    made = []

    def make(**options):
        made.append(MemcachedSessionHandler(f"tcp:127.0.0.1:{memcached.port}", **options))
        return made[-1]

    yield make
    for handler in made:
        handler.close()


@pytest.fixture
def database(tmp_path):
    """An SQLite database, as a file and a pool of connections: ``database.path``, ``.pool``."""
    from twisted.enterprise.adbapi import ConnectionPool

    class Database:
        path = tmp_path / "site.db"
        pool = ConnectionPool("sqlite3", str(path), check_same_thread=False)

    Database.path.touch()
    yield Database
    Database.pool.close()


@pytest.fixture
def redisHandler(redisServer):
    """Makes a ``RedisSessionHandler`` of that Redis."""
    from ratchet_py.session import RedisSessionHandler

    made = []

    def make(**options):
        made.append(RedisSessionHandler(redisServer.url, **options))
        return made[-1]

    yield make
    for handler in made:
        pytest_twisted.blockon(handler.close())
