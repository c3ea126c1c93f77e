"""Crossbar: a node of its own, with one router worker in which the callee is embedded.

That is the fastest that its documentation has: a call is answered without leaving the worker. The
figures are of all its processes, of which the worker is the one that works.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from serving import BACKLOG, app

REALM = "benchmark"
START = 25.0


def configuration(port):
    allow = dict.fromkeys(("call", "register", "publish", "subscribe"), True)
    everything = {"uri": "", "match": "prefix", "allow": allow, "cache": True}
    return {
        "version": 2,
        "workers": [
            {
                "type": "router",
                "options": {"pythonpath": [str(Path(__file__).parent)]},
                "realms": [
                    {
                        "name": REALM,
                        "roles": [{"name": "anonymous", "permissions": [everything]}],
                    }
                ],
                # Started before the transports: once the port answers, the procedure is there.
                "components": [
                    {
                        "type": "class",
                        "classname": "crossbar_component.Callee",
                        "realm": REALM,
                        "role": "anonymous",
                    }
                ],
                "transports": [
                    {
                        "type": "websocket",
                        "endpoint": {
                            "type": "tcp",
                            "interface": "127.0.0.1",
                            "port": port,
                            "backlog": BACKLOG,
                        },
                        "serializers": ["json"],
                    }
                ],
            }
        ],
    }


def freePort():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait(process, port):
    until = time.monotonic() + START
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("Crossbar does not listen")


assert app() == "wamp2"
command = os.environ.get("CROSSBAR") or shutil.which("crossbar")
with tempfile.TemporaryDirectory() as folder:
    port = freePort()
    Path(folder, "config.json").write_text(json.dumps(configuration(port)))
    # Its workers stay in its group, so that all can be ended.
    node = subprocess.Popen(
        [command, "start", "--cbdir", folder, "--loglevel", "warn"],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
    )
    try:
        wait(node, port)
        print("PORT", port, flush=True)
        sys.stdin.buffer.read()
    finally:
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()
