"""The synchronous client, against servers that do what they are told to."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from ratchet_py.push import PushClient, PushError, PushFailed, PushRefused
from ratchet_py.push.signature import sign

ROOT = Path(__file__).parent.parent.parent

# Only what hangs takes so long.
PATIENCE = 60


def answer(status=202, body='{"nodes": 1, "confirmed": true}', *fields):
    """An answer as it is on the wire."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*lines, "", body]).encode()


class Server:
    """Answers one request after another as a script says, in a thread of its own.

    The script has for each request the bytes of the answer, and None for a connection that is
    closed without one; CLOSE behind an answer closes the connection. When the script is over, it
    takes no more connections.

    Attributes:
        requests: What was asked: the header fields and the body.
        connections: How many connections there were.
    """

    CLOSE = "close"

    def __init__(self, script, listener=None, wrap=lambda connection: connection):
        self.requests = []
        self.connections = 0
        self._script = list(script)
        self._wrap = wrap
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self._closed = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/publish"

    def end(self):
        """Wait until the script is over."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        assert not self._script

    def untilClosed(self):
        """Wait until it has closed a connection that the client has not."""
        assert self._closed.acquire(timeout=PATIENCE)

    def _serve(self):
        with self._listener:
            while self._script:
                with self._listener.accept()[0] as bare:
                    self.connections += 1
                    bare.settimeout(PATIENCE)
                    with self._wrap(bare) as connection, connection.makefile("rb") as file:
                        while self._script and self._exchange(connection, file):
                            pass
                self._closed.release()

    def _exchange(self, connection, file):
        line = file.readline()
        if not line:
            return False
        fields = {}
        while (field := file.readline().strip()) != b"":
            name, _, value = field.decode().partition(": ")
            fields[name.lower()] = value
        body = file.read(int(fields["content-length"]))
        self.requests.append((fields | {"line": line.decode().strip()}, body))
        step = self._script.pop(0)
        if step is None:
            return False
        connection.sendall(step)
        if self._script[:1] == [self.CLOSE]:
            del self._script[0]
            return False
        return True


@pytest.fixture
def serve():
    servers = []

    def start(*script, **options):
        servers.append(Server(script, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


@pytest.fixture
def pauses(monkeypatch):
    """How long the client would have waited between two attempts."""
    slept = []
    monkeypatch.setattr("ratchet_py.push.client.time.sleep", slept.append)
    return slept


def test_what_is_sent(serve):
    server = serve(answer(body='{"nodes": 2, "confirmed": false}'))
    with PushClient(server.url + "?a=b", token="token") as client:
        pushed = client.push("news", {"é": None}, exclude=("x",), eligible=["y"], path="/p")
    assert pushed == (2, False)
    assert (pushed.nodes, pushed.confirmed) == (2, False)
    ((fields, body),) = server.requests
    assert fields["line"] == "POST /publish?a=b HTTP/1.1"
    assert fields["content-type"] == "application/json"
    assert fields["authorization"] == "Bearer token"
    assert json.loads(body) == {
        "topic": "news",
        "event": {"é": None},
        "exclude": ["x"],
        "eligible": ["y"],
        "path": "/p",
    }


def test_many_in_one(serve):
    server = serve(answer(body='{"nodes": [2, 0], "confirmed": true}'), answer())
    events = [{"topic": "a", "event": 1}, {"topic": "b", "event": 2, "exclude": ["x"]}]
    with PushClient(server.url, token="token") as client:
        assert client.pushAll(iter(events)).nodes == [2, 0]
        client.push("news", None)
    bodies = [json.loads(body) for _, body in server.requests]
    assert bodies == [events, {"topic": "news", "event": None}]
    assert server.connections == 1


def test_signatures_are_never_the_same(serve, monkeypatch):
    monkeypatch.setattr("ratchet_py.push.client.time.time_ns", lambda: 1_700_000_000_000_000_000)
    server = serve(answer(), answer())
    with PushClient(server.url, secret="secret") as client:
        for _ in range(2):
            client.push("news", 1)
    times = [fields["ratchet-timestamp"] for fields, _ in server.requests]
    assert times == ["1700000000.000000000", "1700000000.000000001"]
    for fields, body in server.requests:
        assert fields["ratchet-signature"] == sign("secret", fields["ratchet-timestamp"], body)
        assert "authorization" not in fields


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 415, 500])
def test_a_refusal_says_why_and_is_final(serve, status):
    server = serve(answer(status, "the reason\n"), answer())
    with PushClient(server.url, token="token") as client:
        with pytest.raises(PushRefused, match=f"^{status}: the reason$") as refused:
            client.push("news", 1)
        assert (refused.value.status, refused.value.reason) == (status, "the reason")
        assert not refused.value.mayHaveArrived
        client.push("news", 1)
    assert len(server.requests) == 2


def test_an_answer_without_words(serve):
    server = serve(answer(404, ""))
    client = PushClient(server.url, token="token")
    with pytest.raises(PushRefused, match="404: Whatever"):
        client.push("news", 1)
    client.close()


def test_a_server_that_has_no_room_is_asked_again(serve, pauses):
    server = serve(*[answer(503, "busy")] * 2, answer())
    with PushClient(server.url, token="token") as client:
        assert client.push("news", 1).nodes == 1
    assert [body for _, body in server.requests] == [server.requests[0][1]] * 3
    assert len(pauses) == 2
    assert 0.05 <= pauses[0] <= 0.1 <= pauses[1] <= 0.2


def test_it_is_asked_again_on_another_connection_if_it_has_closed_the_first(serve, monkeypatch):
    server = serve(answer(503, "busy"), Server.CLOSE, answer())
    monkeypatch.setattr("ratchet_py.push.client.time.sleep", lambda pause: server.untilClosed())
    with PushClient(server.url, token="token") as client:
        assert client.push("news", 1).nodes == 1
    assert server.connections == 2


def test_but_not_for_ever(serve, pauses):
    server = serve(*[answer(503, "busy")] * 3)
    client = PushClient(server.url, token="token", attempts=3)
    with pytest.raises(PushFailed, match="503: busy") as failed:
        client.push("news", 1)
    client.close()
    assert not failed.value.mayHaveArrived
    assert len(pauses) == 2


def test_a_server_that_is_not_there(freePort, pauses):
    client = PushClient(f"http://127.0.0.1:{freePort}/publish", token="token")
    with pytest.raises(PushFailed, match="no connection: ") as failed:
        client.push("news", 1)
    assert not failed.value.mayHaveArrived
    assert isinstance(failed.value, PushError)
    assert len(pauses) == 2


@pytest.mark.parametrize(
    "step",
    [
        None,
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{",
        b"nonsense\r\n\r\n",
        answer(502, "who knows"),
        answer(504, "who knows"),
        answer(202, "not ours"),
        answer(202, "[]"),
        answer(202, "{}"),
    ],
)
def test_what_may_have_arrived_is_not_tried_again(serve, pauses, step):
    script = [step] if step is None else [step, Server.CLOSE]
    server = serve(*script, answer())
    with PushClient(server.url, token="token") as client:
        with pytest.raises(PushFailed) as failed:
            client.push("news", 1)
        assert failed.value.mayHaveArrived
        assert pauses == []
        server.untilClosed()
        client.push("news", 2)
    assert [json.loads(body)["event"] for _, body in server.requests] == [1, 2]


def test_a_server_that_does_not_answer_in_time():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/publish"
        client = PushClient(url, token="token", timeout=0.05)
        with pytest.raises(PushFailed, match="timed out") as failed:
            client.push("news", 1)
    assert failed.value.mayHaveArrived


def test_a_connection_that_the_server_has_closed_is_not_used(serve):
    server = serve(answer(), Server.CLOSE, answer())
    with PushClient(server.url, token="token") as client:
        client.push("news", 1)
        server.untilClosed()
        client.push("news", 2)
    assert server.connections == 2


def test_nor_one_that_it_is_about_to_close(serve, monkeypatch):
    server = serve(answer(), answer())
    now = [1000.0]
    monkeypatch.setattr("ratchet_py.push.client.time.monotonic", lambda: now[0])
    with PushClient(server.url, token="token") as client:
        client.push("news", 1)
        now[0] += 6
        client.push("news", 2)
    assert server.connections == 2


def test_nor_one_that_it_has_said_it_will_close(serve):
    server = serve(answer(202, '{"nodes": 1, "confirmed": true}', "Connection: close"), answer())
    with PushClient(server.url, token="token") as client:
        client.push("news", 1)
        client.push("news", 2)
    assert server.connections == 2


def test_who_refuses_before_it_has_read_is_heard():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse():
            with listener.accept()[0] as connection:
                connection.recv(100)
                connection.sendall(answer(413, "too much", "Connection: close"))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

        with ThreadPoolExecutor(1) as pool:
            refused = pool.submit(refuse)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/publish"
            client = PushClient(url, token="token")
            with pytest.raises(PushRefused, match="413: too much"):
                client.push("news", "x" * 10_000_000)
            refused.result(20)


def test_threads_take_turns(serve):
    server = serve(*[answer()] * 40)
    with PushClient(server.url, token="token") as client, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: client.push("news", number), range(40)))
    assert sorted(json.loads(body)["event"] for _, body in server.requests) == list(range(40))
    assert server.connections == 1


def test_over_a_unix_socket(serve, tmp_path):
    path = str(tmp_path / "push.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    server = serve(answer(), listener=listener)
    with PushClient(f"http+unix://{quote(path, safe='')}/publish", token="token") as client:
        client.push("news", 1)
    assert server.requests[0][0]["host"] == "localhost"


def test_over_tls(serve, certificate):
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)
    server = serve(answer(), answer(), wrap=lambda bare: theirs.wrap_socket(bare, server_side=True))
    url = server.url.replace("http://", "https://")
    ours = ssl.create_default_context(cafile=certificate)
    # It has no names for Python to check.
    ours.check_hostname = False
    with PushClient(url, token="token", context=ours) as client:
        for _ in range(2):
            client.push("news", 1)
    assert server.connections == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_what_is_forked_off_makes_a_connection_of_its_own(serve):
    server = serve(answer(), Server.CLOSE, answer())
    program = f"""
import os
from ratchet_py.push import PushClient

client = PushClient({server.url!r}, token="token")
client.push("news", "parent")
client._lock.acquire()
child = os.fork()
if not child:
    client.push("news", "child")
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.stdout == "0\n", done.stderr
    assert [json.loads(body)["event"] for _, body in server.requests] == ["parent", "child"]


@pytest.mark.parametrize(
    "url",
    ["", "/publish", "ftp://host/publish", "http:///publish", "http://host:port/", "http://a b/"],
)
def test_a_url_that_is_none(url):
    with pytest.raises(ValueError, match="URL"):
        PushClient(url, token="token")


@pytest.mark.parametrize("options", [{}, {"token": ""}, {"token": "a", "secret": "b"}])
def test_one_of_token_and_secret(options):
    with pytest.raises(ValueError, match="either a token or a secret"):
        PushClient("http://localhost/publish", **options)


@pytest.mark.parametrize("event", [float("nan"), b"bytes", object()])
def test_what_has_no_form_is_not_sent(event):
    client = PushClient("http://localhost:1/publish", token="token")
    with pytest.raises((TypeError, ValueError)):
        client.push("news", event)


def test_it_needs_no_twisted():
    program = """
import sys
from ratchet_py.push import AsyncPushClient, PushClient, PushFailed, PushRefused
AsyncPushClient("http://localhost/publish", token="token")
outside = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
print(sorted(name for name in outside if not name.startswith("_")))
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "['ratchet_py']\n"
