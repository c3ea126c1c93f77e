"""Who may come in, who may do what, and who is there.

Start it with ``python authenticate.py``. ``ws://localhost:8080/ws`` speaks WAMP, both versions:
everybody may read, ``joe`` (secret "apple") and ``ann`` (password "pear") may sign in, and ann may
write. ``ws://localhost:8080/echo`` wants a cookie: ``Cookie: session=s3cr3t``.
"""

from ratchet_py import App, HttpError
from ratchet_py.server import EchoServer
from ratchet_py.wamp import Authenticator, Authorizer, Component, Rule, User

USERS = [
    User("joe", secret="apple", ticket="joe's ticket"),
    User.salted("ann", "pear", role="editor"),
]

SESSIONS = {"s3cr3t": "joe"}


def byCookie(request):
    """For the echo: the site's own login has set a cookie."""
    try:
        return SESSIONS[request.cookies["session"]]
    except KeyError:
        raise HttpError(401, "log in first", {"WWW-Authenticate": "Cookie"}) from None


async def ownInbox(conn, action, uri):
    """What a Rule cannot say: each user's own topic. It might ask a database."""
    if uri.startswith("inbox."):
        return conn.WAMP.authid is not None and uri == f"inbox.{conn.WAMP.authid}"
    return None


RULES = [
    Rule("whoami", actions={"call"}),
    Rule("news.", match="prefix", actions={"subscribe"}),
    Rule("news.", match="prefix", actions={"publish"}, role="editor"),
    ownInbox,
]


class News(Component):
    """The application: what reaches it is allowed."""

    def onSubscribe(self, conn, topic):
        topic.enablePresence()

    def onPresence(self, conn, topic, event, session):
        topic.broadcast({event: session["authid"]}, exclude=[session["sessionId"]])

    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast({"from": conn.WAMP.authid, "text": event}, exclude, eligible)

    def onCall(self, conn, id, topic, params):
        return {"authid": conn.WAMP.authid, "authrole": conn.WAMP.authrole}


app = App("localhost")
app.route("/ws", Authorizer(News(), RULES), auth=Authenticator(USERS, anonymous="reader"))
app.route("/echo", EchoServer(), authenticate=byCookie)
app.run()
