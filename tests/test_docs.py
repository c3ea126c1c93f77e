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
from ratchet_py import Limits
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


def test_every_example_is_shown_and_tested():
    pages = "".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.rst"))

    for example in (ROOT / "examples").glob("*.py"):
        assert f"examples/{example.name}" in pages
        assert (ROOT / "tests" / "examples" / f"test_{example.name}").exists()
