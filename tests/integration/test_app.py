"""The App section: what it listens on, and how a process says goodbye."""

from __future__ import annotations

import re
import signal

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError, ProcessExitedAlready

from ratchet_py import App
from ratchet_py.limits import Limits
from ratchet_py.server import EchoServer, IoServer
from tests.integration.conftest import Echo, Served
from tests.integration.wire import CLOSE, TEXT, close, text

PROGRAM = """
from twisted.internet import reactor
from ratchet_py import App, Limits
from ratchet_py.server import EchoServer

app = App("localhost", 0, limits=Limits(closeTimeout={closeTimeout}))
app.route("/", EchoServer())
reactor.callWhenRunning(
    lambda: print("port", app.server.ports[0].getHost().port if app.server.ports else 0, flush=True)
)
app.run()
print("run has returned", flush=True)
"""


TWISTD = "from twisted.scripts.twistd import run; run()"
TWIST = "from twisted.application.twist._twist import Twist; Twist.main()"


@pytest.fixture
def start(spawn, tmp_path):
    """``await start("python")`` gives a process that serves, and a way to connect to it."""

    async def start(how="python", closeTimeout=5):
        program = PROGRAM.format(closeTimeout=closeTimeout)
        if how == "python":
            return await spawn(program)
        command = {
            "twistd": ["-c", TWISTD, "--nodaemon", "--pidfile=", "ratchet"],
            "twist": ["-c", TWIST, "--log-format=text", "ratchet"],
        }[how]
        options = ["--app", "server.py:app", "--listen", "tcp:0:interface=127.0.0.1"]
        return await spawn(program, [*command, *options], r"serves http://127.0.0.1:(\d+)/")

    return start


def turn():
    """One turn of the reactor, in which what has arrived is read."""
    from twisted.internet import reactor

    deferred = Deferred()
    reactor.callLater(0, deferred.callback, None)
    return deferred


# The process ends by itself, or as Twisted lets it: with the signal.
ENDS = {
    "python": {"TERM": 0, "INT": 0},
    "twistd": {"TERM": -signal.SIGTERM, "INT": -signal.SIGINT},
    "twist": {"TERM": -signal.SIGTERM, "INT": -signal.SIGINT},
}


@pytest.mark.parametrize("signum", ["TERM", "INT"])
@pytest.mark.parametrize("how", ENDS)
@pytest_twisted.ensureDeferred
async def test_a_signal_closes_every_connection_with_1001(start, how, signum):
    process, remote = await start(how)
    clients = [await remote.open() for _ in range(3)]
    process.send(signum)
    for client in clients:
        assert await client.closing(1001)
    assert await process.end() == ENDS[how][signum]
    assert "Traceback" not in process.output
    if how == "python":
        assert "run has returned" in process.output


@pytest_twisted.ensureDeferred
async def test_a_signal_without_clients(start):
    process, _ = await start()
    process.send("TERM")
    assert await process.end() == 0


@pytest_twisted.ensureDeferred
async def test_who_does_not_answer_is_dropped_at_the_deadline(start):
    process, remote = await start(closeTimeout=0.1)
    client = await remote.open()
    handshaking = await remote.client(b"GET / HT")
    process.send("TERM")
    assert (await client.frame()).opcode == CLOSE
    await client.gone()
    await handshaking.gone()
    assert await process.end() == 0
    assert "Traceback" not in process.output


@pytest.mark.parametrize(
    "signums", [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")], ids="-".join
)
@pytest.mark.parametrize("how", ENDS)
@pytest_twisted.ensureDeferred
async def test_a_second_signal_cuts_the_wait_short(start, how, signums):
    process, remote = await start(how, closeTimeout=3600)
    client = await remote.open()
    process.send(signums[0])
    assert (await client.frame()).opcode == CLOSE
    before = len(process.output.splitlines())
    process.send(signums[1])
    await client.gone()
    status = await process.end()
    assert status == ENDS[how][signums[0]]
    assert "Traceback" not in process.output
    if how == "python":
        said = process.output.splitlines()[before:]
        assert said[-1] == "run has returned"
        assert len(said) == 2, said


@pytest_twisted.ensureDeferred
async def test_while_it_closes_nobody_new_is_let_in(start):
    process, remote = await start(closeTimeout=3600)
    client = await remote.open()
    process.send("TERM")
    assert (await client.frame()).opcode == CLOSE
    with pytest.raises(Exception, match="refused"):
        await remote.client()
    client.reset()
    assert await process.end() == 0


@pytest.mark.parametrize("how", ENDS)
@pytest_twisted.ensureDeferred
async def test_two_signals_at_once_are_one(start, how):
    """So does ``timeout`` end a program: a signal to the process, and one to its group."""
    process, remote = await start(how)
    clients = [await remote.open() for _ in range(3)]
    # Both are there when it wakes up.
    process.send("STOP")
    for signum in ("TERM", "INT", "TERM"):
        process.send(signum)
    process.send(signal.SIGCONT)
    for client in clients:
        assert await client.closing(1001)
    assert await process.end() in (ENDS[how]["TERM"], ENDS[how]["INT"])
    assert "Traceback" not in process.output
    assert "ReactorNotRunning" not in process.output


@pytest_twisted.ensureDeferred
async def test_signals_until_the_end(start):
    """However late it comes, a further signal makes no noise."""
    process, remote = await start()
    client = await remote.open()
    process.send("TERM")
    await client.closing(1001)
    while process.status is None:
        try:
            process.send("TERM")
        except ProcessExitedAlready:
            break
        await turn()
    # At the very end Python gives the signals back to the system, which ends what is left of it.
    assert await process.end() in (0, -signal.SIGTERM)
    assert "run has returned" in process.output
    assert "Traceback" not in process.output


UNDER_LOAD = """
from twisted.internet import reactor
from twisted.internet.task import LoopingCall
from ratchet_py import App
from ratchet_py.interfaces import MessageComponentInterface

class Load(MessageComponentInterface):
    def __init__(self):
        self.last = {}
    def onOpen(self, conn):
        self.last[conn] = -1
    def onMessage(self, conn, msg):
        if msg == "ready":
            # Until the close: whatever is sent before it has to arrive.
            self.last[conn] = 0
            LoopingCall(self.tick).start(0)
    def tick(self):
        for conn in self.last:
            if not conn.WebSocket.closing:
                conn.send(f"{self.last[conn]} " + "x" * 2000)
                self.last[conn] += 1
    def onClose(self, conn):
        print("sent", conn.WebSocket.conn.httpRequest.query["n"], self.last.pop(conn), flush=True)
    def onError(self, conn, exc):
        print("error", exc, flush=True)

app = App("localhost")
app.route("/", Load())
reactor.callWhenRunning(lambda: print("port", app.server.ports[0].getHost().port, flush=True))
app.run("tcp:0:interface=127.0.0.1")
"""


@pytest_twisted.ensureDeferred
async def test_who_got_its_close_frame_got_everything_before_it(spawn):
    process, remote = await spawn(UNDER_LOAD)
    clients = [await remote.open(f"/?n={number}") for number in range(150)]
    slow = clients[:20]
    clients[-1].send(text("ready"))
    for client in clients:
        await client.next()
    for client in slow:
        client.transport.pauseProducing()
    for client in clients[20:]:
        await client.next()
    process.send("TERM")
    await turn()
    for client in slow:
        client.transport.resumeProducing()
    got = []
    for client in clients:
        count = 1 if client in slow else 2
        while (received := await client.frame()).opcode == TEXT:
            count += 1
        assert (received.opcode, received.payload[:2]) == (CLOSE, (1001).to_bytes(2, "big"))
        client.send(close(1001))
        await client.gone()
        got.append(count)
    assert await process.end() == 0
    sent = dict(re.findall(r"sent (\d+) (\d+)", process.output))
    # A client that was opened before the first tick counts from -1.
    assert [int(sent[str(number)]) for number in range(150)] == [
        count - 1 if number < 149 else count for number, count in enumerate(got)
    ]
    assert "Traceback" not in process.output


# -- in this process -------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_close_takes_leave_of_everybody(serve, echo):
    served = await serve(echo, limits=Limits(closeTimeout=60))
    clients = [await served.open() for _ in range(3)]
    closing = served.app.close()
    assert not closing.called
    for client in clients:
        # What an application has to say in the meantime is not said, and not heard.
        client.send(text("too late"))
        assert await client.closing(1001)
    await closing
    assert echo.events == ["open"] * 3 + ["close"] * 3


@pytest_twisted.ensureDeferred
async def test_it_listens_on_this_machine_alone(echo):
    from twisted.internet import reactor

    app = App(port=0, reactor=reactor)
    app.route("/", echo)
    ports = await app.listen()
    assert [port.getHost().host for port in ports] == ["127.0.0.1"]
    await app.close()


@pytest_twisted.ensureDeferred
async def test_a_second_app_can_start(echo):
    """In PHP the Flash policy port keeps it from starting."""
    from twisted.internet import reactor

    apps = [App("localhost", 0, reactor=reactor) for _ in range(2)]
    for app in apps:
        app.route("/", echo)
        assert len(await app.listen()) == 1
        assert app.flashServer is None
    for app in apps:
        await app.close()


@pytest_twisted.ensureDeferred
async def test_the_flash_policy_if_it_is_asked_for(echo):
    from twisted.internet import reactor

    app = App("localhost", 0, reactor=reactor, flashPolicyPort=0)
    app.route("/", Echo())
    await app.listen()
    flash = Served(app, app.flashServer.ports)
    client = await flash.client(b"<policy-file-request/>\0")
    await client.gone()
    assert b"<cross-domain-policy>" in bytes(client._data)
    assert b'domain="localhost"' in bytes(client._data)
    await app.close()


@pytest.mark.parametrize("flash", [False, True])
@pytest_twisted.ensureDeferred
async def test_a_later_listen_that_fails_leaves_what_is_open(echo, flash):
    from twisted.internet import reactor

    app = App("localhost", 0, reactor=reactor)
    app.route("/", echo)
    served = Served(app, await app.listen())
    client = await served.open()
    taken = served.port
    if flash:
        app.flashServer = IoServer(EchoServer(), reactor)
        app._flashPolicyPort = taken
    with pytest.raises(CannotListenError):
        await app.listen(
            *["tcp:0:interface=127.0.0.1"] * 2,
            *([] if flash else [f"tcp:{taken}:interface=127.0.0.1"]),
        )
    assert [port.getHost().port for port in app.server.ports] == [taken]
    client.send(text("still there"))
    assert await client.next() == "still there"
    assert await served.open()
    await served.stop()


@pytest_twisted.ensureDeferred
async def test_keep_alive_is_on(serve, echo):
    served = await serve(echo)
    await served.open()
    (route,) = served.app.routes
    assert route.controller.component._keepAlive._loop.running


BY_HAND = """
from twisted.internet import reactor
from ratchet_py.http import HttpServer
from ratchet_py.server import EchoServer, IoServer
from ratchet_py.websocket import WsServer

server = IoServer(HttpServer(WsServer(EchoServer())))
reactor.callWhenRunning(lambda: print("port", server.ports[0].getHost().port, flush=True))
server.run("tcp:0:interface=127.0.0.1")
print("run has returned", flush=True)
"""


@pytest_twisted.ensureDeferred
async def test_a_stack_by_hand_listens_where_run_is_told(spawn):
    process, remote = await spawn(BY_HAND)
    client = await remote.open()
    client.send(text("hello"))
    assert (await client.frame()).payload == b"hello"
    process.send("TERM")
    assert (await client.frame()).opcode == CLOSE
    client.send(close(1001))
    assert await process.end() == 0
    assert "run has returned" in process.output
