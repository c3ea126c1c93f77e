"""The application of the porting guide: two bidders, and the site."""

import json
from urllib.request import Request, urlopen

import pytest_twisted


def offer(port, **lot):
    """What the site does."""
    body = json.dumps({"topic": "lots", "event": lot}).encode()
    headers = {"Authorization": "Bearer gavel-token", "Content-Type": "application/json"}
    with urlopen(Request(f"http://localhost:{port}/publish", body, headers)) as answer:
        return answer.status


@pytest_twisted.ensureDeferred
async def test_a_lot_goes_up_when_somebody_bids(serve, connect):
    port = serve("auction.py").port
    ann = await connect(port, "/auction?name=Ann", "wamp")
    joe = await connect(port, "/auction?name=Joe", "wamp")
    for client in (ann, joe):
        await client.next()
    await ann.subscribe("lots")

    assert offer(port, title="A clock", price=500, seconds=3600) == 202
    kind, topic, lot = await ann.nextJson()
    assert (kind, topic, lot["title"], lot["bidder"]) == (8, "lots", "A clock", None)
    for client in (ann, joe):
        client.sayJson(5, lot["id"])
        assert await client.nextJson() == [8, lot["id"], lot]

    ann.sayJson(2, "one", "bid", lot["id"], 600)
    ann.sayJson(2, "two", "bid", lot["id"], 601)
    ann.sayJson(2, "three", "bid", lot["id"])
    raised = lot | {"price": 600, "bidder": "Ann"}
    assert await joe.nextJson() == [8, lot["id"], raised]
    assert await ann.nextJson() == [3, "one", raised]
    assert await ann.nextJson() == [4, "two", "auction/too-low", "Bid 700 or more"]
    assert await ann.closed == 1000


@pytest_twisted.ensureDeferred
async def test_a_lot_whose_time_is_up_is_gone(serve, connect):
    port = serve("auction.py").port
    ann = await connect(port, "/auction?name=Ann", "wamp")
    await ann.next()
    await ann.subscribe("lots")
    offer(port, title="A hat", price=1, seconds=0)
    assert (await ann.nextJson())[2]["title"] == "A hat"

    lots = [...]
    while lots:
        ann.sayJson(2, "lots", "lots")
        lots = (await ann.nextJson())[2]
