"""The option ``--push``, and the whole of it in a process of its own."""

from __future__ import annotations

import socket

import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from ratchet_py.push import PushClient
from ratchet_py.tap import Options, makeService
from tests.integration.wire import close

TWISTD = "from twisted.scripts.twistd import run; run()"
COMMAND = ["-c", TWISTD, "--nodaemon", "--pidfile=", "ratchet", "--app", "server.py:app"]
LOOPBACK = "tcp:0:interface=127.0.0.1"


def service(*args):
    options = Options()
    options.parseOptions(args)
    return makeService(options)


def test_none_unless_it_is_asked_for():
    assert service().push is None


def test_with_a_token_of_its_own_unless_there_is_one():
    made = service("--push", LOOPBACK)
    assert made.pushEndpoint == LOOPBACK
    assert made.push.token
    for option in "--push-token", "--push-secret":
        assert service("--push", LOOPBACK, option, "mine").push.token is None


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--push-token", "x"], "need --push or --admin"),
        (["--push-secret", "x"], "need --push or --admin"),
        (["--push", LOOPBACK, "--push-token", ""], "--push-token, --push-secret: .* not empty"),
        (["--push", LOOPBACK, "--route", "/=ratchet_py.server:EchoServer"], "no WAMP application"),
    ],
)
def test_what_cannot_be_is_one_line(args, reason):
    with pytest.raises(SystemExit, match=reason) as exited:
        service(*args)
    assert "\n" not in str(exited.value)


PROGRAM = """
from ratchet_py import App
from ratchet_py.wamp import Component

app = App(None)
app.route("/pubsub", Component())
"""


@pytest_twisted.ensureDeferred
async def test_a_server_that_is_pushed_to(spawn):
    options = ["--listen", LOOPBACK, "--push", LOOPBACK]
    process, served = await spawn(
        PROGRAM, [*COMMAND, *options], pattern=r"serves http://127.0.0.1:(\d+)/"
    )
    found = await process.said(r"/publish at http://127.0.0.1:(\d+)/, with the token (\S+)")
    page = await served.wamp("/pubsub")
    page.say(5, "news")
    with PushClient(f"http://127.0.0.1:{found[1]}/publish", found[2]) as client:
        while (await deferToThread(client.push, "news", "rain")).nodes == 0:
            pass
        assert await page.heard() == [8, "news", "rain"]
        # The connection stays open, and is no reason to stay.
        process.send("TERM")
        assert (await page.frame())[0] == 8
        page.send(close(1001))
        await page.gone()
        await process.end()
    assert "Traceback" not in process.output


@pytest_twisted.ensureDeferred
async def test_an_endpoint_that_is_taken_ends_the_start_with_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        push = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        made = service("--listen", LOOPBACK, "--push", push)
        with pytest.raises(SystemExit, match=r"^ratchet: .*Couldn.t listen"):
            made.privilegedStartService()
    await made.server.close()
