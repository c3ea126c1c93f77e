"""The applications that the vectors are played with, each at its path."""

from __future__ import annotations

from ratchet_py import App, MessageComponentInterface
from ratchet_py.http import Route
from ratchet_py.wamp import WampServerInterface
from ratchet_py.websocket import WsServer


class Acts(MessageComponentInterface):
    """``/echo``: echoes, fails when it is told ``fail``, closes when it is told ``close``.

    Told ``close bye``, it says that after it has closed.
    ``/any`` does so for any host and any page.
    """

    def onOpen(self, conn):
        pass

    def onMessage(self, conn, msg):
        if msg == "fail":
            raise ValueError("as it was told")
        if msg in ("close", "close bye"):
            conn.close()
        if msg != "close":
            conn.send(msg)

    def onClose(self, conn):
        pass

    def onError(self, conn, exc):
        conn.send(f"error: {exc}")


class Chat(Acts):
    """``/chat`` and ``/lenient``: the same, with subprotocols."""

    def getSubProtocols(self):
        return ["chat.v2", "chat"]


class Wamp(WampServerInterface):
    """``/wamp``: answers calls by the name of the procedure, and tells of subscriptions."""

    def onCall(self, conn, id, topic, params):
        match str(topic):
            case "params":
                conn.callResult(id, params)
            case "nothing":
                conn.callResult(id)
            case "silent":
                pass
            case "described":
                conn.callError(id, topic, "what went wrong")
            case "detailed":
                conn.callError(id, "http://example.com/error", "what went wrong", {"more": 1})
            case _:
                conn.callError(id, topic)

    def onSubscribe(self, conn, topic):
        if str(topic) == "told":
            topic.broadcast("subscribed")

    def onUnSubscribe(self, conn, topic):
        if str(topic) == "told":
            topic.broadcast("unsubscribed")

    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event, exclude, eligible)

    def onOpen(self, conn):
        pass

    def onClose(self, conn):
        pass

    def onError(self, conn, exc):
        conn.close()


def serve(reactor):
    """An App that has all of them, for pages of localhost; it does not listen yet."""
    app = App("localhost", 0, reactor=reactor)
    app.route("/echo", Acts())
    app.routes.add("any", Route("/any", WsServer(Acts())))
    app.route("/chat", Chat())
    app.route("/lenient", Chat()).component.setStrictSubProtocolCheck(False)
    app.route("/wamp", Wamp())
    return app
