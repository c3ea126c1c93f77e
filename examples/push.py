"""A site's pages hear of new articles: the site pushes them here, the pages subscribe.

Start it with ``python push.py``. In the folder ``push`` are ways in which a site can push.
"""

from ratchet_py import App, NotAuthorized
from ratchet_py.push import PushCredentials, PushResource
from ratchet_py.wamp import WampServerInterface


class Pusher(WampServerInterface):
    """Clients may subscribe, and nothing else: what is pushed comes from the site."""

    def onPublish(self, conn, topic, event, exclude, eligible):
        conn.close()

    def onCall(self, conn, id, topic, params):
        raise NotAuthorized

    def onPush(self, topic, article):
        if not article.get("title"):
            raise NotAuthorized("an article has a title")
        return {**article, "category": str(topic)}

    def onSubscribe(self, conn, topic): ...

    def onUnSubscribe(self, conn, topic): ...

    def onOpen(self, conn): ...

    def onClose(self, conn): ...

    def onError(self, conn, exc): ...


app = App("localhost")
app.route("/pubsub", Pusher())
# Choose others, and keep them where passwords are kept.
credentials = PushCredentials(token="kitten-token", secret="kitten secret")
app.route("/publish", PushResource(app, credentials))
app.run()
