"""The server that the conformance suite talks to: an echo on every default.

Serves until it is ended, and says in one line which port it has been given.
"""

from __future__ import annotations

from ratchet_py.http import HttpServer
from ratchet_py.server import EchoServer, IoServer
from ratchet_py.websocket import WsServer


def main() -> None:
    server = IoServer.factory(HttpServer(WsServer(EchoServer())), 0, "127.0.0.1")
    print(server.ports[0].getHost().port, flush=True)
    server.run()


if __name__ == "__main__":
    main()
