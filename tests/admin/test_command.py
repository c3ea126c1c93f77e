"""The option ``--admin``, and the whole of it in a process of its own."""

from __future__ import annotations

import sys

import pytest
import pytest_twisted

from ratchet_py.tap import Options, makeService
from tests.admin.conftest import Operator
from tests.integration.wire import close, text

TWISTD = "from twisted.scripts.twistd import run; run()"
COMMAND = ["-c", TWISTD, "--nodaemon", "--pidfile=", "ratchet"]
LOOPBACK = "tcp:0:interface=127.0.0.1"


def service(*args):
    options = Options()
    options.parseOptions(args)
    return makeService(options)


def test_none_unless_it_is_asked_for():
    assert service().admin is None
    assert service().server.metrics is None


def test_the_token_and_further_names():
    made = service("--admin", LOOPBACK, "--admin-token", "mine", "--admin-host", "ops.test")
    assert made.admin.token == "mine"
    assert made.adminEndpoint == LOOPBACK
    assert made.admin.metrics is made.server.metrics


@pytest.mark.parametrize("option", ["--admin-token", "--admin-host"])
def test_these_need_an_endpoint(option):
    with pytest.raises(SystemExit, match="need --admin"):
        service(option, "x")


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ratchet_py.admin", None)
    with pytest.raises(SystemExit, match=r"--admin: .*pip install 'ratchet_py\[metrics\]'"):
        service("--admin", LOOPBACK)


PROGRAM = """
from ratchet_py import App
from ratchet_py.server import EchoServer

app = App(None)
app.route("/echo", EchoServer())
"""


@pytest_twisted.ensureDeferred
async def test_it_tells_the_load_balancer_until_the_last_client_is_gone(spawn):
    options = ["--app", "server.py:app", "--listen", LOOPBACK, "--admin", LOOPBACK]
    process, served = await spawn(
        PROGRAM, [*COMMAND, *options], pattern=r"serves http://127.0.0.1:(\d+)/"
    )
    found = await process.said(r"figures are at http://127.0.0.1:(\d+)/; .* token (\S+)")
    operator = Operator(int(found[1]))
    client = await served.open("/echo")
    client.send(text("x"))
    await client.next()
    assert (await operator.ask("/healthz")).status == 200
    assert b'ratchet_sent_messages_total{path="/echo"} 1.0' in (await operator.ask("/metrics")).body
    allowed = {"Authorization": f"Bearer {found[2]}", "Content_Length": "0"}
    assert (await operator.ask("/drain", "POST", **allowed)).status == 200
    assert (await operator.ask("/resume", "POST", **allowed)).status == 200
    process.send("TERM")
    assert (await client.frame())[0] == 8
    answer = await operator.ask("/healthz")
    assert (answer.status, answer.body) == (503, b"draining\n")
    client.send(close(1001))
    await client.gone()
    await process.end()
    assert "Traceback" not in process.output


@pytest_twisted.ensureDeferred
async def test_an_endpoint_that_is_taken_ends_the_start_with_one_line(spawn):
    options = ["--app", "server.py:app", "--listen", LOOPBACK, "--admin", LOOPBACK]
    _, served = await spawn(
        PROGRAM, [*COMMAND, *options], pattern=r"serves http://127.0.0.1:(\d+)/"
    )
    taken = f"tcp:{served.port}:interface=127.0.0.1"
    options = ["--app", "server.py:app", "--listen", LOOPBACK, "--admin", taken]
    process, _ = await spawn(PROGRAM, [*COMMAND, *options], pattern=r"serves http://.*:(\d+)/")
    await process.said("ratchet: Couldn't listen on")
    assert await process.end() == 1
