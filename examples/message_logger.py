"""A layer of one's own: logs every message in and out, those of a broadcast included.

Start it with ``python message_logger.py``: it is the open pub/sub with a log.
"""

import logging

from ratchet_py import AbstractConnectionDecorator, App, Component
from ratchet_py.wamp import WampServer, WampServerInterface
from ratchet_py.websocket import WsServer

incoming = logging.getLogger("ratchet.in")
outgoing = logging.getLogger("ratchet.out")


class LoggedConnection(AbstractConnectionDecorator):
    """What the layers above send passes through here."""

    __slots__ = ()

    def send(self, data):
        outgoing.info("%s: %s", self.resourceId, data)
        super().send(data)
        return self

    def close(self, code=None, reason=""):
        outgoing.info("%s: close %s", self.resourceId, code)
        super().close(code, reason)


class MessageLogger(Component):
    """Goes between ``WsServer`` and ``WampServer``, or whatever application is there."""

    def wrap(self, conn):
        return LoggedConnection(conn)

    def onOpen(self, conn):
        incoming.info("%s: open from %s", conn.resourceId, conn.remoteAddress)
        return super().onOpen(conn)

    def onMessage(self, conn, msg):
        incoming.info("%s: %s", conn.resourceId, msg)
        return super().onMessage(conn, msg)

    def onClose(self, conn):
        incoming.info("%s: closed", conn.resourceId)
        return super().onClose(conn)


class PubSub(WampServerInterface):
    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event, exclude, eligible)

    def onCall(self, conn, id, topic, params):
        conn.callError(id, topic, "RPC not supported on this demo")

    def onSubscribe(self, conn, topic): ...

    def onUnSubscribe(self, conn, topic): ...

    def onOpen(self, conn): ...

    def onClose(self, conn): ...

    def onError(self, conn, exc): ...


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    app = App("localhost")
    app.route("/pubsub", WsServer(MessageLogger(WampServer(PubSub()))))
    app.run()
