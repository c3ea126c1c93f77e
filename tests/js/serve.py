"""A server for clients in other processes: the demo, and an application that does what it is told.

``python serve.py [PORT]`` serves on 127.0.0.1 and, where there is IPv6, on the same port of ::1. It
prints the port as its first line and ends at SIGTERM.
"""

from __future__ import annotations

import socket
import sys

from twisted.internet.defer import inlineCallbacks

from ratchet_py import App
from ratchet_py.demo import mount
from ratchet_py.errors import CallError
from ratchet_py.wamp import Authenticator, Authorizer, Rule, User, WampServerInterface


class Obedient(WampServerInterface):
    """Answers each call as the name of the procedure says; passes on what is published."""

    def onOpen(self, conn): ...

    def onClose(self, conn): ...

    def onError(self, conn, exc): ...

    def onSubscribe(self, conn, topic): ...

    def onUnSubscribe(self, conn, topic): ...

    def onPublish(self, conn, topic, event, exclude, eligible):
        topic.broadcast(event, exclude, eligible)

    def onCall(self, conn, id, topic, params):
        procedure = str(topic).rpartition("/")[2]
        if procedure == "params":
            return {"params": params, "uri": str(topic)}
        if procedure == "com.example.add":
            return sum(params)
        if procedure == "nothing":
            return conn.callResult(id, None)
        if procedure == "whoami":
            return conn.WAMP.sessionId
        if procedure == "subscriptions":
            return [str(topic) for topic in conn.WAMP.subscriptions]
        if procedure == "announce":
            conn.prefix(*params)
            return True
        if procedure == "never":
            return None
        if procedure == "drop":
            return conn.abort()
        if procedure == "bye":
            return conn.close(params[0], "bye")
        raise CallError("http://example.com/error#refused", "not today", {"params": params})


class Room(Obedient):
    """Says "go" to the topic ``com.example.room.N`` when there are N; echoes calls."""

    def onSubscribe(self, conn, topic):
        if len(topic) == int(str(topic).rpartition(".")[2]):
            topic.broadcast({"go": True})

    def onCall(self, conn, id, topic, params):
        return params


class Secured(Obedient):
    """Says who the client is."""

    def onCall(self, conn, id, topic, params):
        return [conn.WAMP.authid, conn.WAMP.authrole, conn.WAMP.authmethod]


USERS = [
    User("joe", "member", secret="geheim", ticket="a ticket"),
    User.salted("ann", "her password", "admin", iterations=1000),
]


@inlineCallbacks
def listen(app, port):
    (v4,) = yield app.listen(f"tcp:{port}:interface=127.0.0.1")
    port = v4.getHost().port
    if hasIPv6():
        yield app.listen(f"tcp:{port}:interface=\\:\\:1")
    print(port, flush=True)


def hasIPv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def main():
    from twisted.internet import reactor

    from ratchet_py.server.shutdown import closeOnShutdown

    app = App(None)
    app.route("/test", Obedient(), ["*"])
    app.route("/room", Room(), ["*"])
    auth = Authenticator(USERS, delay=0.05)
    app.route("/secured", Authorizer(Secured(), [Rule("whoami")]), ["*"], auth=auth)
    mount(app)
    listen(app, int(sys.argv[1]) if len(sys.argv) > 1 else 0).addErrback(
        lambda failure: (print(failure, file=sys.stderr), reactor.stop())
    )
    closeOnShutdown(reactor, app.close, app.abort)
    reactor.run()


if __name__ == "__main__":
    main()
