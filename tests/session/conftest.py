"""Sites that write sessions: PHP and the parts of its frameworks, as Debian has them."""

from __future__ import annotations

import json
import os
import shutil
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
EXTENSIONS = {"redis": "php-redis", "pdo_sqlite": "php-sqlite3"}


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


@pytest.fixture
def php():
    """``php("native.php", ...)`` runs a program of the folder ``site`` and returns what it says."""

    def run(program, *arguments, extensions=()):
        package = missing(program, extensions)
        if package is not None:
            reason = f"a part of PHP is not there: apt install {package}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        command = ["php", "-d", "display_errors=stderr", "-d", "error_reporting=8191"]
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

    def write(key, driver, path, *, cipher="AES-256-CBC", encrypt=False):
        options = {
            "key": key,
            "driver": driver,
            "path": str(path),
            "cipher": cipher,
            "encrypt": encrypt,
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
