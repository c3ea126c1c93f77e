"""A site's pages hear of new articles: the site posts to ``/publish``, the pages subscribe.

Start it with ``python push.py``; then, as the site would do when an article is saved::

    curl --json '{"category": "kittens", "title": "Look!"}' http://localhost:8080/publish
"""

import json

from twisted.web.resource import Resource

from ratchet_py import App, NotAuthorized
from ratchet_py.wamp import WampServerInterface


class Pusher(WampServerInterface):
    """Clients may subscribe, and nothing else: what is pushed comes from the site."""

    def onPublish(self, conn, topic, event, exclude, eligible):
        conn.close()

    def onCall(self, conn, id, topic, params):
        raise NotAuthorized

    def onSubscribe(self, conn, topic): ...

    def onUnSubscribe(self, conn, topic): ...

    def onOpen(self, conn): ...

    def onClose(self, conn): ...

    def onError(self, conn, exc): ...


class Publish(Resource):
    """Takes an article as JSON and shows it to everybody who has subscribed to its category."""

    isLeaf = True

    def render_POST(self, request):
        entry = json.load(request.content)
        app.topic("/pubsub", entry["category"]).broadcast(entry)
        request.setResponseCode(202)
        return b"on its way\n"


app = App("localhost")
app.route("/pubsub", Pusher())
app.route("/publish", Publish())
app.run()
