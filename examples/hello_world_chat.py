"""A chat over raw sockets: what one says, all the others read.

Start it with ``python hello_world_chat.py``, then ``telnet localhost 8080`` in two windows.
"""

from ratchet_py import MessageComponentInterface
from ratchet_py.server import IoServer


class Chat(MessageComponentInterface):
    def __init__(self):
        self.clients = set()

    def onOpen(self, conn):
        self.clients.add(conn)
        print(f"New connection! ({conn.resourceId})")

    def onMessage(self, conn, msg):
        for client in self.clients:
            if client is not conn:
                client.send(msg)

    def onClose(self, conn):
        self.clients.discard(conn)
        print(f"Connection {conn.resourceId} has disconnected")

    def onError(self, conn, exc):
        print(f"An error has occurred: {exc}")
        conn.close()


if __name__ == "__main__":
    server = IoServer.factory(Chat(), 8080)
    server.run()
