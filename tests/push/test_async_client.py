"""The client for asyncio, in an event loop of its own."""

from __future__ import annotations

import asyncio
import json

import pytest

from ratchet_py.push import AsyncPushClient, PushRefused
from tests.push.test_client import answer, serve

__all__ = ["serve"]


def test_pushes_are_sent_in_their_order(serve):
    server = serve(*[answer()] * 20, answer(body='{"nodes": [1, 2], "confirmed": true}'))

    async def program():
        async with AsyncPushClient(server.url, secret="secret") as client:
            pushed = await asyncio.gather(*(client.push("news", n, path="/p") for n in range(20)))
            events = [{"topic": "a", "event": 1}, {"topic": "b", "event": 2}]
            return pushed, await client.pushAll(events)

    pushed, all_ = asyncio.run(program())
    assert pushed == [(1, True)] * 20
    assert all_.nodes == [1, 2]
    events = [json.loads(body) for _, body in server.requests[:20]]
    assert events == [{"topic": "news", "event": n, "path": "/p"} for n in range(20)]
    assert server.connections == 1


def test_a_refusal(serve):
    server = serve(answer(403, "not you"))

    async def program():
        async with AsyncPushClient(server.url, "token") as client:
            with pytest.raises(PushRefused, match="403: not you"):
                await client.push("news", 1)

    asyncio.run(program())


def test_who_does_not_wait_for_their_turn_sends_nothing(serve):
    server = serve(answer(), answer())

    async def program():
        async with AsyncPushClient(server.url, "token") as client:
            first = asyncio.ensure_future(client.push("news", 1))
            second = asyncio.ensure_future(client.push("news", 2))
            third = asyncio.ensure_future(client.push("news", 3))
            await asyncio.sleep(0)
            second.cancel()
            await asyncio.gather(first, third)
            assert second.cancelled()

    asyncio.run(program())
    assert [json.loads(body)["event"] for _, body in server.requests] == [1, 3]


def test_the_arguments_of_the_synchronous_one():
    with pytest.raises(ValueError, match="URL"):
        AsyncPushClient("nowhere", token="token")
