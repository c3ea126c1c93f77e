"""The clients that docs/howto/client shows, each against a server of its kind."""

from __future__ import annotations

import importlib.util
import os
import sys

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.utils import getProcessOutputAndValue

from ratchet_py import App, CallError, MessageComponentInterface
from ratchet_py.server import EchoServer
from ratchet_py.wamp import Component
from ratchet_py.websocket import WsServerInterface
from tests.examples.conftest import PATIENCE, ROOT

FILE = ROOT / "examples" / "client.py"
ADD = "http://example.com/add"


@pytest.fixture(scope="module")
def client():
    spec = importlib.util.spec_from_file_location("client_example", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Greeter(MessageComponentInterface):
    def onOpen(self, conn):
        conn.send("welcome inside")

    def onMessage(self, conn, msg): ...
    def onClose(self, conn): ...
    def onError(self, conn, exc): ...


class Closing(Greeter, WsServerInterface):
    def onOpen(self, conn):
        conn.close(4000, "enough")

    def getSubProtocols(self):
        return ["chat"]


class Adder(Component):
    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event)

    def onCall(self, conn, id, topic, params):
        if str(topic) != ADD:
            raise CallError("http://example.com/error#none", "no such procedure")
        return sum(params)


@pytest_twisted.async_yield_fixture
async def url():
    from twisted.internet import reactor

    app = App("localhost", 0, "127.0.0.1", reactor=reactor)
    app.route("/echo", EchoServer())
    app.route("/closing", Closing())
    app.route("/wamp", Adder())
    app.route("/users", Adder(), auth={"joe": "geheim"})
    (port,) = await app.listen()
    yield f"ws://localhost:{port.getHost().port}"
    await app.close()


async def said(waiting, capsys):
    from twisted.internet import reactor

    if not isinstance(waiting, Deferred):
        waiting = Deferred.fromCoroutine(waiting)
    await waiting.addTimeout(PATIENCE, reactor)
    return capsys.readouterr().out.splitlines()


@pytest_twisted.ensureDeferred
async def test_the_program(url):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    out, err, status = await getProcessOutputAndValue(
        sys.executable, [str(FILE), f"{url}/echo"], environment
    )
    assert (out, err, status) == (b"Received: Hello World!\n", b"", 0)


@pytest_twisted.ensureDeferred
async def test_awaiting(client, url, capsys):
    assert await said(client.greet(f"{url}/echo"), capsys) == ["Received: Hello World!"]
    assert await said(client.follow(f"{url}/echo"), capsys) == ["Received: one", "Received: two"]


@pytest_twisted.ensureDeferred
async def test_callbacks(client, url, capsys):
    lines = await said(client.greetAsPawlDoes(f"{url}/echo"), capsys)
    assert lines == ["Received: Hello World!", "Connection closed (1000)"]
    (line,) = await said(client.greetAsPawlDoes(f"{url}/nowhere"), capsys)
    assert line.startswith("Could not connect: ws://localhost:")
    assert line.endswith("/nowhere: Not Found (404): not found")


@pytest_twisted.ensureDeferred
async def test_what_goes_wrong(client, url, freePort, capsys):
    assert await said(client.careful(f"{url}/closing"), capsys) == ["Lost: 4000 enough"]
    assert await said(client.careful(f"{url}/nowhere"), capsys) == ["Refused: 404 not found"]
    (line,) = await said(client.careful(f"ws://127.0.0.1:{freePort}/"), capsys)
    assert line.startswith("No connection: ws://127.0.0.1:")


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
@pytest_twisted.ensureDeferred
async def test_a_certificate_of_ones_own(client, certificate, capsys):
    from twisted.internet import reactor

    app = App("localhost", reactor=reactor)
    app.route("/", Greeter())
    endpoint = serverFromString(reactor, f"ssl:0:privateKey={certificate}:interface=127.0.0.1")
    port = await endpoint.listen(app.server)
    url = f"wss://localhost:{port.getHost().port}/"
    lines = await said(client.greetInside(url, certificate), capsys)
    assert lines == ["Received: welcome inside"]
    (line,) = await said(client.careful(url), capsys)
    assert "TLS: certificate verify failed" in line
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_much_at_once(client, url, capsys):
    assert await said(client.upload(f"{url}/echo", [bytes(100_000)] * 20), capsys) == []


@pytest_twisted.ensureDeferred
async def test_staying_connected(client, url, capsys):
    from twisted.internet import reactor

    connected = await client.stayConnected(f"{url}/echo")
    echoed = Deferred().addTimeout(PATIENCE, reactor)
    connected.conn.on("message", lambda msg: msg == "hello" and echoed.callback(None))
    await echoed
    await connected.stop()
    assert capsys.readouterr().out == "Received: subscribe\nReceived: hello\n"


@pytest_twisted.ensureDeferred
async def test_wamp(client, url, capsys):
    lines = await said(client.talkWamp(f"{url}/wamp"), capsys)
    assert lines == ["Event: http://example.com/news {'title': 'It works'}", "Sum: 3"]
    assert await said(client.logIn(f"{url}/users"), capsys) == ["Sum: 5"]
