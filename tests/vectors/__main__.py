"""Play the vectors with any server: ``python -m tests.vectors 127.0.0.1:8080 [ID...]``."""

from __future__ import annotations

import sys

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.task import react

from tests.integration.wire import Client
from tests.vectors.replay import VECTORS, Replay


async def main(reactor, address, *wanted):
    host, _, port = address.rpartition(":")
    endpoint = TCP4ClientEndpoint(reactor, host, int(port))
    failed = 0
    for vector in VECTORS:
        if wanted and vector["id"] not in wanted:
            continue
        clients = []

        async def connect(clients=clients):
            clients.append(await connectProtocol(endpoint, Client()))
            return clients[-1]

        try:
            await Replay(connect).play(vector)
        except AssertionError as error:
            failed += 1
            print(f"FAILED {error}")
        for client in clients:
            client.transport.abortConnection()
    print(f"{failed} failed")
    if failed:
        raise SystemExit(1)


react(lambda reactor, *args: Deferred.fromCoroutine(main(reactor, *args)), sys.argv[1:])
