"""The code on the pages of the documentation: what is Python runs, what is a command exists.

Sessions at a prompt (``>>>``) are run as they are, by pytest itself. The tutorials' programs and
pages are tried by ``tests/examples`` and ``tests/browser``.
"""

from __future__ import annotations

import builtins
import configparser
import dis
import doctest
import importlib.util
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import types
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransportWithDisconnection
from twisted.python.failure import Failure
from twisted.web.server import Site

from ratchet_py import App
from ratchet_py.tap import Options
from ratchet_py.testing import connect

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

# What the documentation tells people to call and does not come with this project.
PROGRAMS = {
    "cp",
    "curl",
    "mkdir",
    "npm",
    "php",
    "python3",
    "redis-cli",
    "ssh",
    "systemctl",
    "telnet",
}

# What the reader has, and the tests have not.
SECRETS = {"APP_KEY": "base64:" + "A" * 43 + "=", "SECRET_KEY": "secret"}
DATABASES = ["MySQLdb", "psycopg2"]


class Block(NamedTuple):
    """Some code on a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page.relative_to(DOCS)}:{self.line}"


def blocks(page):
    """The code of a page: blocks with a language, and blocks after ``::``, which are Python."""
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        line = lines[number]
        indent = len(line) - len(line.lstrip())
        directive = re.match(r"\s*\.\. code-block:: (\S+)$", line)
        if directive is None and (not line.endswith("::") or line.lstrip().startswith(".. ")):
            number += 1
            continue
        start = number = number + 1
        while number < len(lines) and (
            not lines[number].strip() or lines[number].startswith(" " * (indent + 1))
        ):
            number += 1
        text = textwrap.dedent("\n".join(lines[start:number])).strip("\n") + "\n"
        yield Block(page, start, directive[1] if directive else "python", text)


PAGES = sorted(page for page in DOCS.rglob("*.rst") if "_build" not in page.parts)
BLOCKS = [block for page in PAGES for block in blocks(page)]


def commands(block):
    """What a block of shell tells to type, without prompts and without what is answered."""
    prompt = block.language == "console"
    for line in block.text.replace("\\\n", " ").splitlines():
        if not prompt or line.startswith("$ "):
            yield from re.split(r" && ", line.removeprefix("$ ").strip())


SHELL = [block for block in BLOCKS if block.language in ("shell", "console")]
COMMANDS = [(block, command) for block in SHELL for command in commands(block)]


def ofPages(language):
    """The pages that have code of a language."""
    return sorted({block.page for block in BLOCKS if block.language == language})


def test_every_block_says_what_it_is():
    known = {"console", "html", "javascript", "none", "php", "python", "shell", "text", "yaml"}

    assert [str(block) for block in BLOCKS if block.language not in known] == []


@pytest.fixture
def run(monkeypatch):
    """``run(page)`` runs the Python of a page, in one namespace with what it does at a prompt.

    Nothing is served or connected. It gives the namespace, and the global names that functions
    would look for when they are called.
    """
    with suppress(ImportError):
        import txredisapi  # noqa: F401 - it keeps the reactor that there is when it is imported
    monkeypatch.setattr("twisted.internet.reactor", MemoryReactorClock(), raising=False)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    for name in DATABASES:
        module = types.SimpleNamespace(__name__=name, paramstyle="pyformat")
        monkeypatch.setitem(sys.modules, name, module)

    def run(page):
        pieces = [(block.line, block.text) for block in blocks(page) if block.language == "python"]
        text = page.read_text(encoding="utf-8")
        prompts = doctest.DocTestParser().get_examples(text)
        pieces += [(each.lineno, each.source) for each in prompts if each.exc_msg is None]
        namespace = {"__name__": "page"}
        wanted = set()
        with App.marking():
            for line, source in sorted(pieces):
                code = compile("\n" * line + source, str(page), "exec")
                exec(code, namespace)
                wanted |= globalNames(code)
        return namespace, wanted

    return run


@pytest.mark.parametrize("page", ofPages("python"), ids=lambda page: page.stem)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, run):
    namespace, wanted = run(page)

    assert wanted - set(namespace) - set(dir(builtins)) == set()


# The functions and classes that the pages define, where running the page does not call them; those
# about sessions are called by tests/session/test_howto.py.


def test_how_to_wait(run):
    page, _ = run(DOCS / "howto" / "async.rst")
    client = connect(page["Slow"])
    call = client.call("sleep")
    assert client.results == {}
    client.advance(1)
    assert client.results == {call: {"slept": 1}}
    client = connect(page["Room"])
    assert client.errors[client.call("enter")] == [
        "http://example.com/error#full",
        "the room is full",
    ]
    assert len(page["Passwords"]().hash("a password", "salt")) == 128
    assert page["Ledger"].serial


def test_how_to_authenticate(run):
    page, _ = run(DOCS / "howto" / "authenticate.rst")
    app = App("localhost", reactor=Clock())
    app.route("/echo", page["EchoServer"](), authenticate=page["byCookie"])
    assert connect(app, "/echo", headers={"Cookie": "session=s3cr3t"}).status == 101
    assert connect(app, "/echo", headers={"Cookie": "session=other"}).status == 401
    assert connect(app, "/echo").status == 401


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [("/hello/Ann", b"200", b"Hello, Ann"), ("/echo", b"426", b"this is a WebSocket server")],
)
def test_how_to_serve_pages_of_klein(run, path, status, body):
    page, _ = run(DOCS / "howto" / "http.rst")
    root = Site(page["klein"].resource())
    transport = StringTransportWithDisconnection()
    protocol = root.buildProtocol(None)
    transport.protocol = protocol
    protocol.makeConnection(transport)
    protocol.dataReceived(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n".encode()
    )
    assert transport.value().startswith(b"HTTP/1.1 " + status)
    assert body in transport.value()
    protocol.connectionLost(Failure(ConnectionDone()))


def test_how_to_push(run, capsys):
    page, _ = run(DOCS / "howto" / "push.rst")
    headers = {"Host": "ws.example.com", "Origin": "http://ws.example.com"}
    client = connect(page["app"], "/pubsub", clock=Clock(), headers=headers)
    client.subscribe("news")
    page["arrived"]({"title": "Look!"})
    assert client.received == [("news", {"title": "Look!"})]

    class Answers:
        def __init__(self):
            self.pushed = []

        def push(self, topic, event):
            self.pushed.append((topic, event))
            if event["title"] != "fine":
                raise event["title"]

    page["client"] = answers = Answers()
    for title in ("fine", page["PushRefused"](403, "no"), page["PushFailed"]("lost", True)):
        page["announce"](types.SimpleNamespace(title=title))
    assert len(answers.pushed) == 3
    assert capsys.readouterr().out == "the server says no: 403 no\nnobody knows\n"


def test_how_to_hear_of_redis(run):
    page, _ = run(DOCS / "howto" / "scale.rst")
    page["app"] = app = App("localhost", reactor=Clock())
    app.route("/pubsub", page["Component"]())
    client = connect(app, "/pubsub")
    client.subscribe("status")
    page["onEngineLost"](RuntimeError("gone"))
    page["onEngineBack"]()
    assert [event for _, event in client.received] == [
        "you see only a part of the events",
        "you see everything again",
    ]


def test_how_to_test(run, ratchet):
    page, _ = run(DOCS / "howto" / "testing.rst")
    page["test_everybody_hears_it"](ratchet)


def test_the_game_of_the_porting_guide(run):
    page, _ = run(DOCS / "porting" / "idioms.rst")
    players = [connect(page["Game"])]
    players += [players[0].another() for _ in range(4)]
    for player in players:
        player.subscribe("room")
    assert [event for _, event in players[0].received] == [
        {"action": "join", "players": number} for number in (1, 2, 3, 4)
    ]
    assert players[4].received == []
    for player in players:
        player.close()
    assert players[0].server.connections == set()


def test_the_match_of_the_porting_guide(run):
    page, _ = run(DOCS / "porting" / "mistakes.rst")
    asked = []

    class Pool:
        def runOperation(self, *_):
            asked.append(Deferred())
            return asked[-1]

    match = page["Match"](Pool())
    one = connect(match)
    two, three = one.another(), one.another()
    one.send("play")
    three.send("play")
    # One match is made at a time, and who has left meanwhile is in none.
    assert len(asked) == 1
    two.close()
    asked.pop().callback(None)
    assert len(match.waiting) == 2
    asked.pop().callback(None)
    assert match.waiting == []


def globalNames(code):
    """The global names in a program, those in its functions included."""
    names = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    return names.union(*(globalNames(each) for each in code.co_consts if inspect.iscode(each)))


@pytest.mark.parametrize(
    ("block", "command"), COMMANDS, ids=[f"{block}-{command[:30]}" for block, command in COMMANDS]
)
def test_a_command_can_be_given(block, command):
    program, *arguments = shlex.split(command, comments=True)
    program = program.removeprefix(".venv/bin/")
    if program in ("python", "python3"):
        checkPython(arguments)
    elif program == "pip":
        checkPip(arguments)
    elif program == "tox":
        checkTox(arguments)
    elif program in ("twistd", "twist"):
        checkTwistd(arguments)
    elif "/" in program:
        assert os.access(ROOT / program, os.X_OK)
    else:
        assert program in PROGRAMS


def checkPython(arguments):
    if arguments[0] == "-m":
        assert importlib.util.find_spec(arguments[1]) is not None
    else:
        (script, *_) = arguments
        assert any(
            (ROOT / folder / script).exists() for folder in (".", "examples", "examples/push")
        )


def checkPip(arguments):
    assert arguments[0] == "install"
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for wanted in arguments[1:]:
        name, *extras = re.findall(r"[\w.]+", wanted)
        if name in ("django", "flask"):  # whose sites push, in a tutorial
            continue
        assert name in (".", "ratchet_py")
        assert set(extras) <= set(setup["options.extras_require"])


def checkTox(arguments):
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    assert arguments[0] == "-e"
    assert tox.has_section(f"testenv:{arguments[1]}")


def checkTwistd(arguments):
    *own, name = arguments[: arguments.index("ratchet") + 1]
    assert name == "ratchet"
    assert set(own) <= {"-n", "--reactor=asyncio"}
    options = Options()
    # What is to be served is the reader's own.
    options.opt_app = lambda place: None
    options.parseOptions(arguments[len(own) + 1 :])


def test_the_php_is_php(tmp_path):
    php = shutil.which("php")
    if php is None:
        pytest.skip("no php here")
    files = list((DOCS / "porting" / "auction").glob("*.php"))
    for number, block in enumerate(block for block in BLOCKS if block.language == "php"):
        file = tmp_path / f"{block.page.stem}_{number}.php"
        file.write_text(f"<?php\n{block.text.removeprefix('<?php')}", encoding="utf-8")
        files.append(file)

    for file in files:
        checked = subprocess.run([php, "-l", file], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout


def test_the_javascript_is_javascript():
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here")
    code = [block.text for block in BLOCKS if block.language == "javascript"]
    check = """
        const { readFileSync } = require("node:fs");
        const { Script } = require("node:vm");
        for (const code of JSON.parse(readFileSync(0))) new Script(`async () => {${code}}`);
    """

    checked = subprocess.run(
        [node, "-e", check], input=json.dumps(code), capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_every_page_can_be_reached():
    reached = set()
    waiting = [DOCS / "index.rst"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for tree in re.findall(
            r"^\.\. toctree::\n((?:   .*\n|\n)+)", page.read_text("utf-8"), re.M
        ):
            entries = [line.strip() for line in tree.splitlines()]
            waiting += [page.parent / f"{entry}.rst" for entry in entries if entry[:1].isalpha()]

    assert set(PAGES) - reached == set()
