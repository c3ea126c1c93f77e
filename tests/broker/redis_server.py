"""A real Redis of the tests' own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess

import pytest

from tests.integration.wire import patient


class RedisServer:
    """A Redis that can be killed, paused and started again, always on the same port.

    Attributes:
        url: Where it is.
    """

    def __init__(self, port, folder, *options, password=""):
        self.port = port
        self.url = f"redis://127.0.0.1:{port}"
        self._folder = folder
        self._options = options
        self._password = password
        self._process = None

    def arguments(self):
        """What the program is started with."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *self._options]
        if self._password:
            options += ["--requirepass", self._password, "--masterauth", self._password]
        return [*options, "--dir", str(self._folder)]

    def start(self):
        """Start it, and wait until it serves."""
        self._process = subprocess.Popen(
            [command(), *self.arguments()], stdout=subprocess.PIPE, text=True
        )
        said = []
        for line in self._process.stdout:
            said.append(line)
            if "eady to accept" in line or "Sentinel ID is" in line:
                return
        pytest.fail("redis-server does not start: " + "".join(said))

    def kill(self):
        """End it without a word, if it is there."""
        if self._process is not None:
            self._process.kill()
            self._process.stdout.close()
            self._process.wait()
            self._process = None

    def send(self, signum):
        """Send it a signal."""
        self._process.send_signal(signum)

    def ask(self, *words):
        """Give it a command and return the first bytes of its reply."""
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            if self._password:
                client.sendall(_command("AUTH", self._password))
                client.recv(100)
            client.sendall(_command(*words))
            return client.recv(65536)


def _command(*words):
    words = [word if isinstance(word, bytes) else word.encode() for word in words]
    data = b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
    return b"*%d\r\n%b" % (len(words), data)


def command():
    """The program; skips the test where there is none, but not where all is to be tested."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        reason = "there is no redis-server: apt install redis-server"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class OverRedis:
    """How the contract runs a RedisBroker: several processes over one Redis."""

    def __init__(self, server, **options):
        self._server = server
        self._options = options
        self._brokers = []
        self._marks = 0

    def connect(self, **options):
        """A broker as another process of the same system would have it."""
        from twisted.internet import reactor

        from ratchet_py.broker import RedisBroker

        options = {"url": self._server.url, "reactor": reactor, **self._options, **options}
        broker = RedisBroker(**options)
        mark = Mark(broker.scoped("a mark of the tests"))
        self._brokers.append((broker, mark))
        return broker

    async def settle(self):
        """Wait until Redis has confirmed all, and what it had to send has come."""
        for broker, _ in self._brokers:
            await patient(broker.settled(), "what Redis confirms")
        self._marks += 1
        for broker, _ in self._brokers:
            # Redis sends in the order in which it was sent to: what comes before the mark is here.
            self._server.ask(
                "PUBLISH",
                f"{broker.prefix}:a%20mark%20of%20the%20tests:mark",
                f'{{"event":{self._marks}}}',
            )
        for _, mark in self._brokers:
            await mark.seen(self._marks)

    async def close(self):
        """End them all."""
        brokers, self._brokers = self._brokers, []
        for broker, _ in brokers:
            await patient(broker.close(), "the end of a broker")


class Mark:
    """Sees the marks that say how far Redis is."""

    def __init__(self, broker):
        self._last = 0
        self._waiting = []
        broker.setReceiver(self._receive)
        broker.subscribe("mark")

    async def seen(self, number):
        from twisted.internet.defer import Deferred

        while self._last < number:
            self._waiting.append(Deferred())
            await patient(self._waiting[-1], f"mark {number}")

    def _receive(self, topic, publication):
        self._last = max(self._last, publication.event)
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)
