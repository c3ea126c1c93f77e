"""The same server on every reactor, in a process of its own."""

from __future__ import annotations

import importlib.util
import signal
import sys

import pytest
import pytest_twisted

from tests.integration.wire import PING, PONG, frame, request, text

PROGRAM = """
import sys
from os import urandom
from ratchet_py import App, MessageComponentInterface
from ratchet_py.server import EchoServer
from ratchet_py.wamp import WampServerInterface

class PubSub(WampServerInterface):
    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event, exclude, eligible)
    async def onCall(self, conn, id, topic, params):
        await app_sleep(conn)
        return params
    def onSubscribe(self, conn, topic): pass
    def onUnSubscribe(self, conn, topic): pass
    def onOpen(self, conn): pass
    def onClose(self, conn): print("gone", flush=True)
    def onError(self, conn, exc): print("error", exc, flush=True)

def app_sleep(conn):
    from twisted.internet.task import deferLater
    return deferLater(conn.reactor, 0.001)

app = App("localhost")
app.route("/echo", EchoServer())
app.route("/wamp", PubSub())
"""

TWISTD = ["-c", "from twisted.scripts.twistd import run; run()"]
# twistd has no name for it: a loop of uvloop in Twisted's reactor for asyncio.
UVLOOP = [
    "-c",
    "import uvloop; from twisted.internet import asyncioreactor; "
    "asyncioreactor.install(uvloop.new_event_loop()); "
    "from twisted.scripts.twistd import run; run()",
]
ARGUMENTS = ["--nodaemon", "--pidfile="]
RATCHET = ["ratchet", "--app", "server.py:app", "--listen", "tcp:0:interface=127.0.0.1"]

REACTORS = {
    "epoll": ([*TWISTD, "--reactor=epoll", *ARGUMENTS], "EPollReactor"),
    "poll": ([*TWISTD, "--reactor=poll", *ARGUMENTS], "PollReactor"),
    "select": ([*TWISTD, "--reactor=select", *ARGUMENTS], "SelectReactor"),
    "asyncio": ([*TWISTD, "--reactor=asyncio", *ARGUMENTS], "AsyncioSelectorReactor"),
    "uvloop": ([*UVLOOP, *ARGUMENTS], "AsyncioSelectorReactor"),
}


@pytest.fixture(params=REACTORS)
def name(request):
    if request.param == "epoll" and sys.platform != "linux":
        pytest.skip("epoll is Linux's")
    if request.param == "uvloop" and importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    return request.param


@pytest_twisted.ensureDeferred
async def test_a_reactor(name, spawn):
    command, reactor = REACTORS[name]
    process, remote = await spawn(PROGRAM, [*command, *RATCHET], r"serves http://127.0.0.1:(\d+)/")
    assert f"{reactor}, " in process.output
    assert ("the reactor of select() serves 924 connections" in process.output) is (
        name == "select"
    )

    # A flood in both directions, with pings between, from a client that reads late.
    client = await remote.open("/echo")
    client.transport.pauseProducing()
    big = "x" * 3_000_000
    client.send(text(big), frame(PING, b"still there"), text("small"))
    other = await remote.open("/echo")
    for number in range(50):
        other.send(text(str(number)))
        assert await other.next() == str(number)
    client.transport.resumeProducing()
    assert await client.next() == big
    assert await client.frame() == (PONG, b"still there", True, 0)
    assert await client.next() == "small"

    # Topics, and a call that takes its time.
    subscribers = [await remote.wamp("/wamp") for _ in range(30)]
    for one in subscribers:
        one.say(5, "news")
        one.say(2, "id", "procedure", 1, "two")
        assert await one.heard() == [3, "id", [1, "two"]]
    subscribers[0].say(7, "news", {"n": 1})
    for one in subscribers:
        assert await one.heard() == [8, "news", {"n": 1}]

    # A reset and a refusal.
    subscribers.pop().reset()
    await process.said("gone")
    assert (await (await remote.client(request("GET /nowhere HTTP/1.1"))).response()).status == 404

    process.send("TERM")
    for one in [client, other, *subscribers]:
        assert await one.closing(1001)
    assert await process.end() == -signal.SIGTERM
    assert "Traceback" not in process.output
