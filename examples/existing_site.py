"""A site of twisted.web, whose pages are a Flask application's, gets a WebSocket at ``/echo``.

Start it with ``python existing_site.py`` (it wants Flask).
"""

from flask import Flask
from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.wsgi import WSGIResource

from ratchet_py.http import OriginCheck
from ratchet_py.server import EchoServer
from ratchet_py.twisted_web import RatchetResource
from ratchet_py.websocket import WsServer

flask = Flask(__name__)


@flask.get("/pages/<name>")
def page(name):
    return f"This is {name}\n"


class Root(Resource):
    """Has its children, and Flask for every other path."""

    def __init__(self, flask):
        super().__init__()
        self.flask = WSGIResource(reactor, reactor.getThreadPool(), flask)

    def getChild(self, name, request):
        # Flask is to see the whole path.
        request.prepath.pop()
        request.postpath.insert(0, name)
        return self.flask


echo = RatchetResource(OriginCheck(WsServer(EchoServer()), ["localhost"]))
root = Root(flask)
root.putChild(b"echo", echo)

reactor.listenTCP(8080, Site(root), interface="127.0.0.1")
# The site does not wait for these clients when it ends.
reactor.addSystemEventTrigger("before", "shutdown", echo.close)
reactor.run()
