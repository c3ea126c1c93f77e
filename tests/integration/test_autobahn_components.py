"""Components of Autobahn's, on both of its frameworks, say who they are in every way there is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from ratchet_py.wamp import Authenticator, Component, User, WampServer
from ratchet_py.websocket import WsServer
from tests.integration.wire import patient

PROGRAM = Path(__file__).with_name("autobahn_component.py")
ROOT = PROGRAM.parent.parent.parent

USERS = [
    User("joe", "member", secret="geheim", ticket="a ticket"),
    User.salted("ann", "her password", "admin", iterations=1000),
]


class WhoAmI(Component):
    def onCall(self, conn, id, topic, params):
        return [conn.WAMP.authid, conn.WAMP.authrole, conn.WAMP.authmethod]


@pytest.fixture
def join(serve):
    """``await join("twisted", "cbor", {"ticket": ...})``: what the component has said."""

    async def join(framework, serializer, authentication, anonymous=None):
        auth = Authenticator(USERS, delay=0.01, anonymous=anonymous)
        served = await serve(WsServer(WampServer(WhoAmI(), auth=auth)), origins=["*"])
        url = f"ws://localhost:{served.port}/"
        command = [sys.executable, PROGRAM, framework, url, serializer, json.dumps(authentication)]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path}
        done = await patient(
            deferToThread(
                subprocess.run,
                command,
                capture_output=True,
                text=True,
                env=environment,
                check=False,
            ),
            "the component",
        )
        said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert said, done.stderr
        return said

    return join


frameworks = pytest.mark.parametrize(
    ("framework", "serializer"), [("twisted", "msgpack"), ("asyncio", "cbor")]
)


@frameworks
@pytest.mark.parametrize(
    ("authentication", "who"),
    [
        ({"ticket": {"authid": "joe", "ticket": "a ticket"}}, ["joe", "member", "ticket"]),
        ({"wampcra": {"authid": "joe", "secret": "geheim"}}, ["joe", "member", "wampcra"]),
        ({"wampcra": {"authid": "ann", "secret": "her password"}}, ["ann", "admin", "wampcra"]),
    ],
    ids=["ticket", "wampcra", "salted wampcra"],
)
@pytest_twisted.ensureDeferred
async def test_who_proves_it_is_in(join, framework, serializer, authentication, who):
    joined, left = await join(framework, serializer, authentication)
    assert joined == {"told": who, "known": who}
    assert left == {"left": "wamp.close.goodbye_and_out"}


@frameworks
@pytest_twisted.ensureDeferred
async def test_anonymous(join, framework, serializer):
    joined, _ = await join(framework, serializer, {"anonymous": {}}, anonymous="guest")
    assert joined["known"] == [None, "guest", "anonymous"]


@frameworks
@pytest.mark.parametrize(
    ("authentication", "reason"),
    [
        ({"ticket": {"authid": "joe", "ticket": "another"}}, "wamp.error.authentication_failed"),
        ({"wampcra": {"authid": "bob", "secret": "x"}}, "wamp.error.authentication_failed"),
        ({"anonymous": {}}, "wamp.error.no_auth_method"),
    ],
    ids=["wrong ticket", "nobody", "anonymous"],
)
@pytest_twisted.ensureDeferred
async def test_who_does_not_is_told_why(join, framework, serializer, authentication, reason):
    (left,) = await join(framework, serializer, authentication)
    assert left == {"left": reason}
