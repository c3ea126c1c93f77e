"""Each example runs as a process of its own; its clients are Autobahn's."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_twisted
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred, DeferredQueue, gatherResults
from twisted.internet.endpoints import HostnameEndpoint

ROOT = Path(__file__).parent.parent.parent

# Longer than anything here takes; only a server that hangs gets there.
PATIENCE = 60


class Server:
    """An example that is being served.

    Attributes:
        port: Where, on 127.0.0.1.
        otherPort: Where else, if the example has two ports.
        folder: Where its files are.
        output: What it has said; known when it has stopped.
    """

    def __init__(self, command, port, folder):
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.port = port
        self.folder = folder
        self.output = ""
        self._isTold = False
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def untilServing(self):
        """Wait until the port is open, or the process has ended without it."""
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                try:
                    self._process.wait(0.02)
                except subprocess.TimeoutExpired:
                    continue
                pytest.fail(f"it does not serve:\n{self.stop()}")
            else:
                return

    def terminate(self):
        """Ask it to end, as a service manager would."""
        self._isTold = True
        self._process.terminate()

    def stop(self):
        """End it as a service manager would, and return what it has said."""
        if self._process.returncode is None and not self._isTold:
            # Once: Twisted's reactor complains of a second signal.
            self.terminate()
        try:
            self.output += self._process.communicate(timeout=PATIENCE)[0] or ""
        except subprocess.TimeoutExpired:
            self._process.kill()
            pytest.fail(f"it does not stop:\n{self._process.communicate()[0]}")
        return self.output

    @property
    def status(self):
        """Its exit status."""
        return self._process.returncode


@pytest.fixture
def serve(tmp_path, freePorts):
    """Serves an example on a free port: ``serve("name.py")``, or ``serve("name.py", "twistd")``."""
    servers = []

    def start(name, how="python"):
        port, otherPort = next(freePorts), next(freePorts)
        folder = tmp_path / f"examples{len(servers)}"
        shutil.copytree(ROOT / "examples", folder)
        if how == "twistd":
            twistd = "from twisted.scripts.twistd import run; run()"
            listen = f"tcp:{port}:interface=127.0.0.1"
            command = [sys.executable, "-c", twistd, "--nodaemon", "--pidfile=", "ratchet"]
            command += ["--app", name, "--listen", listen]
        else:
            script = folder / name
            program = script.read_text(encoding="utf-8").replace("8080", str(port))
            program = re.sub(r"\b(8843|9000)\b", str(otherPort), program)
            program = re.sub(r'App\("localhost"\)', f'App("localhost", {port})', program)
            script.write_text(program, encoding="utf-8")
            command = [sys.executable, name]
        server = Server(command, port, folder)
        server.otherPort = otherPort
        servers.append(server)
        server.untilServing()
        return server

    yield start
    for server in servers:
        server.stop()


class Client(WebSocketClientProtocol):
    """A client that keeps what it gets until it is asked for.

    Attributes:
        opened: Fires with the client when the handshake is done.
        closed: Fires with the close code when the connection is gone.
    """

    def __init__(self):
        super().__init__()
        self.opened = Deferred()
        self.closed = Deferred()
        self._messages = DeferredQueue()

    def onOpen(self):
        self.opened.callback(self)

    def onMessage(self, payload, isBinary):
        self._messages.put(payload if isBinary else payload.decode())

    def onClose(self, wasClean, code, reason):
        if not self.opened.called:
            self.opened.errback(ConnectionError(reason))
        self.closed.callback(code)

    def next(self):
        """A Deferred of the next message."""
        return self._messages.get().addTimeout(PATIENCE, self.factory.reactor)

    async def nextJson(self):
        """The next message, decoded."""
        return json.loads(await self.next())

    def say(self, message):
        """Send a text message."""
        self.sendMessage(message.encode())

    def sayJson(self, *message):
        """Send a list as JSON."""
        self.say(json.dumps(message))

    async def subscribe(self, topic):
        """Subscribe by WAMP, and wait until it holds.

        Subscriptions are not acknowledged; the answer to a call behind one says that it was read.
        """
        self.sayJson(5, topic)
        self.sayJson(2, "subscribed", "http://example.com/any")
        answer = await self.nextJson()
        assert answer[1] == "subscribed"


@pytest_twisted.async_yield_fixture
async def connect():
    """Connects a client as a page of localhost would: ``await connect(port, "/path", "wamp")``."""
    clients = []

    async def client(port, path="/", *subprotocols, headers=None):
        from twisted.internet import reactor

        factory = WebSocketClientFactory(
            f"ws://localhost:{port}{path}",
            origin="http://localhost",
            protocols=list(subprotocols),
            headers=headers,
        )
        factory.protocol = Client
        connected = await HostnameEndpoint(reactor, "127.0.0.1", port).connect(factory)
        clients.append(connected)
        return await connected.opened

    yield client
    for each in clients:
        each.sendClose()
    await gatherResults([each.closed for each in clients])
