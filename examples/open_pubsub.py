"""An open pub/sub: whatever anybody publishes reaches all who have subscribed.

Start it with ``python open_pubsub.py`` or ``twistd -n ratchet --app open_pubsub.py``.
"""

from ratchet_py import App
from ratchet_py.wamp import WampServerInterface


class BasicPubSub(WampServerInterface):
    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event)

    def onCall(self, conn, id, topic, params):
        conn.callError(id, topic, "RPC not supported on this demo")

    def onSubscribe(self, conn, topic): ...
    def onUnSubscribe(self, conn, topic): ...
    def onOpen(self, conn): ...
    def onClose(self, conn): ...
    def onError(self, conn, exc): ...


app = App("localhost")
app.route("/pubsub", BasicPubSub())
app.run()
