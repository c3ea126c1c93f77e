"""A guest of a room that is Autobahn's client in Python; see room.mjs.

``python room.py twisted|asyncio URL SIZE``
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys

NUMBERS = [1, -1.5, 3_000_000_000, None]


async def visit(session, framework, size, newFuture, fire):
    name = f"autobahn-python {framework}"
    topic = f"com.example.room.{size}"
    heard = set()
    started, complete = newFuture(), newFuture()

    def onEvent(event):
        if "go" in event:
            fire(started)
            return
        assert event == {"from": event["from"], "numbers": NUMBERS}, event
        assert event["from"] not in heard, f"heard {event['from']} twice"
        heard.add(event["from"])
        if len(heard) == size - 1:
            fire(complete)

    await session.subscribe(onEvent, topic)
    await started
    session.publish(topic, {"from": name, "numbers": NUMBERS})
    await complete
    me = {"i": "am", "name": name}
    assert await session.call("com.example.echo", me) == me
    # Autobahn takes stdout for its log.
    print(json.dumps({"name": name, "heard": sorted(heard)}), file=sys.__stdout__, flush=True)
    session.leave()


def main():
    framework, url, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    autobahn = importlib.import_module(f"autobahn.{framework}.component")
    if framework == "twisted":
        from twisted.internet.defer import Deferred

        futures = (Deferred, lambda future: future.callback(None))
    else:
        futures = (
            lambda: asyncio.get_running_loop().create_future(),
            lambda future: future.set_result(None),
        )
    component = autobahn.Component(
        transports=[
            {
                "type": "websocket",
                "url": url,
                "serializers": ["msgpack", "cbor", "json"],
                "max_retries": 0,
            }
        ],
        realm="realm1",
    )

    @component.on_join
    async def joined(session, details):
        await visit(session, framework, size, *futures)

    autobahn.run([component], log_level="error")


if __name__ == "__main__":
    main()
