"""What every server of the benchmark that is written in Python does alike."""

import os
import sys
import threading

# Connections that wait to be accepted: none of the peers is to lose one to a short queue.
BACKLOG = 4096


def app() -> str:
    """Which application is to be served: the one argument."""
    return sys.argv[1]


def announce(port: int) -> None:
    """Tell the benchmark where we listen, and end when it does, however that comes."""
    print("PORT", port, flush=True)
    threading.Thread(target=_endWithParent, daemon=True).start()


def _endWithParent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)
