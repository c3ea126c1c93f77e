"""Plays a vector with a server and compares what comes back.

What a step says is in ``docs/conformance.rst``. Nothing here knows ratchet_py: the server may be
anything, and is reached through ``connect``.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.wire import CLOSE, frame, request, text

FILE = Path(__file__).with_name("vectors.json")

VECTORS = json.loads(FILE.read_text(encoding="utf-8"))["vectors"]


class Mismatch(AssertionError):
    """The server has done something else than the vector says."""


class Replay:
    """One vector, being played.

    Attributes:
        clients: The connections by their names.
        sessions: What stands for what only the server knows: ``<a>`` for the session id of ``a``.
    """

    def __init__(self, connect):
        self._connect = connect
        self.clients = {}
        self.sessions = {}

    async def play(self, vector):
        """Play all of it.

        Raises:
            AssertionError: The server has not done what it should.
        """
        for number, step in enumerate(vector["steps"], 1):
            (verb, value), *more = ((k, v) for k, v in step.items() if k != "client")
            name = step.get("client", "a")
            if name not in self.clients:
                self.clients[name] = await self._connect()
            try:
                await getattr(self, verb)(name, self.clients[name], value, **dict(more))
            except AssertionError as error:
                raise Mismatch(f"{vector['id']}, step {number}, {step}: {error}") from error
        for name, client in self.clients.items():
            if client.lost is None:
                try:
                    client.send(frame(CLOSE, b"\x03\xe8"))
                    await self.close(name, client, 1000)
                except AssertionError as error:
                    raise Mismatch(f"{vector['id']}, at the end of {name}: {error}") from error

    async def open(self, name, client, path, offers=None):
        """Shake hands."""
        client.send(request(f"GET {path} HTTP/1.1", Sec_WebSocket_Protocol=offers))
        answer = await client.response()
        assert answer.status == 101, answer
        assert answer.headers.get("sec-websocket-protocol") == offers

    async def send(self, name, client, data):
        """Send bytes: each character is one."""
        client.send(data.encode("latin-1"))

    async def say(self, name, client, message):
        """Send a JSON value as a text message."""
        client.send(text(json.dumps(self._known(message))))

    async def http(self, name, client, status, headers=(), without=()):
        """An answer of HTTP comes, with at least these fields; one that refuses is the last."""
        answer = await client.response()
        assert answer.status == status, answer
        for field, value in dict(headers).items():
            assert answer.headers.get(field.lower()) == value, answer
        assert not {field.lower() for field in without} & set(answer.headers), answer
        if status != 101:
            await self.end(name, client, True)

    async def receive(self, name, client, data):
        """These bytes come back."""
        expected = data.encode("latin-1")
        while len(client._data) < len(expected):
            await client._more(f"{expected!r}")
        got = bytes(client._data[: len(expected)])
        assert got == expected, f"{got!r}"
        del client._data[: len(expected)]

    async def hear(self, name, client, message):
        """A text message comes back, of JSON that has this value."""
        got = await client.heard()
        if message[:1] == [0] and got[:1] == [0]:
            self.sessions[f"<{name}>"] = got[1]
        expected = self._known(message)
        if "<any>" in expected:
            got[expected.index("<any>")] = "<any>"
        # As text, too, for 1 and true are equal in Python.
        assert (got, json.dumps(got)) == (expected, json.dumps(expected)), got

    async def close(self, name, client, code):
        """A close frame of this code comes, its reason is free; we answer it, and it ends."""
        got = await client.frame()
        assert (got.opcode, got.payload[:2]) == (CLOSE, code.to_bytes(2, "big")), got
        if client.lost is None:
            client.send(frame(CLOSE, got.payload[:2]))
        await self.end(name, client, True)

    async def end(self, name, client, _):
        """The connection ends, and nothing comes before that."""
        await client.gone()
        assert not client._data, bytes(client._data)

    def _known(self, value):
        """Put what has become known in the place of its name."""
        if isinstance(value, list):
            return [self._known(each) for each in value]
        return self.sessions.get(value, value) if isinstance(value, str) else value
