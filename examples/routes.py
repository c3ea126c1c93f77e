"""Several applications at several paths of one server.

Start it with ``python routes.py``; a page of http://localhost may open ``ws://localhost:8080/chat``
and ``ws://localhost:8080/room/kitchen``, and any program ``ws://localhost:8080/echo``.
"""

from hello_world_chat import Chat

from ratchet_py import App, MessageComponentInterface
from ratchet_py.server import EchoServer


class Rooms(MessageComponentInterface):
    """A chat for each room; the route's placeholder says which."""

    def __init__(self):
        self.rooms = {}

    def onOpen(self, conn):
        conn.room = conn.httpRequest.query["room"]
        self.rooms.setdefault(conn.room, Chat()).onOpen(conn)

    def onMessage(self, conn, msg):
        self.rooms[conn.room].onMessage(conn, msg)

    def onClose(self, conn):
        chat = self.rooms[conn.room]
        chat.onClose(conn)
        if not chat.clients:
            del self.rooms[conn.room]

    def onError(self, conn, exc):
        conn.close()


app = App("localhost")
app.route("/chat", Chat())
app.route("/room/{room}", Rooms())
app.route("/echo", EchoServer(), ["*"])
app.run()
