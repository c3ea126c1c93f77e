"""Behind the proxies that people use, with the configurations that the documentation shows."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
    wrapClientTLS,
)
from twisted.internet.error import ConnectError
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.internet.task import deferLater

from ratchet_py import App, Limits
from tests.integration.conftest import ROOT, Echo
from tests.integration.process import Process
from tests.integration.wire import Client, request, text

# Twisted's own, where it makes a TLS context.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

FILES = ROOT / "docs" / "howto" / "deploy_files"


def freePort():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


class Noting(Echo):
    """Echoes, and notes where each client comes from."""

    def onOpen(self, conn):
        super().onOpen(conn)
        self.note("from", conn.remoteAddress, conn.httpRequest.scheme)


async def wss(port, certificate, data):
    """A client that checks the certificate, from another address than the proxy's."""
    from twisted.internet import reactor

    trusted = Certificate.loadPEM(certificate.read_text())
    options = optionsForClientTLS("localhost", trustRoot=trusted)
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port, bindAddress=("127.0.0.2", 0))
    endpoint = wrapClientTLS(options, endpoint)
    client = await connectProtocol(endpoint, Client())
    client.send(data)
    return client


async def talks(client):
    """It gets in, and its messages come back, the long one too."""
    assert (await client.response()).status == 101
    for message in ("hello", "x" * 1_000_000):
        client.send(text(message))
        assert await client.next() == message


async def leaves(client):
    client.transport.abortConnection()
    await client.gone()


@pytest.fixture
def proxy(tmp_path):
    """``await proxy("nginx", ...)`` starts a program and waits until its port takes connections."""
    started = []

    async def start(program, arguments, port):
        from twisted.internet import reactor

        path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin")
        if path is None:
            pytest.skip(f"{program} is not installed")
        process = Process()
        reactor.spawnProcess(process, path, [path, *arguments], {}, str(tmp_path))
        started.append(process)
        while True:
            assert process.status is None, process.output
            try:
                endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
                client = await connectProtocol(endpoint, Client())
            except ConnectError:
                # Nothing tells when a program listens; only knocking at its door does.
                await deferLater(reactor, 0.01)
            else:
                await leaves(client)
                return

    yield start
    for process in started:
        if process.status is None:
            process.send("TERM")
        pytest_twisted.blockon(Deferred.fromCoroutine(process.end()))


def replaced(name, **words):
    """A file of the documentation, with what belongs to one machine replaced."""
    content = (FILES / name).read_text(encoding="utf-8")
    for old, new in words.items():
        old = {"address": "127.0.0.1:8080", "port": "443"}.get(old, old)
        assert old in content, old
        content = content.replace(old, str(new))
    return content


@pytest_twisted.ensureDeferred
async def test_nginx(serve, proxy, certificate, tmp_path):
    noting = Noting()
    served = await serve(noting, trustedProxies=["127.0.0.1"])
    port = freePort()
    config = replaced("nginx.conf", address=f"127.0.0.1:{served.port}")
    for old, new in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/ws.example.com.pem": certificate,
        "/etc/ssl/ws.example.com.key": certificate,
    }.items():
        assert old in config
        config = config.replace(old, str(new))
    for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        config += f"{name}_temp_path {tmp_path}/{name};\n"
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/pid; error_log stderr;\n"
        f"events {{}}\nhttp {{ access_log off;\n{config}}}\n"
    )
    await proxy("nginx", ["-c", str(tmp_path / "nginx.conf"), "-e", "stderr"], port)
    client = await wss(port, certificate, request(X_Forwarded_For="192.0.2.7"))
    await talks(client)
    # The client has said 192.0.2.7 itself; nginx has seen it come from elsewhere.
    assert ("from", "127.0.0.2", "https") in noting.events
    await leaves(client)
    await noting.until("close")


@pytest_twisted.ensureDeferred
async def test_haproxy(serve, proxy, certificate, tmp_path):
    noting = Noting()
    served = await serve(noting, trustedProxies=["127.0.0.1"])
    port = freePort()
    config = replaced("haproxy.cfg", address=f"127.0.0.1:{served.port}")
    config = config.replace(":443", f"127.0.0.1:{port}")
    config = config.replace("/etc/haproxy/ws.example.com.pem", str(certificate))
    (tmp_path / "haproxy.cfg").write_text(config)
    await proxy("haproxy", ["-db", "-f", str(tmp_path / "haproxy.cfg")], port)
    client = await wss(port, certificate, request(X_Forwarded_For="192.0.2.7"))
    await talks(client)
    assert ("from", "127.0.0.2", "https") in noting.events
    await leaves(client)
    await noting.until("close")


@pytest_twisted.ensureDeferred
async def test_haproxy_with_the_proxy_protocol(proxy, certificate, tmp_path):
    from twisted.internet import reactor

    noting = Noting()
    app = App("localhost", reactor=reactor)
    app.route("/", noting)
    [listening] = await app.listen("haproxy:tcp:0:interface=127.0.0.1")
    port = freePort()
    address = f"127.0.0.1:{listening.getHost().port}"
    config = replaced("haproxy_proxy_protocol.cfg", address=address)
    config = config.replace(":443", f"127.0.0.1:{port}")
    config = config.replace("/etc/haproxy/ws.example.com.pem", str(certificate))
    (tmp_path / "haproxy.cfg").write_text(config)
    try:
        await proxy("haproxy", ["-db", "-f", str(tmp_path / "haproxy.cfg")], port)
        client = await wss(port, certificate, request(X_Forwarded_For="192.0.2.7"))
        await talks(client)
        assert ("from", "127.0.0.2", "http") in noting.events
        await leaves(client)
        await noting.until("close")
    finally:
        await app.close()


@pytest_twisted.ensureDeferred
async def test_tls_of_our_own(certificate):
    from twisted.internet import reactor

    noting = Noting()
    app = App("localhost", reactor=reactor)
    app.route("/", noting)
    [port] = await app.listen(f"ssl:0:interface=127.0.0.1:privateKey={certificate}")
    client = await wss(port.getHost().port, certificate, request())
    await talks(client)
    assert ("from", "127.0.0.2", "https") in noting.events
    client.send(text("and"))
    await client.next()
    closing = app.close()
    await client.closing(1001)
    await closing


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02"], ids=["nothing", "half a hello"])
@pytest_twisted.ensureDeferred
async def test_who_does_not_finish_the_handshake_of_tls_is_dropped_in_time(certificate, sent):
    from twisted.internet import reactor

    limits = Limits(handshakeTimeout=0.01, closeTimeout=0.01)
    app = App("localhost", reactor=reactor, limits=limits)
    app.route("/", Noting())
    [port] = await app.listen(f"ssl:0:interface=127.0.0.1:privateKey={certificate}")
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
    client = await connectProtocol(endpoint, Client())
    client.send(sent)
    await client.gone()
    assert app.server.tally.exceeded["handshakeTimeout"] == 1
    await app.close()


@pytest_twisted.ensureDeferred
async def test_a_proxy_on_a_unix_socket(tmp_path):
    from twisted.internet import reactor

    noting = Noting()
    app = App("localhost", reactor=reactor, trustedProxies=["unix"])
    app.route("/", noting)
    path = tmp_path / "chat.sock"
    await app.listen(f"unix:{path}:mode=660")
    client = await connectProtocol(UNIXClientEndpoint(reactor, str(path)), Client())
    client.send(request(X_Forwarded_For="6.6.6.6, 192.0.2.7", X_Forwarded_Proto="https"))
    await talks(client)
    assert ("from", "192.0.2.7", "https") in noting.events
    closing = app.close()
    await client.closing(1001)
    await closing


@pytest.mark.skipif(sys.platform == "win32", reason="systemd is not there")
@pytest.mark.parametrize("names", ["LISTEN_FDNAMES=chat", ""], ids=["named", "unnamed"])
@pytest_twisted.ensureDeferred
async def test_a_socket_of_systemd(spawn, tmp_path, names):
    """The process gets a socket that listens already, as systemd hands it over.

    As ``systemd-socket-activate`` does, that is without a name.
    """
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(10)
        port = listening.getsockname()[1]
        # Who comes before the process does is served when it is there.
        early = socket.create_connection(("127.0.0.1", port))
        unit = (FILES / "chat-activated.service").read_text(encoding="utf-8")
        assert "--listen systemd:domain=INET:index=0" in unit
        process, remote = await spawn(
            "from ratchet_py.server import EchoServer as App\n",
            [
                *("-c", "from twisted.scripts.twistd import run; run()", "--nodaemon"),
                *("--pidfile=", "ratchet", "--app", "server.py:App"),
                *("--listen", "systemd:domain=INET:index=0"),
            ],
            r"serves http://127.0.0.1:(\d+)/",
            shell=f"export LISTEN_PID=$$ LISTEN_FDS=1 {names}",
            childFDs={0: "w", 1: "r", 2: "r", 3: listening.fileno()},
        )
    assert remote.port == port
    client = await remote.open()
    client.send(text("hello"))
    assert await client.next() == "hello"
    early.close()
    process.send("TERM")
    await client.closing(1001)
    await process.end()
    assert "Traceback" not in process.output


def test_the_files_of_the_documentation_are_all_shown():
    shown = Path(ROOT / "docs" / "howto" / "deploy.rst").read_text(encoding="utf-8")
    for path in FILES.iterdir():
        assert f"deploy_files/{path.name}" in shown
