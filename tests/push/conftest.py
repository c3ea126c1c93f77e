"""An App in memory that takes pushes, and whoever pushes to it."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest
from twisted.internet.task import Clock

from ratchet_py import App, Limits
from ratchet_py.push import PushCredentials, PushResource
from ratchet_py.testing import RawClient, connect
from ratchet_py.wamp import Component
from tests.integration.conftest import logged, serve, spawn

__all__ = ["logged", "serve", "spawn"]

TOKEN = "open-sesame"


class Answer(NamedTuple):
    """What a push is answered with."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def value(self):
        """The body, if it is JSON."""
        return json.loads(self.body)


def answers(data):
    """All answers that a connection has received."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (f.partition(": ") for f in fields)}
        length = int(headers.get("content-length", 0))
        found.append(Answer(int(line.split()[1]), headers, rest[:length].decode()))
        data = rest[length:]
    return found


def head(length, method="POST", path="/publish", **fields):
    """The head of a push."""
    fields = {
        "Host": "localhost",
        "Authorization": f"Bearer {TOKEN}",
        "Content_Type": "application/json",
        "Content_Length": length,
        **fields,
    }
    lines = [f"{method} {path} HTTP/1.1"]
    lines += [f"{k.replace('_', '-')}: {v}" for k, v in fields.items() if v is not None]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Site:
    """An App with a route for pushes; the applications are by path."""

    def __init__(self, *, credentials=None, limits=None, broker=None, target=None, **applications):
        self.clock = Clock()
        self.app = App("localhost", reactor=self.clock, limits=limits or Limits(), broker=broker)
        for name, application in (applications or {"pubsub": Component()}).items():
            self.app.route(f"/{name}", application)
        credentials = credentials or PushCredentials(TOKEN)
        self.resource = PushResource(target or self.app, credentials)
        self.app.route("/publish", self.resource)

    def page(self, *topics, path="/pubsub", **options):
        """A client that has subscribed."""
        page = connect(self.app, path, **options)
        for topic in topics:
            page.subscribe(topic)
        return page

    def client(self):
        """A connection that has sent nothing yet."""
        return RawClient(self.app.server)

    def send(self, client, value, **fields):
        """Push over a connection: JSON of a value, or bytes as they are."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        client.sendBytes(head(len(body), **fields) + body)
        self.clock.advance(0)

    def push(self, value, **fields):
        """The answer to a push over a connection of its own."""
        client = self.client()
        self.send(client, value, **fields)
        (answer,) = answers(client.data)
        client.disconnect()
        return answer


@pytest.fixture
def site():
    return Site()
