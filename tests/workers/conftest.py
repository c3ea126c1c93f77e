"""``twistd ratchet --workers`` in processes of its own, over a real Redis."""

from __future__ import annotations

import re
import socket

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.admin.conftest import Operator
from tests.broker.redis_server import RedisServer
from tests.integration.conftest import logged, serve, spawn
from tests.integration.wire import PATIENCE

__all__ = ["logged", "serve", "spawn"]

LOOPBACK = "tcp:0:interface=127.0.0.1"
TWISTD = ["-c", "from twisted.scripts.twistd import run; run()", "--nodaemon", "--pidfile="]
TWIST = [
    *("-c", "from twisted.application.twist._twist import Twist; Twist.main()"),
    "--log-format=text",
]

# Says who serves a client, and does what it is asked.
PROGRAM = """
import asyncio, os, time
from twisted.internet import reactor
from twisted.internet.task import LoopingCall
from ratchet_py import App, MessageComponentInterface
from ratchet_py.wamp import Component

class Worker(MessageComponentInterface):
    def __init__(self):
        self.loads = {}
    def onOpen(self, conn):
        conn.send(str(os.getpid()))
    def onMessage(self, conn, msg):
        if msg == "load":
            self.loads[conn] = load = LoopingCall(self.load, conn)
            load.count = 0
            load.start(0.01)
        elif msg == "stuck":
            time.sleep(3600)
        elif msg == "loop":
            conn.send(type(asyncio.get_running_loop()).__module__)
        elif msg == "where":
            conn.send(os.getcwd())
        elif msg == "print":
            print("printed", flush=True)
        else:
            conn.send(msg)
    def load(self, conn):
        if not conn.WebSocket.closing:
            conn.send(f"{self.loads[conn].count} " + "x" * 500)
            self.loads[conn].count += 1
    def onClose(self, conn):
        if conn in self.loads:
            load = self.loads.pop(conn)
            load.stop()
            print("sent", os.getpid(), load.count, flush=True)
    def onError(self, conn, exc):
        print("error", exc, flush=True)

class News(Component):
    def onCall(self, conn, id, topic, params):
        return os.getpid()
    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event, exclude, eligible)

app = App(None)
app.route("/worker", Worker(), ["*"])
app.route("/news", News(), ["*"])
"""


@pytest.fixture(scope="session")
def redisServer(tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = RedisServer(port, tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


class Cluster:
    """A parent, its workers, and how to reach them.

    Attributes:
        process: The parent.
        remote: Where clients connect.
        operator: Who asks the admin endpoint, if there is one.
    """

    def __init__(self, process, remote):
        self.process = process
        self.remote = remote
        self.operator = None

    async def open(self):
        """A client, and the process that serves it."""
        client = await self.remote.open("/worker")
        return client, int(await client.next())

    async def openOnBoth(self, least):
        """So many clients, or more until both workers have one: who is busy may come too late."""
        clients = []
        while len(clients) < least or len({pid for _, pid in clients}) < 2:
            clients.append(await self.open())
        return clients

    async def subscribeOnBoth(self, topic, least):
        """Likewise clients who have subscribed to a topic of the WAMP application."""
        clients, pids = [], set()
        while len(clients) < least or len(pids) < 2:
            client = await self.remote.wamp("/news")
            client.say(5, topic)
            client.say(2, "1", "who")
            # The answer says, too, that the server knows of the subscription.
            while (answer := await client.heard())[0] != 3:
                pass
            clients.append(client)
            pids.add(answer[2])
        return clients

    async def health(self):
        answer = await self.operator.ask("/healthz")
        return answer.status, answer.body.decode().strip()

    async def healthy(self):
        """Wait until all workers are well."""
        while (await self.health())[0] != 200:
            pass

    async def counts(self, name, value=None):
        """Wait until Prometheus is told so, or of any but none, if nothing else is said.

        Of a worker that is busy it hears what was before.
        """
        from twisted.internet import reactor

        latest = reactor.seconds() + PATIENCE
        while True:
            count = await self._figure(name)
            if count and value in (None, count):
                return
            assert reactor.seconds() < latest, f"{name} is {count}, not {value}"

    async def _figure(self, name):
        body = (await self.operator.ask("/metrics")).body.decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", body, re.MULTILINE)
        return None if found is None else float(found[1])

    async def leave(self):
        """Have all clients go."""
        for client in [*self.remote._clients, *(self.operator.clients if self.operator else ())]:
            if client.lost is None:
                client.reset()
                await client.gone()

    async def end(self, signum="TERM"):
        """Let it end, without clients that would have to be waited for."""
        await self.leave()
        self.process.send(signum)
        status = await self.process.end()
        assert "Traceback" not in self.process.output, self.process.output
        return status


@pytest.fixture
def cluster(spawn, redisServer):
    """``await cluster("--admin", ...)`` starts two workers that serve :data:`PROGRAM`."""

    all_ = []

    async def start(*options, count=2, command=TWISTD, program=PROGRAM, **more):
        process, remote = await spawn(
            program,
            [
                *(*command, "ratchet", "--app", "server.py", "--broker", redisServer.url),
                *("--listen", LOOPBACK, "--workers", str(count), *options),
            ],
            r"serves http://127.0.0.1:(\d+)/",
            **more,
        )
        started = Cluster(process, remote)
        all_.append(started)
        if "--admin" in options:
            found = await process.said(r"figures are at http://127.0.0.1:(\d+)/")
            started.operator = Operator(int(found[1]))
        await process.said(f"{count} workers serve")
        return started

    yield start
    for started in all_:
        pytest_twisted.blockon(Deferred.fromCoroutine(started.leave()))
