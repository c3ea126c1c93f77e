"""Who is measured: ours, the servers that PyPI and npm give, and the floors."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent

OURS = "ratchet_py"
REFERENCE = "autobahn"
CROSSBAR = "crossbar"

# Where npm may have put `ws`.
_NODE_PATH = os.pathsep.join(
    str(folder / "node_modules") for folder in (HERE, ROOT / "tests" / "js")
)


@dataclass(frozen=True)
class Peer:
    """One way to serve the applications of the benchmark.

    Attributes:
        name: Short; also the key in the results.
        title: What it is, for the tables.
        file: Its program, in ``benchmarks/servers``.
        apps: The applications that it has: the word for our ``echo`` and ``chat``, and its own.
        needs: The distributions from PyPI, or ``npm ws``, or ``crossbar``, without which it is
            skipped.
        arguments: What its program takes after the application.
        environment: What is added to the environment of its process.
        canned: It answers by length, with a fixed content; only floors may.
        floor: It is no server, but what a server cannot be faster than.
    """

    name: str
    title: str
    file: str
    apps: Mapping[str, str] = field(default_factory=lambda: {"echo": "echo", "chat": "chat"})
    needs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    canned: bool = False
    floor: bool = False

    def command(self, app: str) -> list[str]:
        """What starts it."""
        program = str(HERE / "servers" / self.file)
        interpreter = "node" if self.file.endswith(".cjs") else sys.executable
        return [interpreter, program, self.apps.get(app, app), *self.arguments]

    def missing(self) -> str | None:
        """Why it cannot be measured here."""
        if self.file.startswith("epoll") and not hasattr(select, "epoll"):
            return "this system has no epoll"
        for need in self.needs:
            if need == "npm ws":
                if shutil.which("node") is None:
                    return "node is not installed"
                if _wsVersion() is None:
                    return "ws is not installed: npm ci --prefix benchmarks"
            elif need == CROSSBAR:
                if _crossbar() is None:
                    return "there is no command crossbar: see docs/performance"
            elif version(need) is None:
                return f"{need} is not installed: pip install '.[bench]'"
        return None

    def versions(self) -> str:
        """What was measured."""
        return ", ".join(map(_named, self.needs))


def _named(need: str) -> str:
    if need == "npm ws":
        return f"ws {_wsVersion()}"
    if need == CROSSBAR:
        return f"crossbar {_crossbarVersion()}"
    found = f"{need} {version(need)}"
    if need == "autobahn" and importlib.util.find_spec("autobahn.nvx"):
        found += " with NVX"
    return found


def version(distribution: str) -> str | None:
    """Of a distribution from PyPI; None if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _wsVersion() -> str | None:
    program = "console.log(require('ws/package.json').version)"
    done = subprocess.run(
        ["node", "-e", program],
        capture_output=True,
        text=True,
        env={**os.environ, "NODE_PATH": _NODE_PATH},
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _crossbar() -> str | None:
    """The command: Crossbar wants an environment of its own, it pins what others need newer."""
    return shutil.which(os.environ.get("CROSSBAR") or "crossbar")


def _crossbarVersion() -> str:
    command = _crossbar()
    assert command is not None
    done = subprocess.run([command, "version"], capture_output=True, text=True, check=False)
    found = re.search(r"Crossbar\.io\W+:\W+(\d[\w.]*)", done.stdout + done.stderr)
    return found[1] if found else "of an unknown version"


def ours(name: str = OURS, title: str = "ratchet_py", source: Path = ROOT) -> Peer:
    """This project, as it stands in a folder.

    Args:
        name: What it is to be called.
        title: The same, for tables.
        source: A checkout, of any revision.
    """
    return Peer(
        name,
        title,
        "ratchet_server.py",
        {
            **{app: app for app in ("echo", "chat", "echo+8", "wamp", "soak")},
            "wamp2": "wamp",
        },
        needs=("twisted",),
        environment={"PYTHONPATH": str(source)},
    )


PEERS = [
    ours(),
    Peer(
        REFERENCE,
        "autobahn-python, Twisted",
        "autobahn_server.py",
        needs=("autobahn", "twisted"),
    ),
    Peer(
        "autobahn-prepared",
        "autobahn-python, prepared messages",
        "autobahn_server.py",
        {"chat": "prepared"},
        needs=("autobahn", "twisted"),
    ),
    Peer(
        "websockets",
        "websockets (uvloop)",
        "websockets_server.py",
        needs=("websockets", "uvloop"),
    ),
    Peer("aiohttp", "aiohttp (C, uvloop)", "aiohttp_server.py", needs=("aiohttp", "uvloop")),
    Peer(
        "ws", "ws (Node)", "ws_server.cjs", needs=("npm ws",), environment={"NODE_PATH": _NODE_PATH}
    ),
    Peer("picows", "picows (Cython, uvloop)", "picows_server.py", needs=("picows", "uvloop")),
    Peer(
        CROSSBAR,
        "Crossbar (WAMP 2)",
        "crossbar_server.py",
        {"wamp2": "wamp2"},
        needs=(CROSSBAR,),
    ),
    Peer(
        "floor-write",
        "floor: bare Twisted, transport.write",
        "floor_server.py",
        needs=("twisted",),
        arguments=("write",),
        canned=True,
        floor=True,
    ),
    Peer(
        "floor-direct",
        "floor: bare Twisted, writing at once",
        "floor_server.py",
        needs=("twisted",),
        arguments=("direct",),
        canned=True,
        floor=True,
    ),
    Peer(
        "epoll",
        "limit: Python and epoll, no framework",
        "epoll_server.py",
        canned=True,
        floor=True,
    ),
]


def named(names: list[str]) -> list[Peer]:
    """Peers by their names, in the order of the list of all.

    Raises:
        KeyError: There is none of that name.
    """
    known = {peer.name: peer for peer in PEERS}
    wanted = {known[name].name for name in names}
    return [peer for peer in PEERS if peer.name in wanted]
