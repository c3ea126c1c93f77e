"""What a worker finds out about what there is to serve; tests/workers has what it does then."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import pytest

from ratchet_py.limits import Limits
from ratchet_py.tap import Options
from ratchet_py.worker import _plan
from ratchet_py.workers import Plan

MODULE = """
from ratchet_py import App, Limits
from ratchet_py.broker import BrokerInterface, MemoryBroker
from ratchet_py.http import HttpServer
from ratchet_py.server import EchoServer, IoServer
from ratchet_py.wamp import Component, WampServer
from ratchet_py.websocket import WsServer

class Broker(BrokerInterface):
    def setReceiver(self, receiver): pass
    def scoped(self, name): return self
    def publish(self, topic, publication): pass
    def subscribe(self, topic): pass
    def unsubscribe(self, topic): pass

def stack(controller):
    return IoServer(HttpServer(WsServer(controller)))

alone = App("localhost", 8081, "0.0.0.0", drainSeconds=3)
here = App("localhost", broker=MemoryBroker())
carried = App("localhost", broker=Broker(), limits=Limits(pushSize=1000))
carried.route("/", Component())
flash = App("localhost", broker=Broker(), flashPolicyPort=8843)
echo = stack(EchoServer())
ownHere = stack(WampServer(Component()))
ownCarried = stack(WampServer(Component(), broker=Broker()))
"""


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """``plan("--app", "things.py:x")``: what a process with these options says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "things.py").write_text(MODULE, encoding="utf-8")

    def plan(*args):
        options = Options()
        options.parseOptions(list(args))
        text, status = _plan({"path": sys.path, "options": json.loads(json.dumps(options))})
        assert status == 0, text
        return Plan(**json.loads(text))

    yield plan
    sys.modules.pop("things", None)


def test_an_app_says_where_it_listens_and_how_long_it_waits(plan):
    found = plan("--app", "things.py:alone")
    assert found.clients == ["tcp:8081:interface=0.0.0.0:backlog=1024"]
    assert (found.drainSeconds, found.ifPossible, found.others) == (3, [], {"flash": []})
    assert plan("--app", "things.py:alone", "--drain-seconds", "1.5").drainSeconds == 1.5
    assert plan("--app", "things.py:alone", "-l", "tcp:1", "-l", "tcp:2").clients == [
        "tcp:1",
        "tcp:2",
    ]
    assert plan("--app", "things.py:flash").others == {"flash": ["tcp:8843:interface=127.0.0.1"]}


def test_a_stack_and_the_demo_listen_where_they_do_in_one_process(plan):
    assert plan("--app", "things.py:echo").clients == ["tcp:8080:interface=127.0.0.1"]
    assert plan().ifPossible == ["tcp6:8080:interface=\\:\\:1"]


@pytest.mark.parametrize(
    ("name", "isCarried"),
    [
        ("alone", False),
        ("here", False),
        ("carried", True),
        ("echo", True),
        ("ownHere", False),
        ("ownCarried", True),
    ],
)
def test_whether_topics_reach_other_processes(plan, name, isCarried):
    assert plan("--app", f"things.py:{name}").isCarried is isCarried


def test_whether_it_takes_pushes(plan):
    assert plan("--app", "things.py:alone").pushSize == 0
    assert plan("--app", "things.py:echo").pushSize == 0
    assert plan("--app", "things.py:carried").pushSize == 1000
    assert plan("--route", "/=things:Component").pushSize == Limits().pushSize


def test_a_plan_survives_its_way(plan):
    found = plan("--app", "things.py:flash")
    assert Plan(**json.loads(found.tell())) == found
    assert json.loads(found.tell()) == asdict(found)
