"""The example of the README, by both of the ways to serve it."""

import pytest
import pytest_twisted


@pytest.mark.parametrize("how", ["python", "twistd"])
@pytest_twisted.ensureDeferred
async def test_a_publication_reaches_all_subscribers(serve, connect, how):
    port = serve("open_pubsub.py", how).port
    clients = [await connect(port, "/pubsub", "wamp") for _ in range(2)]
    for client in clients:
        kind, sessionId, version, _ = await client.nextJson()
        assert (kind, version) == (0, 1)
        assert isinstance(sessionId, str)
        await client.subscribe("news")
    one, two = clients

    two.sayJson(7, "news", {"from": 2})
    assert await one.nextJson() == [8, "news", {"from": 2}]
    assert await two.nextJson() == [8, "news", {"from": 2}]


@pytest_twisted.ensureDeferred
async def test_a_call_is_answered_with_an_error(serve, connect):
    client = await connect(serve("open_pubsub.py").port, "/pubsub", "wamp")
    await client.next()

    client.sayJson(2, "id", "http://example.com/add", 1, 2)
    kind, id, *error = await client.nextJson()
    assert (kind, id) == (4, "id")
    assert "RPC not supported on this demo" in error


@pytest_twisted.ensureDeferred
async def test_stopping_it_tells_the_client_that_the_server_goes_away(serve, connect):
    server = serve("open_pubsub.py")
    client = await connect(server.port, "/pubsub", "wamp")

    from twisted.internet.threads import deferToThread

    await deferToThread(server.stop)
    assert await client.closed == 1001
    assert server.status == 0
