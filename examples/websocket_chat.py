"""The chat of ``hello_world_chat.py`` for browsers: the same class, two layers more.

Start it with ``python websocket_chat.py``, open http://localhost:8080/ in two windows, and type
into their JavaScript consoles::

    const conn = new WebSocket("ws://localhost:8080");
    conn.onmessage = (event) => console.log(event.data);
    conn.send("Hello World!");
"""

from hello_world_chat import Chat

from ratchet_py.http import HttpServer
from ratchet_py.server import IoServer
from ratchet_py.websocket import WsServer

if __name__ == "__main__":
    server = IoServer.factory(HttpServer(WsServer(Chat())), 8080)
    server.run()
