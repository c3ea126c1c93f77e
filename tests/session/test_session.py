"""The session that an application gets."""

from __future__ import annotations

import pytest

from ratchet_py.errors import LocalError
from ratchet_py.session import Session


@pytest.fixture
def session():
    return Session({"name": "Ann", "nothing": None}, "id", "SITE", {"more": 1})


def test_it_reads_like_symfonys(session):
    assert session.get("name") == "Ann"
    assert session.get("nothing", 1) is None
    assert session.get("other") is None
    assert session.get("other", 1) == 1
    assert session.has("nothing")
    assert not session.has("other")
    assert session.all() == {"name": "Ann", "nothing": None}
    assert (session.getId(), session.getName()) == ("id", "SITE")
    assert session.start() is session.isStarted() is True
    assert session.data == {"more": 1}


def test_it_reads_like_a_mapping(session):
    assert session["name"] == "Ann"
    assert "name" in session
    assert len(session) == 2
    assert list(session) == ["name", "nothing"]
    assert dict(session.items()) == session.all()
    with pytest.raises(KeyError):
        session["other"]


@pytest.mark.parametrize(
    "write",
    [
        lambda session: session.set("name", "Joe"),
        lambda session: session.replace({"name": "Joe"}),
        lambda session: session.remove("name"),
        lambda session: session.clear(),
        lambda session: session.save(),
        lambda session: session.invalidate(lifetime=1),
        lambda session: session.migrate(True),
        lambda session: session.setId("other"),
        lambda session: session.setName("other"),
        lambda session: session.__setitem__("name", "Joe"),
        lambda session: session.__delitem__("name"),
    ],
)
def test_it_cannot_be_changed(write, session):
    with pytest.raises(LocalError, match="cannot be changed here"):
        write(session)
    session.all().clear()
    assert session.get("name") == "Ann"


def test_an_empty_one():
    session = Session()
    assert not session
    assert (session.all(), session.getId(), session.data) == ({}, "", {})


def test_nothing_of_it_gets_into_a_log(session):
    assert repr(session) == "<Session SITE ['name', 'nothing']>"
