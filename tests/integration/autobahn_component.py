"""A component of Autobahn's that says who it is, and what came of it as a line of JSON.

``python autobahn_component.py twisted|asyncio URL SERIALIZER AUTHENTICATION``
"""

from __future__ import annotations

import importlib
import json
import sys


def main():
    framework, url, serializer, authentication = sys.argv[1:]
    autobahn = importlib.import_module(f"autobahn.{framework}.component")
    transport = {"type": "websocket", "url": url, "serializers": [serializer], "max_retries": 0}
    component = autobahn.Component(
        transports=[transport], realm="realm1", authentication=json.loads(authentication)
    )

    def say(**what):
        # Autobahn takes stdout for its log.
        print(json.dumps(what), file=sys.__stdout__, flush=True)

    @component.on_join
    async def joined(session, details):
        told = [details.authid, details.authrole, details.authmethod]
        say(told=told, known=await session.call("whoami"))
        session.leave()

    @component.on_leave
    def left(session, details):
        say(left=details.reason)

    autobahn.run([component], log_level="critical")


if __name__ == "__main__":
    main()
