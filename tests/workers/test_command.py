"""What several processes do together: with clients, with signals, and when one of them dies."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
from collections import Counter

import pytest
import pytest_twisted
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
    wrapClientTLS,
)
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import deferLater

from tests.admin.conftest import Operator
from tests.admin.test_admin import live
from tests.integration.conftest import Remote
from tests.integration.test_reactors import UVLOOP
from tests.integration.wire import CLOSE, TEXT, Client, close, request, text
from tests.test_tap import run
from tests.workers.conftest import LOOPBACK, PROGRAM, TWIST, TWISTD


async def turn():
    from twisted.internet import reactor

    await deferLater(reactor, 0)


async def ends(*pids):
    """Wait until processes are gone."""
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        while not select.select([fd], [], [], 0)[0]:
            await turn()
        os.close(fd)


async def shown(page, connections):
    """What the page is told when all workers have said what they have, and are well."""
    while True:
        kind, _, now = await page.heard()
        if kind == 8 and (now["connections"], now["health"]) == (connections, "ok"):
            assert now["isWell"]
            return now


async def history(page):
    """The answer to a call; meanwhile the page goes on to be told each second."""
    page.say(2, "1", "history")
    while (answer := await page.heard())[0] == 8:
        pass
    assert answer[:2] == [3, "1"]
    return answer[2]


@pytest_twisted.ensureDeferred
async def test_they_share_clients_and_topics(cluster, redisServer):
    served = await cluster("--admin", LOOPBACK, "--admin-token", "mine")
    clients = await served.openOnBoth(20)
    pids = {pid for _, pid in clients}
    assert len(pids) == 2

    subscribers = await served.subscribeOnBoth("rain", 4)
    while (told := redisServer.ask("PUBLISH", "ratchet:/news:rain", '{"event":"?"}')) != b":2\r\n":
        assert told in (b":0\r\n", b":1\r\n")
        await turn()
    subscribers[0].say(7, "rain", "now")
    for one in subscribers:
        while (event := (await one.heard())[2]) == "?":
            pass
        assert event == "now"
    # To the workers Redis speaks when it likes; what it says at last, comes last.
    assert redisServer.ask("PUBLISH", "ratchet:/news:rain", '{"event":"end"}') == b":2\r\n"
    for one in subscribers:
        while (event := (await one.heard())[2]) == "?":
            pass
        assert event == "end"

    everybody = len(clients) + len(subscribers)
    await served.counts("ratchet_open_connections", everybody)
    await served.counts('ratchet_sent_messages_total{path="/worker"}', len(clients))
    await served.counts('ratchet_wamp_subscriptions{path="/news"}', len(subscribers))
    await served.counts("ratchet_workers", 2)
    page = await live(served.operator)
    page.say(5, "now")
    now = await shown(page, everybody)
    assert now["topics"] == [{"id": "rain", "path": "/news", "subscribers": len(subscribers)}]
    assert [(route["path"], route["connections"]) for route in now["routes"]] == [
        ("/worker", len(clients)),
        ("/news", len(subscribers)),
    ]
    while not await history(page):
        pass

    allowed = {"Authorization": "Bearer mine", "Content_Length": "0"}
    assert (await served.operator.ask("/drain", "POST", **allowed)).status == 200
    assert await served.health() == (503, "draining")
    assert (await served.operator.ask("/resume", "POST", **allowed)).status == 200
    await served.healthy()

    clients[0][0].send(text("print"))
    await served.process.said(r"\[stdout#info\] worker \d: printed")
    served.process.send("TERM")
    for client in [*(client for client, _ in clients), *subscribers]:
        assert await client.closing(1001)
    await page.gone()
    assert await served.process.end() == -signal.SIGTERM
    await ends(*pids)
    assert "Traceback" not in served.process.output


@pytest_twisted.ensureDeferred
async def test_pushes_keep_their_order_and_count_once(cluster):
    served = await cluster("--push", LOOPBACK, "--admin", LOOPBACK)
    push = await served.process.said(r"to /publish at http://127.0.0.1:(\d+)/, with the token (.*)")
    admin = await served.process.said(r"figures are at http://127.0.0.1:(\d+)/; .* token (\S+)")
    assert len(re.findall("Pushes go to", served.process.output)) == 1
    subscribers = await served.subscribeOnBoth("rain", 4)
    # Until Redis knows of both it is asked again: nobody says when.
    while (reached := json.loads((await pushed(push, "?")).body)["nodes"]) != 2:
        assert reached in (0, 1)
    for number in range(20):
        answer = await pushed(admin if number % 2 else push, number)
        assert (answer.status, answer.headers["content-type"]) == (202, "application/json")
    for one in subscribers:
        heard = []
        while heard[-1:] != [19]:
            heard.append((await one.heard())[2])
        assert [event for event in heard if event != "?"] == list(range(20))
    for port, other in ((push[1], admin[2]), (admin[1], push[2])):
        assert (await pushed((None, port, other), 0)).status == 401
    # When the one that takes them dies, another one does.
    pids = {pid for _, pid in await served.openOnBoth(2)}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        while (answer := await pushed(admin, "x")).status != 202:
            assert answer.status == 503
        assert (await pushed(push, "x")).status == 202
    await served.counts('ratchet_pushes_total{status="202"}')
    await served.end()


async def pushed(where, event):
    body = json.dumps({"topic": "rain", "event": event}).encode()
    head = f"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    head += f"Content-Type: application/json\r\nAuthorization: Bearer {where[2]}\r\n"
    client = await Operator(int(where[1])).client(
        head.encode() + b"Connection: close\r\n\r\n" + body
    )
    try:
        return await client.response()
    finally:
        client.reset()


@pytest_twisted.ensureDeferred
async def test_one_that_is_killed_takes_nobody_else_along(cluster, tmp_path, monkeypatch):
    # Where the figures are while it runs.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    served = await cluster("--admin", LOOPBACK)
    clients = [await served.open() for _ in range(10)]
    await served.healthy()
    for client, _ in clients:
        client.send(text("load"))
    await served.counts("ratchet_connections_total", 10)
    victim = clients[0][1]
    os.kill(victim, signal.SIGKILL)
    for client, pid in clients:
        if pid == victim:
            await client.gone()
    await served.process.said("has ended by SIGKILL")
    # Nobody is turned away meanwhile, and what has been counted is not forgotten.
    newcomers = [await served.open() for _ in range(10)]
    assert victim not in {pid for _, pid in newcomers}
    await served.counts("ratchet_connections_total", 20)
    await served.healthy()
    await served.counts("ratchet_worker_restarts_total", 1)
    # The new one catches up.
    while len(pids := {pid for client, pid in [*clients, *newcomers] if client.lost is None}) < 2:
        newcomers.append(await served.open())
    for client, pid in clients:
        if pid != victim:
            assert (await client.frame()).opcode == TEXT
    said = re.findall(r"worker \d has ended .*", served.process.output)
    assert len(said) == 1
    assert re.fullmatch(r"worker \d has ended by SIGKILL; another one starts in 0\.\d s", said[0])
    [folder] = tmp_path.glob("ratchet-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    await served.end()
    await ends(*pids)
    assert not folder.exists()


@pytest_twisted.ensureDeferred
async def test_who_got_its_close_frame_got_everything_before_it(cluster):
    served = await cluster()
    clients = [await served.open() for _ in range(40)]
    for client, _ in clients:
        client.send(text("load"))
    for client, _ in clients[:10]:
        await client.next()
        client.transport.pauseProducing()
    served.process.send("TERM")
    await turn()
    got = Counter()
    for number, (client, pid) in enumerate(clients):
        client.transport.resumeProducing()
        count = 1 if number < 10 else 0
        while (received := await client.frame()).opcode == TEXT:
            assert received.payload.startswith(f"{count} ".encode())
            count += 1
        assert (received.opcode, received.payload[:2]) == (CLOSE, (1001).to_bytes(2, "big"))
        client.send(close(1001))
        await client.gone()
        got[pid, count] += 1
    assert await served.process.end() == -signal.SIGTERM
    sent = Counter(
        (int(pid), int(count))
        for pid, count in re.findall(r"sent (\d+) (\d+)", served.process.output)
    )
    assert got == sent


@pytest_twisted.ensureDeferred
async def test_a_second_signal_cuts_the_wait_short(cluster):
    served = await cluster("--drain-seconds", "3600")
    clients = [await served.open() for _ in range(4)]
    served.process.send("TERM")
    for client, _ in clients:
        assert (await client.frame()).opcode == CLOSE
    with pytest.raises(Exception, match="refused"):
        await served.remote.client()
    served.process.send("INT")
    for client, _ in clients:
        await client.gone()
    assert await served.process.end() == -signal.SIGTERM


@pytest_twisted.ensureDeferred
async def test_without_their_parent_they_tell_everybody_goodbye_and_end(cluster):
    served = await cluster()
    clients = [await served.open() for _ in range(4)]
    clients[0][0].send(text("load"))
    await clients[0][0].next()
    served.process.send("KILL")
    for client, _ in clients:
        while (received := await client.frame()).opcode != CLOSE:
            pass
        assert received.payload[:2] == (1001).to_bytes(2, "big")
        client.send(close(1001))
        await client.gone()
    await ends(*(pid for _, pid in clients))


@pytest_twisted.ensureDeferred
async def test_one_that_is_stuck_is_seen_and_in_the_end_killed(cluster):
    served = await cluster("--admin", LOOPBACK, "--drain-seconds", "0")
    clients = await served.openOnBoth(2)
    await served.healthy()
    await served.counts("ratchet_open_connections", len(clients))
    stuck, pid = clients[0]
    stuck.send(text("stuck"))
    while not re.search(r"worker \d has said nothing for \d+\.\d s", (await served.health())[1]):
        pass
    # It is not waited for: what it has said last counts, and the other one takes the clients.
    await served.counts("ratchet_open_connections", len(clients))
    others = {(await served.open())[1] for _ in range(6)}
    assert others == {other for _, other in clients} - {pid}
    await served.end()
    assert "does not end: it is killed" in served.process.output
    await ends(pid)


@pytest_twisted.ensureDeferred
async def test_a_unix_socket_and_tls(cluster, certificate, tmp_path):
    from twisted.internet import reactor

    path = tmp_path / "ratchet.sock"
    served = await cluster(
        *("--listen", f"unix:{path}:mode=600"),
        *("--listen", f"ssl:0:privateKey={certificate}:interface=127.0.0.1"),
    )
    assert path.stat().st_mode & 0o777 == 0o600
    tcp, tls = re.findall(r"serves http://127.0.0.1:(\d+)/", served.process.output)
    endpoints = [
        UNIXClientEndpoint(reactor, str(path)),
        wrapClientTLS(
            CertificateOptions(verify=False), TCP4ClientEndpoint(reactor, "127.0.0.1", int(tls))
        ),
    ]
    for endpoint in endpoints:
        pids = set()
        while len(pids) < 2:
            client = await connectProtocol(endpoint, Client())
            served.remote._clients.append(client)
            client.send(request("GET /worker HTTP/1.1"))
            assert (await client.response()).status == 101
            pids.add(int(await client.next()))
    await served.leave()
    # One that ends leaves the socket to the others.
    os.kill(pids.pop(), signal.SIGTERM)
    await served.process.said("has ended with status 0")
    assert path.is_socket()
    served.remote.port = int(tcp)
    assert (await served.open())[1] in pids
    await served.end()
    assert not path.exists()


@pytest.mark.parametrize("way", ["twist", "asyncio", "uvloop", "select"])
@pytest_twisted.ensureDeferred
async def test_other_ways_to_start_them(cluster, way):
    if way == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed")
    served = await cluster(
        command={
            "twist": TWIST,
            "asyncio": [*TWISTD, "--reactor=asyncio"],
            "uvloop": [*UVLOOP, *TWISTD[2:]],
            "select": [*TWISTD, "--reactor=select"],
        }[way]
    )
    reactor = {"select": "SelectReactor", "twist": "Reactor"}.get(way, "AsyncioSelectorReactor")
    assert re.search(rf"worker 2: \w*{reactor}, \d+ descriptors", served.process.output)
    client, _ = await served.open()
    if way in ("asyncio", "uvloop"):
        client.send(text("loop"))
        assert (await client.next()).startswith(way)
    served.process.send("TERM")
    assert await client.closing(1001)
    assert await served.process.end() == -signal.SIGTERM
    assert "Traceback" not in served.process.output


@pytest_twisted.ensureDeferred
async def test_a_daemon_has_the_parent_in_its_pid_file(redisServer, freePort, tmp_path):
    (tmp_path / "server.py").write_text(PROGRAM, encoding="utf-8")
    done = run(
        tmp_path,
        *(*TWISTD[:2], "ratchet", "--app", "server.py", "--broker", redisServer.url),
        *("--workers", "2", "--listen", f"tcp:{freePort}:interface=127.0.0.1"),
    )
    parent = int((tmp_path / "twistd.pid").read_text())
    try:
        assert (done.returncode, done.stderr) == (0, "")
        client = await Remote(freePort).open("/worker")
        worker = int(await client.next())
        while "2 workers serve" not in (tmp_path / "twistd.log").read_text():
            await turn()
    finally:
        os.kill(parent, signal.SIGTERM)
    assert await client.closing(1001)
    await ends(worker, parent)
    assert not (tmp_path / "twistd.pid").exists()
    assert "Traceback" not in (tmp_path / "twistd.log").read_text()


@pytest.mark.parametrize("command", [TWISTD, TWIST], ids=["twistd", "twist"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--broker", "redis://x", "--app", "nowhere.py"], "nowhere.py: no such file"),
        (["--app", "server.py"], "--workers 2: without a broker"),
        (["--broker", "redis://x", "-l", "haproxy:tcp:0"], "workers share tcp:, tcp6:, unix: and"),
        (["--broker", "redis://x", "-l", "tcp:TAKEN:interface=127.0.0.1"], "TAKEN"),
    ],
    ids=["app", "broker", "endpoint", "port"],
)
def test_a_start_that_fails_says_so_in_one_line(command, options, words, tmp_path):
    (tmp_path / "server.py").write_text(PROGRAM, encoding="utf-8")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        options = [option.replace("TAKEN", port) for option in options]
        done = run(tmp_path, *command, "ratchet", "--workers", "2", *options)
    assert done.returncode > 0
    [line] = [line for line in done.stderr.splitlines() if line.strip()]
    assert line.startswith("ratchet: ")
    assert words.replace("TAKEN", port) in line
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import os; os._exit(4)", "cannot be found out: status 4"),
        ("import os, sys; sys.stderr.write('no licence\\xff'); os._exit(4)", "no licence"),
        ("raise SystemExit('not today')", "not today"),
        ("print('{}')", "there is no App in it"),
    ],
)
def test_an_application_that_ends_before_it_begins(program, words, tmp_path):
    (tmp_path / "server.py").write_text(program, encoding="utf-8")
    options = ["--app", "server.py", "--workers", "2", "--broker", "redis://x"]
    done = run(tmp_path, *TWISTD, "ratchet", *options)
    assert done.returncode > 0
    [line] = done.stderr.strip().splitlines()
    assert line.startswith("ratchet: ")
    assert words in line


@pytest_twisted.ensureDeferred
async def test_where_it_is_started_is_where_its_files_are(cluster, tmp_path):
    """Also if it runs elsewhere; and a thread of the application's holds up nothing."""
    (tmp_path / "elsewhere").mkdir()
    program = (
        "import threading\n"
        "if '--plan' in __import__('sys').argv:\n"
        "    threading.Thread(target=threading.Event().wait).start()\n"
    )
    served = await cluster(command=[*TWISTD, "--rundir=elsewhere"], program=program + PROGRAM)
    client, _ = await served.open()
    client.send(text("where"))
    assert await client.next() == str(tmp_path / "elsewhere")
    await served.end()


def test_when_none_of_them_can_serve_that_is_the_end(tmp_path, redisServer):
    (tmp_path / "server.py").write_text(
        "import sys\nif '--plan' not in sys.argv: raise ValueError('not here')\n" + PROGRAM,
        encoding="utf-8",
    )
    done = run(
        tmp_path,
        *(*TWISTD, "ratchet", "--app", "server.py", "--broker", redisServer.url),
        *("--workers", "2", "--listen", LOOPBACK),
    )
    assert done.returncode == 1
    [line] = re.findall("no worker can serve: .*", done.stdout)
    assert "server.py: ValueError: not here" in line
    assert "Traceback" not in done.stdout + done.stderr
