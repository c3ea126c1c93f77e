"""A guest of a room that is Autobahn's client in Python; see room.mjs.

``python room.py twisted|asyncio URL SIZE``
"""

from __future__ import annotations

import json
import sys

FRAMEWORK, URL, SIZE = sys.argv[1], sys.argv[2], int(sys.argv[3])
TOPIC = f"com.example.room.{SIZE}"
NUMBERS = [1, -1.5, 3_000_000_000, None]

if FRAMEWORK == "twisted":
    from autobahn.twisted.component import Component, run
    from twisted.internet.defer import Deferred as Future
else:
    import asyncio

    from autobahn.asyncio.component import Component, run

    def Future():
        return asyncio.get_running_loop().create_future()


def fire(future):
    if FRAMEWORK == "twisted":
        future.callback(None)
    else:
        future.set_result(None)


component = Component(
    transports=[
        {
            "type": "websocket",
            "url": URL,
            "serializers": ["msgpack", "cbor", "json"],
            "max_retries": 0,
        }
    ],
    realm="realm1",
)


@component.on_join
async def joined(session, details):
    name = f"autobahn-python {FRAMEWORK}"
    heard = set()
    started, complete = Future(), Future()

    def onEvent(event):
        if "go" in event:
            fire(started)
            return
        assert event == {"from": event["from"], "numbers": NUMBERS}, event
        assert event["from"] not in heard
        heard.add(event["from"])
        if len(heard) == SIZE - 1:
            fire(complete)

    await session.subscribe(onEvent, TOPIC)
    await started
    session.publish(TOPIC, {"from": name, "numbers": NUMBERS})
    await complete
    me = {"i": "am", "name": name}
    assert await session.call("com.example.echo", me) == me
    # Autobahn takes stdout for its log.
    print(json.dumps({"name": name, "heard": sorted(heard)}), file=sys.__stdout__, flush=True)
    session.leave()


run([component], log_level="error")
