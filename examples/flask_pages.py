"""An App with the pages of a Flask application: what is posted to it reaches the WebSockets.

Start it with ``python flask_pages.py`` (it wants Flask), then::

    curl --json '{"title": "It works"}' http://localhost:8080/news
"""

from flask import Flask, request
from twisted.internet import reactor
from twisted.web.wsgi import WSGIResource

from ratchet_py import App, NotAuthorized
from ratchet_py.wamp import Component

flask = Flask(__name__)
app = App("localhost")


class News(Component):
    """Clients may subscribe, and nothing else."""

    def onPublish(self, conn, topic, event, exclude, eligible):
        raise NotAuthorized


@flask.get("/")
def index():
    return f"The news are at {request.url_root.replace('http', 'ws', 1)}live\n"


@flask.post("/news")
def publish():
    # Flask's functions run in threads, and ratchet_py, like Twisted, in the reactor's alone.
    reactor.callFromThread(app.topic("/live", "news").broadcast, request.get_json())
    return "on its way\n", 202


app.route("/live", News())
app.route("/", WSGIResource(reactor, reactor.getThreadPool(), flask))
app.run()
