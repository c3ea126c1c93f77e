"""Imports run one way: no layer knows another layer's behaviour, and none takes the reactor.

Read with ``docs/architecture``: the two tables here are its section on imports, as data.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "ratchet_py"

# The root modules, each with the root modules that it may know.
COMMON = {
    "interfaces": set(),
    "errors": {"interfaces"},
    "limits": {"interfaces"},
    "meter": set(),
    "backlog": set(),
    "connection": {"interfaces", "errors", "limits", "meter"},
    "component": {"interfaces", "errors", "limits", "connection", "dispatch", "meter"},
    "dispatch": {"interfaces", "errors", "limits", "connection"},
}

# The layers, each with what it may know of other layers: their contracts, and plain records.
LAYERS = {
    "server": set(),
    "http": set(),
    "rfc6455": set(),
    "websocket": {"http.interfaces", "http.request", "http.response", "rfc6455"},
    # Where a Redis is, is said as for the broker.
    "session": {"http.interfaces", "http.request", "broker.redis_address"},
    # The memory broker is the default of who is given no other, as DEFAULT_LIMITS are.
    "wamp": {"websocket.interfaces", "broker.interfaces", "broker.memory"},
    # Its envelope is JSON as WAMP writes it.
    "broker": {"wamp.json_text", "wamp.payload"},
    "metrics": set(),
    # The other end of the line: it speaks the same, and knows nothing of the layers that answer.
    "client": {
        "http.request",
        "rfc6455",
        "wamp.commands",
        "wamp.cra",
        "wamp.curie",
        "wamp.json_text",
        "wamp.v1",
    },
    "jwt": {"http.request", "wamp.users"},
}

# The codec has no I/O: it knows its own errors and its limits, and nothing of Twisted.
CODEC = {"errors", "limits"}

# Only these know every layer; no layer knows one of them.
FACADES = {
    "app": set(),
    "demo": {"app"},
    "push": {"app"},
    "admin": {"app", "demo", "push"},
    "workers": {"admin", "app", "push"},
    "service": {"admin", "app", "push", "workers"},
    "tap": {"admin", "app", "demo", "push", "service", "workers"},
    "worker": {"admin", "app", "push", "service", "tap", "workers"},
    "testing": {"app"},
    "twisted_web": {"app"},
    "__init__": {"app"},
}


class Import(NamedTuple):
    """One name that a module imports, and where."""

    name: str
    line: int
    atModuleLevel: bool


def imports(source: str, module: str) -> Iterator[Import]:
    """Every import of a module's source, also within functions, as absolute dotted names."""
    package = module.split(".")[:-1]
    for node, inFunction in _walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, not inFunction)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) + 1 - node.level], node.module or ""]
            origin = ".".join(filter(None, base)) if node.level else node.module or ""
            for alias in node.names:
                yield Import(f"{origin}.{alias.name}", node.lineno, not inFunction)


def _walk(node: ast.AST, inFunction: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    yield node, inFunction
    within = inFunction or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, within)


def isModule(dotted: str) -> bool:
    path = ROOT.joinpath(*dotted.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def faults(source: str, module: str) -> list[str]:
    """What a module imports and may not; ``module`` is its dotted name, packages with __init__."""
    own = module.split(".")[1]
    found = []
    for name, line, atModuleLevel in imports(source, module):
        if name.startswith("twisted.internet.reactor") and atModuleLevel:
            found.append(f"line {line}: the reactor, at module level")
        if own == "rfc6455" and name.startswith("twisted"):
            found.append(f"line {line}: {name}, in a codec without I/O")
        if name.startswith("ratchet_py.") and not mayKnow(own, name):
            found.append(f"line {line}: {name}")
    return found


def mayKnow(own: str, name: str) -> bool:
    """Whether a root module or layer may import this dotted name of the package."""
    target = name if isModule(name) else name.rpartition(".")[0]
    target = target.removeprefix("ratchet_py").removeprefix(".")
    if not target:
        return name == "ratchet_py.__version__"
    first = target.split(".")[0]
    if first == own:
        return True
    if own in COMMON:
        return first in COMMON[own]
    if own in FACADES:
        return first not in FACADES or first in FACADES[own]
    if first in COMMON:
        return own != "rfc6455" or first in CODEC
    return target in LAYERS[own] or first in LAYERS[own]


MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")
}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_what_is_below_it(module):
    source = MODULES[module].read_text(encoding="utf-8")

    assert faults(source, module) == []


def test_every_module_has_its_place():
    known = {*COMMON, *LAYERS, *FACADES}

    assert {module.split(".")[1] for module in MODULES} <= known


def test_the_package_of_a_layer_only_re_exports():
    for layer in LAYERS:
        path = PACKAGE / layer / "__init__.py"
        if not path.exists():
            continue
        doc, *statements = ast.parse(path.read_text(encoding="utf-8")).body
        assert isinstance(doc, ast.Expr), f"{layer} has no docstring"
        for statement in statements:
            isAll = isinstance(statement, ast.Assign) and statement.targets[0].id == "__all__"
            assert isAll or isinstance(statement, ast.ImportFrom), f"{path}:{statement.lineno}"


def test_the_plugin_imports_nothing_of_ours():
    path = ROOT / "twisted" / "plugins" / "ratchet_plugin.py"
    names = [found.name for found in imports(path.read_text(encoding="utf-8"), "ratchet_plugin")]

    assert not [name for name in names if name.startswith("ratchet_py")]
    assert not list((ROOT / "twisted").rglob("__init__.py"))


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("ratchet_py.limits", "from ratchet_py.connection import ConnectionRecord"),
        ("ratchet_py.dispatch", "from ratchet_py.server.io_server import IoServer"),
        ("ratchet_py.server.io_server", "from ratchet_py.http import HttpServer"),
        ("ratchet_py.http.router", "from ratchet_py.websocket.interfaces import WsServerInterface"),
        ("ratchet_py.websocket.ws_server", "from ratchet_py.http.http_server import HttpServer"),
        ("ratchet_py.websocket.ws_server", "import ratchet_py.http"),
        ("ratchet_py.websocket.ws_server", "from ratchet_py import http"),
        ("ratchet_py.websocket.ws_server", "from ..http import router"),
        ("ratchet_py.websocket.ws_server", "def f():\n    from ratchet_py.http import router"),
        ("ratchet_py.wamp.topic", "from ratchet_py.app import App"),
        ("ratchet_py.wamp.topic", "from ratchet_py import App"),
        ("ratchet_py.app", "from ratchet_py.tap import makeService"),
        ("ratchet_py.rfc6455.frame", "from ratchet_py.dispatch import call"),
        ("ratchet_py.rfc6455.frame", "from twisted.logger import Logger"),
        ("ratchet_py.server.io_server", "from twisted.internet import reactor"),
        ("ratchet_py.server.io_server", "import twisted.internet.reactor"),
        ("ratchet_py.server.io_server", "class C:\n    from twisted.internet import reactor"),
    ],
)
def test_a_forbidden_import_is_found(module, statement):
    assert len(faults(statement, module)) == 1


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("ratchet_py.connection", "from ratchet_py.interfaces import ConnectionInterface"),
        ("ratchet_py.http.http_server", "from ratchet_py import __version__"),
        ("ratchet_py.http.http_server", "from ratchet_py.http.router import Router"),
        ("ratchet_py.websocket.ws_server", "from ratchet_py.http.request import Request"),
        ("ratchet_py.websocket.ws_server", "from ratchet_py.rfc6455 import Frame"),
        ("ratchet_py.app", "from ratchet_py.server import IoServer"),
        ("ratchet_py.tap", "from ratchet_py.app import App"),
        ("ratchet_py.app", "def run():\n    from twisted.internet import reactor"),
    ],
)
def test_an_allowed_import_is_not_found(module, statement):
    assert faults(statement, module) == []
