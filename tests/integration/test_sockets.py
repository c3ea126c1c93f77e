"""Clients as the network makes them: many, slow, in pieces, gone."""

from __future__ import annotations

import pytest_twisted

from tests.integration.wire import text


@pytest_twisted.ensureDeferred
async def test_small_messages_are_not_held_back(serve, echo):
    served = await serve(echo)
    client = await served.open()
    (connection,) = served.app.server.connections
    assert connection._transport.getTcpNoDelay()
    client.send(text("a"))
    assert await client.next() == "a"
