"""A chat that knows its visitors by the session of a site in PHP.

Start it with ``python sessions.py``, as the user that PHP runs as. A page of the site, on the same
host, connects to ``ws://localhost:8080/chat`` and sends its cookie of itself. The site has said
``$_SESSION["name"] = "Ann"``.
"""

import os

from ratchet_py import App, HttpError, MessageComponentInterface
from ratchet_py.session import NativeFileSessionHandler, SessionProvider
from ratchet_py.websocket import WsServer


class Chat(MessageComponentInterface):
    def __init__(self):
        self.clients = set()

    def onOpen(self, conn):
        self.clients.add(conn)
        conn.send(f"Welcome, {conn.Session.get('name')}!")

    def onMessage(self, conn, msg):
        for client in self.clients - {conn}:
            client.send(f"{conn.Session.get('name')}: {msg}")

    def onClose(self, conn):
        self.clients.discard(conn)

    def onError(self, conn, exc):
        conn.close()


def loggedIn(request):
    if not request.session.has("name"):
        raise HttpError(403, "log in first")


handler = NativeFileSessionHandler(os.environ.get("SAVE_PATH", "/var/lib/php/sessions"))

if __name__ == "__main__":
    app = App("localhost", 8080)
    chat = WsServer(Chat(), authenticate=loggedIn)
    app.route("/chat", SessionProvider(chat, handler, {"name": "PHPSESSID"}))
    app.run()
