"""What the documentation says can be done, can be done."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import os
import re
from itertools import pairwise
from pathlib import Path

import pytest

import ratchet_py
from ratchet_py import ComponentInterface, Limits, session, wamp, websocket
from ratchet_py.http import HttpServerInterface
from ratchet_py.server import Limiter

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

# Each layer has one page under the headings that Ratchet's own documentation has.
HEADINGS = [
    "Purpose",
    "Events triggered",
    "Configuration",
    "Functions callable on Connections",
    "Parameters added to Connections",
    "Wraps other components nicely",
    "Wrapped by other components nicely",
    "Usage",
]

TUTORIALS = sorted(path for path in (DOCS / "tutorials").glob("*.rst") if path.stem != "index")
LAYERS = sorted(path for path in (DOCS / "layers").glob("*.rst") if path.stem != "index")


def code(path):
    """The program in a file, without its docstring and its formatting."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return ast.dump(ast.Module(tree.body[1:], []))


def blocks(path, language):
    """The fenced code of a Markdown file."""
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_readme_shows_the_example_that_is_tested():
    (shown,) = blocks(ROOT / "README.md", "python")

    assert ast.dump(ast.parse(shown)) == code(ROOT / "examples" / "open_pubsub.py")


def test_the_security_page_names_every_limit():
    page = (DOCS / "howto" / "security.rst").read_text(encoding="utf-8")
    arguments = set(inspect.signature(Limiter).parameters) - {"component"}

    named = set(re.findall(r"\w+", " ".join(re.findall(r"``([^`]+)``", page))))
    assert {field.name for field in dataclasses.fields(Limits)} | arguments <= named


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_what_it_tells_to_run_and_to_read_is_there(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    commands = re.findall(r"^    (\S+)$", text, re.MULTILINE)
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)

    assert commands
    assert all(os.access(ROOT / command, os.X_OK) for command in commands)
    assert all((ROOT / link).exists() for link in links)


def test_the_changelog_knows_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert f"\n## {ratchet_py.__version__}" in changelog


@pytest.mark.parametrize("page", LAYERS, ids=lambda path: path.stem)
def test_a_layer_has_its_page_under_ratchets_headings(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    underlined = [line for line, under in pairwise(lines) if set(under) == {"-"}]

    assert underlined == HEADINGS


def test_every_component_is_a_page():
    """But those that are applications, and those that ``App`` alone makes."""
    pages = {page.stem for page in LAYERS} | {"echo_server", "resource_controller"}
    packages = (ratchet_py, ratchet_py.http, ratchet_py.server, session, wamp, websocket)
    exported = (getattr(package, name) for package in packages for name in package.__all__)
    components = {
        each
        for each in exported
        if inspect.isclass(each)
        and issubclass(each, (ComponentInterface, HttpServerInterface))
        and not inspect.isabstract(each)
    }

    assert {re.sub(r"(?<!^)(?=[A-Z])", "_", each.__name__).lower() for each in components} <= pages


def test_every_example_is_shown_and_tested():
    pages = "".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.rst"))

    for example in (ROOT / "examples").glob("*.py"):
        assert f"examples/{example.name}" in pages
        assert (ROOT / "tests" / "examples" / f"test_{example.name}").exists()


def shown(page):
    """The lines of each file that a page shows, by the file's path."""
    text = page.read_text(encoding="utf-8")
    lines = {}
    for name, rest in re.findall(
        r"^\.\. literalinclude:: (\S+)\n((?:   :.*\n)*)", text, re.MULTILINE
    ):
        options = dict(re.findall(r":([\w-]+): (.*)", rest))
        path = (page.parent / name).resolve()
        file = path.read_text(encoding="utf-8").splitlines()
        start = first(file, options.get("start-at"), 0)
        end = first(file, options.get("end-before"), len(file), start)
        lines.setdefault(path, set()).update(range(start, end))
    return lines


def first(lines, part, otherwise, start=0):
    """The number of the first line with a part in it."""
    if part is None:
        return otherwise
    return next(number for number in range(start, len(lines)) if part in lines[number])


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_shows_the_whole_of_its_programs(page):
    for path, numbers in shown(page).items():
        lines = path.read_text(encoding="utf-8").splitlines()
        begin = ast.parse("\n".join(lines)).body[0].end_lineno if path.suffix == ".py" else 0
        left = [lines[n] for n in range(begin, len(lines)) if n not in numbers and lines[n].strip()]

        assert left == []


def test_the_page_of_the_examples_has_all_of_them():
    page = (DOCS / "examples.rst").read_text(encoding="utf-8")

    assert [each.name for each in (ROOT / "examples").glob("*.py") if each.name not in page] == []
