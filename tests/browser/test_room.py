"""Clients of both versions of WAMP, all unmodified, in one room."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
JS = HERE.parent / "js"
SIZE = 11


@pytest.fixture
def start():
    """Start a process; it is killed at the end, if it has not ended."""
    processes = []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def start(*arguments, **variables):
        process = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, **variables},
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_all_in_one_room(node, chromium, start):
    """Each publishes, every other one receives, each calls: what, says ../js/room.mjs."""
    server = start(sys.executable, JS / "serve.py")
    url = f"ws://127.0.0.1:{int(server.stdout.readline())}/room"
    guests = [
        start(node.program, JS / "room.mjs", url, SIZE),
        start(node.program, HERE / "room.mjs", url, SIZE, RATCHET_CHROMIUM=chromium),
        start(sys.executable, JS / "room.py", "twisted", url, SIZE),
        start(sys.executable, JS / "room.py", "asyncio", url, SIZE),
    ]

    said = {}
    for guest in guests:
        output, _ = guest.communicate(timeout=180)
        assert guest.returncode == 0, guest.args
        lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        said.update((line["name"], line["heard"]) for line in lines if "heard" in line)

    assert sorted(said) == [
        "autobahn cbor",
        "autobahn json",
        "autobahn msgpack",
        "autobahn-browser",
        "autobahn-python asyncio",
        "autobahn-python twisted",
        "ratchet.js",
        "wamp1",
        "wampy cbor",
        "wampy json",
        "wampy msgpack",
    ]
    for name, heard in said.items():
        assert heard == sorted(set(said) - {name})
