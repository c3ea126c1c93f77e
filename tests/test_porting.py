"""The porting guide has every public name of Ratchet, and what it gives for each is there."""

from __future__ import annotations

import csv
import inspect
import re
from pathlib import Path

import pytest
from twisted.python.reflect import namedAny

from ratchet_py.server import IoConnection
from ratchet_py.wamp import WampConnection
from ratchet_py.wamp.v2_connection import V2Connection
from ratchet_py.websocket import WsConnection

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "docs" / "porting"
TABLES = sorted(GUIDE.rglob("*.csv"))
NAMES = sorted((GUIDE / "names").glob("*.csv"))


def rows(table):
    """The rows of a table: the cell of PHP, that of Python, the remark."""
    with table.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file, delimiter="|"), 1):
            assert len(row) == 3, f"{table.name}, line {number}: not three cells"
            yield number, *(cell.strip() for cell in row)


def phpNames(table):
    """What the left column names, in full; ``::member`` belongs to the class of the rows above."""
    namespace = table.stem.replace(".", "\\")
    subject = None
    for _, cell, _, _ in rows(table):
        for name in re.findall(r"``([^`]+)``", cell):
            if name.startswith("::"):
                yield f"{subject}{name}"
            else:
                subject = f"{namespace}\\{name}"
                yield subject


def pythonNames(cell):
    """What a cell refers to: it is between single backticks, and is no link to a page."""
    cell = re.sub(r":\w+:`[^`]+`", "", cell)
    return [name.removeprefix("~") for name in re.findall(r"(?<!`)`([^`]+)`(?!`)", cell)]


def exists(name):
    """Whether a dotted name is there; an attribute that only objects have, by the docstring."""
    if found(name) is not None:
        return True
    owner, _, attribute = name.rpartition(".")
    documentation = inspect.getdoc(found(owner)) or ""
    return re.search(rf"^    {attribute}: ", documentation, re.MULTILINE) is not None


def found(name):
    """What a dotted name stands for; None if there is nothing, or None."""
    for each in (name, f"builtins.{name}"):
        try:
            return namedAny(each)
        except Exception:
            continue
    return None


def publicNames():
    """Every public name of Ratchet, from the committed list."""
    lines = (Path(__file__).parent / "ratchet_names.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if not line.startswith("#"):
            subject, *members = line.split()
            yield subject
            yield from (f"{subject}::{member}" for member in members)


def test_every_name_of_ratchets_is_in_the_guide():
    mapped = {name for table in NAMES for name in phpNames(table)}
    assert set(publicNames()) - mapped == set()
    assert mapped - set(publicNames()) == set()


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.stem)
def test_every_name_that_the_guide_gives_is_there(table):
    for number, php, python, remark in rows(table):
        place = f"{table.name}, line {number}"
        assert php, place
        assert python, place
        if python == "--":
            assert remark, f"{place}: nothing in its place, and not a word why"
        elif table in NAMES:
            assert pythonNames(python), f"{place}: no name"
        for name in pythonNames(f"{python} {remark}"):
            assert exists(name), f"{place}: there is no {name}"


# What applications use besides Ratchet, by the table that must have it.
INTERFACES = {
    "loop": """
        addReadStream addWriteStream removeReadStream removeWriteStream addTimer addPeriodicTimer
        cancelTimer isTimerActive futureTick nextTick addSignal removeSignal run stop
    """,
    "promises": """
        then catch finally cancel otherwise always done resolve reject promise all any race
    """,
    "request": """
        getMethod getUri getRequestTarget getProtocolVersion getHeaders getHeader getHeaderLine
        hasHeader getBody getScheme getAuthority getUserInfo getHost getPort getPath getQuery
        getFragment
    """,
    "php": "SplObjectStorage attach detach contains json_encode json_decode echo sprintf composer",
    "attributes": "resourceId remoteAddress httpRequest WebSocket WAMP Session",
}


@pytest.mark.parametrize("table", INTERFACES)
def test_what_applications_use_besides_is_there(table):
    left = " ".join(php for _, php, _, _ in rows(GUIDE / f"{table}.csv"))

    assert [name for name in INTERFACES[table].split() if not re.search(rf"\b{name}\b", left)] == []


def test_what_is_not_there_is_noticed():
    assert exists("ratchet_py.server.IoServer.app")
    assert exists("len")
    assert not exists("ratchet_py.server.IoServer.socket")
    assert not exists("ratchet_py.nothing")
    assert not exists("nothing")


# What PHP applications have been seen to put there.
ATTRIBUTES = """
    admin age alone auth avatar board channel channels Chat client color count data game games group
    groups guest host id ip joined key lang last lobby log login member message messages name nick
    nickname online opponent partner path player players position queue role room rooms score server
    session sessionId side start state status subscriptions table tables team time timer token topic
    topics turn typing uid url user userId username users
"""


@pytest.mark.parametrize("kind", [IoConnection, WsConnection, WampConnection, V2Connection])
def test_what_applications_put_on_connections_meets_nothing_of_ours(kind):
    assert [name for name in ATTRIBUTES.split() if hasattr(kind, name)] == []
