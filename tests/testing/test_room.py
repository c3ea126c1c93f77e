"""One clock, several clients, and the fixture for pytest."""

from __future__ import annotations

import subprocess
import sys

import pytest
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from ratchet_py import App
from ratchet_py.server import EchoServer
from ratchet_py.testing import Room
from ratchet_py.wamp import Component

pytest_plugins = ["pytester"]


class Chat(EchoServer):
    """Everybody hears everything."""

    def __init__(self):
        self.clients = []
        self.gone = 0

    def onOpen(self, conn):
        self.clients.append(conn)

    def onMessage(self, conn, msg):
        if msg == "fail":
            raise ValueError("no")
        for client in self.clients:
            client.send(msg)

    def onClose(self, conn):
        self.gone += 1


class PubSub(Component):
    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event)


def test_the_clients_of_one_application_meet_and_leave_at_the_end():
    chat = Chat()
    with Room() as room:
        ann, bob = room.connect(chat), room.connect(chat)
        ann.send("hello")
        assert bob.received == ["hello"]
        assert ann.server is bob.server
        assert room.clients == [ann, bob]
    assert chat.gone == 2
    assert room.clock.getDelayedCalls() == []


def test_topics_are_of_one_application_at_one_path():
    application = PubSub()
    with Room() as room:
        ann, bob = room.connect(application), room.connect(application)
        elsewhere = room.connect(application, "/elsewhere")
        other = room.connect(PubSub())
        newer = room.connect(application, "/?x=1", subProtocol="wamp.2.json")
        for client in room.clients:
            client.subscribe("news")
        ann.publish("news", 1)
        counts = [len(client.received) for client in (ann, bob, newer, elsewhere, other)]
    assert counts == [1, 1, 1, 0, 0]


def test_one_clock_for_all():
    app = App()
    app.route("/chat", Chat())
    with Room() as room:
        clients = [room.connect(app, "/chat"), room.connect(Chat()), room.connectRaw(EchoServer())]
        assert {client.clock for client in clients} == {room.clock}
        room.advance(30)
        assert [client.pings for client in clients[:2]] == [[b""], [b""]]


FAIL = b"\x81\x84\0\0\0\0fail"


def test_what_fails_in_time_is_raised(loggedFailures):
    class Late(Chat):
        async def onMessage(self, conn, msg):
            await deferLater(conn.reactor, 5)
            raise ValueError(msg)

    with Room() as room:
        room.connect(Late()).send("x")
        with pytest.raises(ValueError, match="x"):
            room.advance(5)


def test_what_fails_and_nobody_sees_is_raised_at_the_end():
    room = Room()
    room.connect(Chat()).transport.feed(FAIL)
    with pytest.raises(ValueError, match="no"):
        room.close()
    room.close()


def test_what_fails_at_the_end_is_raised(loggedFailures):
    chat = Chat()
    chat.onClose = lambda conn: 1 / 0
    room = Room()
    room.connect(chat)
    with pytest.raises(ZeroDivisionError):
        room.close()
    loggedFailures.flush(ZeroDivisionError)


def test_what_is_logged_is_raised_at_the_end(loggedFailures):
    def run(isExpected):
        with Room() as room:
            Logger().failure("oh", Failure(ZeroDivisionError()))
            if isExpected:
                room.logged.clear()

    with pytest.raises(ZeroDivisionError):
        run(isExpected=False)
    run(isExpected=True)
    loggedFailures.flush(ZeroDivisionError)


def test_a_test_that_fails_fails_for_its_own_reason():
    def run():
        with Room() as room:
            room.connect(Chat()).transport.feed(FAIL)
            raise KeyError

    with pytest.raises(KeyError):
        run()


APPLICATION = """
from ratchet_py.server import EchoServer

class Application(EchoServer):
    def onMessage(self, conn, msg):
        conn.send(str(10 / int(msg)))

def test_it_works(ratchet):
    client = ratchet.connect(Application())
    client.send("5")
    assert client.received == ["2.0"]

def test_it_does_not(ratchet):
    ratchet.connect(Application()).send("0")

def test_nobody_looks(ratchet):
    client = ratchet.connect(Application())
    client.transport.feed(b"\\x81\\x81\\0\\0\\0\\0" + b"0")
"""


def test_the_fixture(pytester):
    pytester.makepyfile(APPLICATION)
    result = pytester.runpytest_subprocess("-p", "pytest_ratchet", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*conn.send(str(10 / int(msg)))*", "E*ZeroDivisionError*"])


def test_the_plugin_costs_nothing_where_it_is_not_used():
    program = """
import sys
import pytest_ratchet
assert not [name for name in sys.modules if name.split(".")[0] in ("ratchet_py", "twisted")]
"""
    subprocess.run([sys.executable, "-c", program], check=True)
