"""Every message in and out is logged, those of a broadcast included."""

import re

import pytest_twisted


@pytest_twisted.ensureDeferred
async def test_it_sees_what_comes_in_and_what_a_broadcast_sends(serve, connect):
    server = serve("message_logger.py")
    one = await connect(server.port, "/pubsub", "wamp")
    two = await connect(server.port, "/pubsub", "wamp")
    for client in (one, two):
        await client.next()
        await client.subscribe("news")
    two.sayJson(7, "news", "hello")
    assert await one.nextJson() == [8, "news", "hello"]
    assert await two.nextJson() == [8, "news", "hello"]
    for client in (one, two):
        client.sendClose()
        await client.closed

    log = server.stop()
    logged = re.findall(r"ratchet\.(in|out) (\d+): (.*)", log)
    first, second = sorted({id for _, id, _ in logged}, key=int)[-2:]
    assert ("in", second, '[7, "news", "hello"]') in logged
    assert ("out", first, '[8,"news","hello"]') in logged
    assert ("out", second, '[8,"news","hello"]') in logged
    assert ("in", first, "closed") in logged
