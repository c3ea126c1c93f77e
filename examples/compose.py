"""The stack that ``App`` builds, put together by hand and served on a Twisted endpoint.

Start it with ``python compose.py``.
"""

from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString

from ratchet_py import MessageComponentInterface
from ratchet_py.http import HttpServer, OriginCheck, Route, RouteCollection, Router
from ratchet_py.server import IoServer, IpBlackList
from ratchet_py.websocket import WsServer


class Rooms(MessageComponentInterface):
    """A chat with a room for each path below ``/chat``."""

    def __init__(self):
        self.rooms = {}

    def onOpen(self, conn):
        conn.room = conn.httpRequest.query["room"]
        self.rooms.setdefault(conn.room, set()).add(conn)

    def onMessage(self, conn, msg):
        for client in self.rooms[conn.room]:
            client.send(msg)

    def onClose(self, conn):
        room = self.rooms[conn.room]
        room.discard(conn)
        if not room:
            del self.rooms[conn.room]

    def onError(self, conn, exc):
        conn.close()


def stack(reactor):
    chat = WsServer(Rooms())
    chat.enableKeepAlive(reactor, 30)

    routes = RouteCollection()
    checked = OriginCheck(chat, ["localhost"])
    routes.add("chat", Route("/chat/{room}", checked, requirements={"room": "[a-z]+"}))

    blackList = IpBlackList(HttpServer(Router(routes)))
    blackList.blockAddress("192.0.2.0/24")
    return IoServer(blackList, reactor)


async def main(reactor):
    endpoint = serverFromString(reactor, "tcp:8080:interface=127.0.0.1")
    await endpoint.listen(stack(reactor))
    await Deferred()  # serve until Ctrl-C


if __name__ == "__main__":
    task.react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
