"""The command: its options, what it can be given to serve, and how it says that it cannot.

``tests/integration/test_app.py`` has what it does with clients and signals.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock

from ratchet_py import App
from ratchet_py.broker import RedisBroker
from ratchet_py.http import HttpServer
from ratchet_py.server import IoServer
from ratchet_py.server.marking import marks
from ratchet_py.service import RatchetService
from ratchet_py.tap import Options, makeService
from ratchet_py.testing import connect, connectRaw

ROOT = Path(__file__).parent.parent
TWISTD = "from twisted.scripts.twistd import run; run()"
TWIST = "from twisted.application.twist._twist import Twist; Twist.main()"
COMMANDS = {
    "twistd": ["-c", TWISTD, "--nodaemon", "--pidfile=", "ratchet"],
    "twist": ["-c", TWIST, "ratchet"],
}

# A module with everything that --app may name.
MODULE = """
from twisted.web.static import Data
from ratchet_py import App, Component, MessageComponentInterface
from ratchet_py.broker import MemoryBroker
from ratchet_py.http import HttpServer
from ratchet_py.server import EchoServer, FlashPolicy, IoServer, IpBlackList
from ratchet_py.wamp import Component as WampComponent
from ratchet_py.websocket import WsServer


class Upper(MessageComponentInterface):
    def onOpen(self, conn): pass
    def onMessage(self, conn, msg): conn.send(msg.upper())
    def onClose(self, conn): pass
    def onError(self, conn, exc): pass


class Holder:
    upper = Upper()


upper = Upper()
layered = Component(Upper())
app = App("localhost")
app.route("/", Upper())
def makeApp(): return app
def makeUpper(): return Upper()
server = IoServer(Upper())
wholeStack = HttpServer(WsServer(Upper()))
guardedStack = IpBlackList(HttpServer(WsServer(Upper())))
carried = App("localhost", broker=MemoryBroker())
policy = FlashPolicy().addAllowedAccess("example.com")
resource = Data(b"page", "text/plain")
resource.isLeaf = True
wamp = WampComponent()
number = 42
def broken(): return 1 / 0
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a module ``things_NNN`` in it; its modules are forgotten after."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    (tmp_path / "things.py").write_text(MODULE, encoding="utf-8")
    yield tmp_path
    for name in set(sys.modules) - before:
        if name in ("things", "other", "broken_module"):
            del sys.modules[name]


def service(*args):
    options = Options()
    options.parseOptions(list(args))
    return makeService(options)


def refusal(*args):
    """The one line that a command line is refused with."""
    with pytest.raises(SystemExit) as caught:
        service(*args)
    message = caught.value.code
    assert isinstance(message, str)
    assert message.startswith("ratchet: ")
    assert "\n" not in message
    return message


# -- what --app may name ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["upper", "Upper", "Holder.upper", "layered", "makeUpper", "makeApp", "app"]
)
def test_an_app_may_be_many_things(name, folder):
    client = connect(service("--app", f"things:{name}").server)
    client.send("loud")
    assert client.received == ["LOUD"]


@pytest.mark.parametrize("name", ["wholeStack", "guardedStack"])
def test_a_whole_http_stack_is_put_on_sockets(name, folder):
    server = service("--app", f"things:{name}").server
    assert isinstance(server, IoServer)
    server.loop = Clock()
    client = connect(server)
    client.send("loud")
    assert client.received == ["LOUD"]


def test_a_server_is_served_as_it_is(folder):
    server = service("--app", "things:server").server
    server.loop = Clock()
    client = connectRaw(server)
    client.sendBytes(b"loud")
    assert client.data == b"LOUD"


def test_a_flash_policy_is_put_on_sockets(folder):
    server = service("--app", "things:policy").server
    server.loop = Clock()
    client = connectRaw(server)
    client.sendBytes(b"<policy-file-request/>\0")
    assert b"example.com" in client.data


def test_a_resource_is_a_page(folder):
    client = connect(service("--app", "things:resource").server, headers={"Upgrade": "none"})
    assert client.status == 200


def test_a_wamp_application_speaks_wamp(folder):
    client = connect(service("--app", "things:wamp").server)
    assert client.sessionId


@pytest.mark.parametrize("name", ["server.py", "./server.py", "{folder}/server.py", "server"])
def test_a_file_or_a_module_alone_serves_the_app_that_it_would_run(name, folder):
    (folder / "server.py").write_text(
        MODULE + "other = App()\nApp.run(app)\nran = True\n", encoding="utf-8"
    )
    try:
        server = service("--app", name.format(folder=folder)).server
        assert isinstance(server, App)
        client = connect(server)
        client.send("loud")
        assert client.received == ["LOUD"]
    finally:
        sys.modules.pop("server", None)


def test_a_file_that_runs_under_its_main_guard(folder):
    (folder / "guarded.py").write_text(
        MODULE + "if __name__ == '__main__':\n    app.run()\n", encoding="utf-8"
    )
    assert isinstance(service("--app", "guarded.py").server, App)


def test_a_file_with_one_app_needs_no_name(folder):
    (folder / "one.py").write_text(
        "from ratchet_py import App\nsame = app = App(port=1234)\n", encoding="utf-8"
    )
    assert service("--app", "one.py").server.port == 1234


def test_a_file_finds_its_neighbours(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "other.py").write_text("from ratchet_py import App\napp = App(port=99)\n")
    (folder / "sub" / "main.py").write_text("from other import app\n")
    assert service("--app", "sub/main.py").server.port == 99


BY_HAND = """
from ratchet_py.server import EchoServer, IoServer
other = IoServer.factory(EchoServer(), 8081, "127.0.0.1")
if __name__ == "__main__":
    server = IoServer.factory(EchoServer(), 8080)
    server.run()
"""


def test_a_stack_by_hand_is_served_where_the_options_say(folder, monkeypatch):
    """Not where the file itself would, which its other servers do."""
    reactor = MemoryReactorClock()
    monkeypatch.setattr("twisted.internet.reactor", reactor, raising=False)
    (folder / "by_hand.py").write_text(BY_HAND, encoding="utf-8")
    made = service("--app", "by_hand.py", "--listen", "tcp:8099")
    assert isinstance(made.server, IoServer)
    assert [each[0] for each in reactor.tcpServers] == [8081]
    assert made.endpoints == ["tcp:8099"]


def test_a_port_of_a_file_that_is_taken_is_one_line(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (folder / "taken.py").write_text(BY_HAND.replace("8081", str(port)), encoding="utf-8")
        assert refusal("--app", "taken.py").startswith(
            f"ratchet: taken.py: Couldn't listen on 127.0.0.1:{port}: "
        )


def test_after_an_import_run_serves_again(folder):
    refusal("--app", "things:broken")
    assert not marks(object())


# -- routes, hosts, origins ------------------------------------------------------------------------


def test_routes(folder):
    server = service("--route", "/a=things:Upper", "-r", "/b=things:upper").server
    for path in ("/a", "/b"):
        client = connect(server, path)
        client.send("loud")
        assert client.received == ["LOUD"]
    assert connect(server, "/c").status == 404


def test_the_host_may_be_any_unless_it_is_given(folder):
    page = {"Host": "elsewhere.example", "Origin": "http://elsewhere.example"}
    assert connect(service("-r", "/=things:Upper").server, headers=page).status == 101
    assert (
        connect(service("-r", "/=things:Upper", "--host", "here").server, headers=page).status
        == 404
    )


def test_the_origin_is_our_own_unless_others_are_given(folder):
    stranger = {"Origin": "http://stranger.example"}

    def status(*args):
        served = service("-r", "/=things:Upper", *args).server
        return connect(served, headers=stranger).status

    assert status() == 403
    assert status("--origin", "stranger.example") == 101
    assert status("--origin", "friend.example", "--origin", "stranger.example") == 101
    assert status("--origin", "friend.example") == 403
    assert status("--origin", "*") == 101


def test_without_anything_the_demo_is_served():
    server = service().server
    assert connect(server, "/echo").status == 101
    assert connect(server, "/pubsub").sessionId


# -- one line for what cannot be -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--nonsense"], "nonsense"),
        (["--app"], "app"),
        (["stray"], "arguments"),
        (["--route", "things:Upper"], "/path=package.module:Class"),
        (["--route", "chat=things:Upper"], "/path=package.module:Class"),
        (["--route", "/chat="], "/path=package.module:Class"),
        (["--app", "things:app", "--route", "/=things:Upper"], "exclude each other"),
        (["--drain-seconds", "-1"], "--drain-seconds -1.0"),
        (["--drain-seconds", "nan"], "--drain-seconds nan"),
        (["--drain-seconds", "soon"], "soon"),
        (["--app", "nowhere"], "No module named 'nowhere'"),
        (["--app", "nowhere.py"], "no such file"),
        (["--app", "nowhere.py:app"], "no such file"),
        (["--app", ""], "Empty module name"),
        (["--app", ":"], ":"),
        (["--app", "things:nothing"], "no nothing"),
        (["--app", "things:app.nothing"], "no attribute 'nothing'"),
        (["--app", "things"], "no App"),
        (["--app", "things:number"], "int"),
        (["--app", "things:broken"], "ZeroDivisionError: division by zero"),
        (["--app", "things:app", "--host", "localhost"], "an App says itself"),
        (["--app", "things:server", "--origin", "*"], "an App says itself"),
        (["--trusted-proxy", "localhost"], "'localhost' does not appear to be an IPv4 or IPv6"),
        (
            ["--app", "things:policy", "--trusted-proxy", "::1"],
            "there is no HTTP in what is served",
        ),
        (["--route", "/=things:number"], "int"),
        (["--broker", "http://localhost"], "redis://"),
        (["--workers", "0"], "--workers: at least 1"),
        (["--workers", "two"], "'two'"),
        (["--workers", "2"], "--workers 2: without a broker"),
        (["--workers", "2", "--broker", "redis://h", "-l", "systemd:index=0"], "workers share"),
        (["--workers", "2", "--broker", "redis://h", "--push", "stdio:"], "workers share"),
        (["--broker", "redis://h", "--app", "things:server"], "says itself"),
        (["--broker", "redis://h", "--app", "things:carried"], "says itself"),
    ],
)
def test_refused_in_one_line(args, words, folder):
    if args == ["--app", "things"]:
        (folder / "things.py").write_text("", encoding="utf-8")
    assert words in refusal(*args)


def test_workers_need_a_system_that_can_share_sockets(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("os.name", "nt")
        message = refusal("--workers", "2")
    assert "this system cannot" in message


def test_two_apps_are_one_too_many(folder):
    (folder / "two.py").write_text("from ratchet_py import App\na = App()\nb = App()\n")
    assert "2 Apps" in refusal("--app", "two.py")


@pytest.mark.parametrize("name", ["broken_module", "broken_module.py"])
def test_a_module_that_fails_is_told_with_its_line(name, folder):
    (folder / "broken_module.py").write_text("\n\nraise ValueError('one\\ntwo')\n")
    message = refusal("--app", name)
    assert "ValueError: one two" in message
    assert "broken_module.py, line 3" in message


# -- the service -----------------------------------------------------------------------------------


class Server:
    """Stands for what is served."""

    def __init__(self, listening):
        self.listening = listening
        self.asked = []
        self.loop = SimpleNamespace(
            stop=lambda: self.asked.append("stop"), callWhenRunning=lambda function: None
        )

    def prepare(self):
        pass

    def close(self):
        pass

    def abort(self):
        pass

    def listen(self, *endpoints):
        self.asked.append(endpoints)
        return self.listening


def test_the_service_listens_once():
    server = Server(Deferred())
    service = RatchetService(server, ["tcp:0"])
    service.privilegedStartService()
    service.startService()
    assert server.asked == [("tcp:0",)]
    assert service.running


def test_an_endpoint_that_fails_at_once_ends_the_start():
    with pytest.raises(SystemExit, match="ratchet: taken"):
        RatchetService(Server(fail(OSError("taken"))), ["tcp:0"]).startService()


def test_an_endpoint_that_fails_later_ends_the_process(loggedFailures):
    listening = Deferred()
    server = Server(listening)
    RatchetService(server, ["slow:0"]).startService()
    listening.errback(OSError("taken"))
    assert server.asked == [("slow:0",), "stop"]
    assert len(loggedFailures.flush(OSError)) == 1


@pytest.mark.parametrize("name", ["app", "upper", "wholeStack", "guardedStack"])
def test_the_proxies_that_it_trusts(folder, name):
    options = ["--trusted-proxy", "127.0.0.1", "--trusted-proxy", "10.0.0.0/8"]
    server = service("--app", f"things:{name}", *options).server
    thing = server.server.app if isinstance(server, App) else server.app
    while not isinstance(thing, HttpServer):
        thing = thing.component
    assert [thing.trustedProxies.trusts(ip) for ip in ("10.1.1.1", "127.0.0.1", "::1")] == [
        *(True, True),
        False,
    ]
    assert not HttpServer(None).trustedProxies


@pytest.mark.parametrize("name", ["app", "server"])
def test_how_long_it_waits_at_the_end(folder, name):
    def seconds(*options):
        server = service("--app", f"things:{name}", *options).server
        return (server.server if isinstance(server, App) else server).drainSeconds

    assert seconds() == 9
    assert seconds("--drain-seconds", "2.5") == 2.5


def test_where_it_listens_if_it_is_not_told(folder):
    assert service("--app", "things:app").endpoints == []  # the App knows
    assert service("--app", "things:server").endpoints == ["tcp:8080:interface=127.0.0.1"]
    assert service("-l", "tcp:1", "--listen", "tcp:2").endpoints == ["tcp:1", "tcp:2"]


# -- in processes of their own ---------------------------------------------------------------------


def run(folder, *args):
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--nonsense"], "nonsense"),
        (["--app", "nowhere.py"], "no such file"),
        (["--route", "nonsense"], "/path=package.module:Class"),
        (["--listen", "nonsense"], "nonsense"),
        (["--listen", "tcp:TAKEN:interface=127.0.0.1"], "TAKEN"),
        (["--listen", "tcp:0:interface=127.0.0.1", "-l", "tcp:TAKEN:interface=127.0.0.1"], "TAKEN"),
    ],
    ids=["option", "app", "route", "endpoint", "port", "second port"],
)
def test_a_start_that_fails_says_so_in_one_line(command, args, words, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run(tmp_path, *COMMANDS[command], *(arg.replace("TAKEN", port) for arg in args))
    assert done.returncode > 0
    [line] = [line for line in done.stderr.splitlines() if line.strip()]
    assert line.startswith("ratchet: ")
    assert words.replace("TAKEN", port) in line
    assert "Traceback" not in done.stdout


def test_a_daemon_that_cannot_start_says_so_too(tmp_path):
    """And does not wait for ever, nor leave its pid file."""
    done = run(tmp_path, "-c", TWISTD, "ratchet", "--listen", "tcp:nonsense")
    assert done.returncode > 0
    assert "nonsense" in done.stderr
    pidFile = tmp_path / "twistd.pid"
    # The command returns when the daemon has said why; its last act may still be to come.
    with suppress(FileNotFoundError, ProcessLookupError):
        select.select([os.pidfd_open(int(pidFile.read_text()))], [], [], 20)
    assert not pidFile.exists()


def test_python_says_a_taken_port_in_one_line_too(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        program = "from ratchet_py import App\nApp('localhost', {}, flashPolicyPort={}).run()\n"
        port = taken.getsockname()[1]
        for ports in ((port, None), (0, port)):
            done = run(tmp_path, "-c", program.format(*ports))
            assert done.returncode > 0
            [line] = done.stderr.splitlines()
            assert line.startswith("ratchet: ")
            assert str(port) in line


def test_python_says_an_endpoint_that_is_wrong_in_one_line_too(tmp_path):
    program = "from ratchet_py import App\nApp().run('ssl:0:privateKey=none.pem')\n"
    done = run(tmp_path, "-c", program)
    assert done.returncode > 0
    [line] = done.stderr.splitlines()
    assert line.startswith("ratchet: ")
    assert "none.pem" in line


def test_help_lists_the_options(tmp_path):
    done = run(tmp_path, *COMMANDS["twistd"], "--help")
    assert done.returncode == 0
    for option in ("--listen", "--app", "--route", "--host", "--origin"):
        assert option in done.stdout


def test_twistd_lists_it_without_importing_it(tmp_path):
    program = (
        "import sys\n"
        "from twisted.application.service import IServiceMaker\n"
        "from twisted.plugin import getPlugins\n"
        "[maker] = [m for m in getPlugins(IServiceMaker) if m.tapname == 'ratchet']\n"
        "import twisted.plugins.ratchet_plugin\n"
        "print(maker.description)\n"
        "print([name for name in sys.modules if name.startswith(('ratchet_py', 'autobahn'))])\n"
    )
    done = run(tmp_path, "-c", program)
    description, ours = done.stdout.splitlines()
    assert "WebSocket" in description
    assert ours == "[]"


@pytest.mark.parametrize(
    "args", [["--app", "things:app"], ["--app", "things:wamp"], ["--route", "/=things:wamp"], []]
)
@pytest_twisted.ensureDeferred
async def test_the_broker_that_it_names(folder, args):
    app = service("--broker", "unix:///nowhere/redis.sock?db=2", *args).server
    assert isinstance(app.broker, RedisBroker)
    assert app.broker.prefix == "ratchet2"
    # It has begun to connect.
    await app.broker.close()
    assert App().broker is None


def test_the_demo_is_on_both_kinds_of_localhost():
    assert service().ifPossible == ["tcp6:8080:interface=\\:\\:1"]
    assert service("--listen", "tcp:0").ifPossible == ()
    assert service("--route", "/echo=ratchet_py.server:EchoServer").ifPossible == ()


@pytest_twisted.ensureDeferred
async def test_what_cannot_be_listened_to_is_left_out_where_that_is_allowed():
    from twisted.internet import reactor

    app = App(None, port=0, reactor=reactor)
    serving = RatchetService(app, [], ifPossible=["tcp:0:interface=127.0.0.1", "tcp:nonsense"])
    serving.privilegedStartService()
    assert len(app.server.ports) == 2
    await serving.stopService()
