"""The vectors, in memory with the bytes cut anywhere, over a socket, and within a site."""

from __future__ import annotations

import json
import re
from itertools import cycle, repeat
from pathlib import Path

import pytest
import pytest_twisted
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.server import Site

from ratchet_py.testing import RawClient
from ratchet_py.twisted_web import RatchetResource
from tests.integration.wire import Client
from tests.vectors.applications import serve
from tests.vectors.replay import FILE, VECTORS, Mismatch, Replay

DOCS = Path(__file__).parent.parent.parent / "docs"

ids = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])


class InMemory(RawClient):
    """Hands what it gets to a client that reads, and cuts what that sends.

    Args:
        server: The bottom of the stack.
        cuts: Gives the size of each next piece.
    """

    def __init__(self, server, cuts):
        self.reader = Client()
        self.reader.transport = self
        self._cuts = cuts
        super().__init__(server)

    def writeSequence(self, pieces):
        data = b"".join(pieces)
        while data:
            size = next(self._cuts)
            self.sendBytes(data[:size])
            data = data[size:]
        self.advance(0)
        self._end()

    def dataReceived(self, data):
        self.reader.dataReceived(data)

    def _end(self):
        if self.isClosed and self.reader.lost is None:
            self.reader.connectionLost(Failure(ConnectionDone()))


def playInMemory(vector, cuts):
    server = serve(Clock()).server

    async def connect():
        return InMemory(server, cuts).reader

    # Nothing is waited for that has not come when the bytes have been sent.
    playing = Deferred.fromCoroutine(Replay(connect).play(vector))
    failures = []
    playing.addErrback(failures.append)
    if not playing.called:
        playing.cancel()
        raise Mismatch(f"{vector['id']}: it waits for what does not come")
    for failure in failures:
        failure.raiseException()


@ids
@pytest.mark.parametrize("size", [1 << 20, 1])
def test_in_memory(vector, size):
    playInMemory(vector, repeat(size))


@ids
def test_in_memory_cut_anywhere(vector):
    @settings(max_examples=5)
    @given(st.lists(st.integers(1, 60), min_size=1))
    def play(sizes):
        playInMemory(vector, cycle(sizes))

    play()


class Playing:
    """Connects to a port, and leaves nothing open."""

    def __init__(self, port):
        from twisted.internet import reactor

        self._endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        self._clients = []

    async def play(self, vector):
        try:
            await Replay(self._connect).play(vector)
        finally:
            for client in self._clients:
                if client.lost is None:
                    client.reset()
                    await client.gone()

    async def _connect(self):
        client = await connectProtocol(self._endpoint, Client())
        self._clients.append(client)
        return client


@ids
@pytest_twisted.ensureDeferred
async def test_over_a_socket(vector):
    from twisted.internet import reactor

    app = serve(reactor)
    [port] = await app.listen()
    try:
        await Playing(port).play(vector)
    finally:
        await app.close()


@ids
@pytest_twisted.ensureDeferred
async def test_in_a_site_of_twisted_web(vector):
    from twisted.internet import reactor

    app = serve(reactor)
    port = reactor.listenTCP(0, Site(RatchetResource(app)), interface="127.0.0.1")
    try:
        await Playing(port).play(vector)
    finally:
        await app.close()
        await port.stopListening()


# -- the file itself -------------------------------------------------------------------------------


def test_each_vector_says_what_it_is():
    assert len({vector["id"] for vector in VECTORS}) == len(VECTORS)
    verbs = {name for name in vars(Replay) if not name.startswith("_")} - {"play"}
    for vector in VECTORS:
        assert set(vector) == {"id", "section", "row", "steps"}
        for step in vector["steps"]:
            assert next(key for key in step if key != "client") in verbs


def test_the_page_explains_every_verb():
    page = (DOCS / "conformance.rst").read_text(encoding="utf-8")
    verbs = {key for vector in VECTORS for step in vector["steps"] for key in step}
    assert verbs <= set(re.findall(r"``(\w+)``", page))


@pytest.mark.parametrize(
    "step",
    [
        {"http": 101},
        {"receive": "\x81\x05hellO"},
        {"hear": ["hello"]},
        {"close": 1000},
    ],
    ids=str,
)
def test_what_differs_is_seen(step):
    vector = {"id": "made up", "steps": [{"open": "/echo"}, {"say": "hello"}, step]}
    with pytest.raises(Mismatch, match="made up"):
        playInMemory(vector, repeat(1 << 20))


def test_the_file_is_written_as_one_reads_it():
    """A step to a line, and nothing but what JSON keeps."""
    text = FILE.read_text(encoding="utf-8")
    assert text.isascii()
    assert max(map(len, text.splitlines())) < 500
    assert sum(line.startswith("      {") for line in text.splitlines()) == sum(
        len(vector["steps"]) for vector in json.loads(text)["vectors"]
    )
