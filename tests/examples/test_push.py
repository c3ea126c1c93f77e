"""The site pushes, the pages hear of it: each way of pushing, as the documentation shows it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from urllib.request import Request, urlopen

import pytest
import pytest_twisted
from twisted.internet.defer import DeferredQueue
from twisted.internet.threads import deferToThread

from ratchet_py.broker import RedisBroker
from tests.broker.conftest import redisServer
from tests.examples.conftest import PATIENCE, ROOT, Server

__all__ = ["redisServer"]

ARTICLE = {"title": "Look!", "category": "kittens"}


@pytest.fixture
def server(serve):
    return serve("push.py")


@pytest.fixture
def run(tmp_path):
    """``run("publish.sh", port, ...)`` runs an example that speaks to a port other than its own."""

    def run(program, port, *args, **env):
        interpreter = {"php": "php", "sh": "sh"}[program.rpartition(".")[2]]
        command = [needed(interpreter), adapted(tmp_path, program, port), *args]
        return subprocess.run(
            command,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    return run


def needed(program):
    """The path of a program; skips where there is none, but not where all is to be tested."""
    found = shutil.which(program)
    if found is None:
        absent(f"there is no {program}: apt install {program}")
    return found


def absent(reason):
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def adapted(folder, program, port, ownPort=None):
    """A copy of a program that speaks to a port, and perhaps serves on one."""
    text = (ROOT / "examples" / "push" / program).read_text(encoding="utf-8")
    text = re.sub("8080|6379", str(port), text).replace("8001", str(ownPort))
    (folder / program).write_text(text, encoding="utf-8")
    return folder / program


async def subscribed(server, connect):
    page = await connect(server.port, "/pubsub", "wamp")
    await page.next()
    await page.subscribe("kittens")
    return page


@pytest.mark.parametrize(
    ("program", "argument", "said"),
    [
        ("publish.sh", '{"title": "Look!"}', '{"nodes": 1, "confirmed": true}\n'),
        ("signed.sh", '{"title": "Look!"}', '{"nodes": 1, "confirmed": true}\n'),
        ("publish.php", "Look!", "1\n"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_program_pushes(server, connect, run, program, argument, said):
    for each in ("curl", "openssl") if program.endswith("sh") else ():
        needed(each)
    page = await subscribed(server, connect)
    done = await deferToThread(run, program, server.port, "kittens", argument)
    assert (done.returncode, done.stdout) == (0, said), done.stderr
    assert await page.nextJson() == [8, "kittens", ARTICLE]
    empty = argument.replace("Look!", "")
    refused = await deferToThread(run, program, server.port, "kittens", empty)
    assert refused.returncode != 0
    assert "an article has a title" in refused.stdout + refused.stderr


@pytest.mark.parametrize("program", ["publish.sh", "signed.sh"])
def test_with_a_wrong_secret_nothing_is_pushed(server, run, program):
    needed("curl")
    needed("openssl")
    wrong = {"PUSH_TOKEN": "guessed", "PUSH_SECRET": "guessed"}
    done = run(program, server.port, "kittens", '{"title": "Spam"}', **wrong)
    assert done.returncode != 0
    assert "401" in done.stderr


@pytest.mark.parametrize("framework", ["django", "flask"])
@pytest_twisted.ensureDeferred
async def test_a_site_pushes_what_it_saves(server, connect, tmp_path, framework):
    if find_spec(framework) is None:
        absent(f"there is no {framework}: pip install {framework}")
    port = server.otherPort
    script = adapted(tmp_path, f"{framework}_site.py", server.port, port)
    site = Server([sys.executable, script], port, script.parent)
    try:
        site.untilServing()
        page = await subscribed(server, connect)
        assert await deferToThread(save, port, ARTICLE) == 201
        assert await page.nextJson() == [8, "kittens", ARTICLE]
        # What is not announced is saved all the same.
        assert await deferToThread(save, port, ARTICLE | {"title": ""}) == 201
    finally:
        output = site.stop()
    assert "not announced: 403: an article has a title" in output


def save(port, article):
    headers = {"Content-Type": "application/json"}
    post = Request(f"http://localhost:{port}/articles", json.dumps(article).encode(), headers)
    with urlopen(post, timeout=PATIENCE) as answer:
        return answer.status


@pytest.mark.parametrize(
    ("program", "argument"), [("redis.sh", '{"title": "Look!"}'), ("redis.php", "Look!")]
)
@pytest_twisted.ensureDeferred
async def test_a_program_publishes_straight_to_redis(run, redisServer, program, argument):
    from twisted.internet import reactor

    if program == "redis.sh":
        needed("redis-cli")
    elif "redis" not in subprocess.check_output([needed("php"), "-m"], text=True).split():
        absent("there is no redis for PHP: apt install php-redis")
    broker = RedisBroker(redisServer.url, reactor=reactor)
    scoped = broker.scoped("/pubsub")
    received = DeferredQueue()
    scoped.setReceiver(lambda topic, publication: received.put((topic, publication.event)))
    scoped.subscribe("kittens")
    await broker.settled()
    port = redisServer.url.rpartition(":")[2]
    done = await deferToThread(run, program, port, "kittens", argument)
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr
    event = await received.get().addTimeout(PATIENCE, reactor)
    assert event == ("kittens", {"title": "Look!"})
    await broker.close()


@pytest_twisted.ensureDeferred
async def test_a_page_that_publishes_is_closed(server, connect):
    page = await connect(server.port, "/pubsub", "wamp")

    page.sayJson(7, "kittens", "spam")
    assert await page.closed == 1000
