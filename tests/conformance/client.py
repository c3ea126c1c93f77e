"""The client that the conformance suite's server talks to: it echoes, on every default.

    python client.py ws://127.0.0.1:9001 asked.json

Runs the cases that the file lists, and has the report written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from ratchet_py.client import BackOff, ConnectionClosed, ReconnectingClient, connect

AGENT = "ratchet_py"


async def run(url: str, cases: list[str]) -> None:
    # The server may take a moment to listen.
    ready = ReconnectingClient(f"{url}/getCaseCount", backOff=BackOff(factor=1)).start()
    await ready.whenOpen()
    await ready.stop()
    for case in cases:
        conn = await connect(f"{url}/runCase?casetuple={quote(case)}&agent={AGENT}")
        try:
            async for message in conn:
                conn.send(message)
        except ConnectionClosed:
            # Most cases break the protocol, and then it ends with an error.
            pass
    conn = await connect(f"{url}/updateReports?agent={AGENT}")
    await conn.whenClosed()


if __name__ == "__main__":
    url, file = sys.argv[1:]
    cases = json.loads(Path(file).read_text())
    react(lambda _: Deferred.fromCoroutine(run(url, cases)))
