"""An operator's server, and clients of it that send any head."""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol

from ratchet_py.admin import Admin
from tests.integration.conftest import logged, serve, spawn
from tests.integration.wire import Client

__all__ = ["logged", "serve", "spawn"]


class Operator:
    """Who asks an admin endpoint."""

    def __init__(self, port):
        self.port = port
        self.clients = []

    async def client(self, data=b""):
        from twisted.internet import reactor

        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
        client = await connectProtocol(endpoint, Client())
        self.clients.append(client)
        client.send(data)
        return client

    async def ask(self, target, method="GET", host="127.0.0.1", **fields):
        """The answer to a request, of a program that is no browser unless the fields say so."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        client = await self.client("\r\n".join([*lines, "", ""]).encode())
        return await client.response()


@pytest.fixture
def administer():
    """``await administer(app)`` gives the Admin of an App, and an operator who asks it."""
    started = []

    async def start(app, **options):
        admin = Admin(app, **options)
        (port,) = await admin.listen("tcp:0:interface=127.0.0.1")
        operator = Operator(port.getHost().port)
        started.append((admin, operator))
        return admin, operator

    async def stop():
        for admin, operator in started:
            for client in operator.clients:
                if client.lost is None:
                    client.reset()
                    await client.gone()
            await admin.close()

    yield start
    pytest_twisted.blockon(Deferred.fromCoroutine(stop()))
