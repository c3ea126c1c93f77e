"""Who has subscribed to a topic, and who is told when that changes."""

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from ratchet_py.errors import NotAuthorized
from ratchet_py.wamp import Authorizer, Component, WampServer
from ratchet_py.wamp.users import Accepted


class Watching(Component):
    """Watches every topic but those that begin with a dot, and notes what it is told."""

    def __init__(self, onSubscribe=None, onPresence=None):
        super().__init__()
        self.told = []
        self._onSubscribe = onSubscribe
        self._onPresence = onPresence

    def onSubscribe(self, conn, topic):
        self.told.append(("subscribe", str(topic)))
        if not str(topic).startswith("."):
            topic.enablePresence()
        return self._onSubscribe(conn, topic) if self._onSubscribe else None

    def onUnSubscribe(self, conn, topic):
        self.told.append(("unsubscribe", str(topic)))

    def onClose(self, conn):
        self.told.append("close")

    def onError(self, conn, exc):
        self.told.append(("error", type(exc)))

    def onPresence(self, conn, topic, event, session):
        self.told.append((event, str(topic), session["authid"]))
        assert session["sessionId"] == conn.WAMP.sessionId
        if self._onPresence:
            self._onPresence(conn, topic, event, session)


@pytest.fixture
def watched():
    """A server, and its application: ``watched(onSubscribe=...)``."""

    def watched(**callbacks):
        app = Watching(**callbacks)
        return WampServer(app), app

    return watched


@pytest.fixture
def join(connect):
    """A client of that name: ``join(server, "ann")``."""

    def join(server, name):
        client = connect(server)
        client.conn.WAMP.authenticated(Accepted(name, "member", "ticket"))
        return client

    return join


def test_coming_and_going(watched, join):
    server, app = watched()
    ann = join(server, "ann").say(5, "t").say(5, "t")
    joe = join(server, "joe").say(5, "t")
    ann.say(6, "t").say(6, "t")
    joe.leave()
    assert app.told == [
        ("subscribe", "t"),
        ("join", "t", "ann"),
        ("subscribe", "t"),
        ("join", "t", "joe"),
        ("leave", "t", "ann"),
        ("unsubscribe", "t"),
        "close",
        ("leave", "t", "joe"),
    ]


def test_who_is_there(watched, join):
    server, _ = watched()
    ann, joe = join(server, "ann").say(5, ".t"), join(server, "joe").say(5, ".t")
    topic = server.topic(".t")
    assert topic.sessions() == [
        {"sessionId": ann.id, "authid": "ann", "authrole": "member"},
        {"sessionId": joe.id, "authid": "joe", "authrole": "member"},
    ]
    joe.leave()
    assert [each["authid"] for each in topic.sessions()] == ["ann"]
    ann.leave()
    assert topic.sessions() == []


def test_a_topic_that_is_not_watched_tells_nothing(watched, join):
    server, app = watched()
    join(server, "ann").say(5, ".t").leave()
    assert app.told == [("subscribe", ".t"), "close"]


def test_what_is_told_can_be_sent(watched, join):
    server, _ = watched(
        onPresence=lambda conn, topic, event, session: topic.broadcast(
            [event, session], exclude=[session["sessionId"]]
        )
    )
    ann = join(server, "ann").say(5, "t")
    joe = join(server, "joe").say(5, "t")
    details = {"sessionId": joe.id, "authid": "joe", "authrole": "member"}
    joe.leave()
    assert ann.heard() == [[8, "t", ["join", details]], [8, "t", ["leave", details]]]


def test_who_is_refused_has_not_come(watched, join):
    def refuse(conn, topic):
        raise NotAuthorized

    server, app = watched(onSubscribe=refuse)
    join(server, "ann").say(5, "t").leave()
    assert app.told == [("subscribe", "t"), "close"]


@pytest.mark.parametrize("allowed", [True, False])
def test_who_is_refused_late_has_not_come(watched, join, allowed):
    deciding = Deferred()
    server, app = watched(onSubscribe=lambda conn, topic: deciding)
    ann = join(server, "ann").say(5, "t")
    assert app.told == [("subscribe", "t")]
    if allowed:
        deciding.callback(None)
    else:
        deciding.errback(NotAuthorized())
    assert app.told[1:] == [("join", "t", "ann")] * allowed
    ann.leave()
    assert app.told[1 + allowed :] == ["close"] + [("leave", "t", "ann")] * allowed


@pytest.mark.parametrize("leaves", [True, False])
def test_who_leaves_before_it_is_decided_has_not_come(watched, join, leaves):
    deciding = Deferred()
    server, app = watched(onSubscribe=lambda conn, topic: deciding)
    ann = join(server, "ann").say(5, "t")
    if leaves:
        ann.leave()
    else:
        ann.say(6, "t")
    deciding.callback(None)
    assert app.told == [("subscribe", "t"), "close" if leaves else ("unsubscribe", "t")]


def test_on_subscribe_that_fails_leaves_the_subscription(watched, join):
    server, app = watched(onSubscribe=lambda conn, topic: 1 / 0)
    join(server, "ann").say(5, "t")
    assert app.told == [
        ("subscribe", "t"),
        ("join", "t", "ann"),
        ("error", ZeroDivisionError),
    ]


def test_whom_the_server_adds_has_come_and_whom_it_removes_has_gone(watched, join):
    server, app = watched()
    ann, joe = join(server, "ann").say(5, "t"), join(server, "joe")
    app.told.clear()
    server.topic("t").add(joe.conn).add(joe.conn).remove(ann.conn).remove(ann.conn)
    assert app.told == [("join", "t", "joe"), ("leave", "t", "ann")]


def test_who_was_there_before_has_not_come(watched, join):
    server, app = watched()
    ann = join(server, "ann").say(5, ".t")
    server.topic(".t").enablePresence().enablePresence()
    joe = join(server, "joe").say(5, ".t")
    server.topic(".t").enablePresence(False)
    joe.leave()
    server.topic(".t").enablePresence()
    ann.leave()
    assert [told for told in app.told if told[0] in ("join", "leave")] == [
        ("join", ".t", "joe"),
        ("leave", ".t", "ann"),
    ]


def test_it_ends_with_the_last_subscriber(watched, join):
    server, app = watched()
    ann = join(server, "ann").say(5, ".t")
    server.topic(".t").enablePresence()
    ann.say(6, ".t").say(5, ".t").leave()
    assert [told for told in app.told if told[0] in ("join", "leave")] == [("leave", ".t", "ann")]


def test_it_cannot_be_on_for_nobody(watched):
    server, _ = watched()
    with pytest.raises(LookupError, match="onSubscribe"):
        server.topic("t").enablePresence()
    assert server.topic("t").enablePresence(False) == server.topic("t")


def test_somebody_must_be_there_to_be_told(join):
    class Deaf(Watching):
        onPresence = None

    app = Deaf()
    join(WampServer(app), "ann").say(5, "t")
    assert app.told == [("subscribe", "t"), ("error", TypeError)]


def test_layers_between_pass_it_on(join):
    app = Watching()
    join(WampServer(Component(Authorizer(app, [], default=True))), "ann").say(5, "t")
    assert app.told == [("subscribe", "t"), ("join", "t", "ann")]


def test_a_layer_with_nothing_above_tells_nobody(join):
    server = WampServer(Component())
    ann = join(server, "ann").say(5, "t")
    server.topic("t").enablePresence()
    assert ann.say(6, "t").heard() == []


def test_on_presence_that_fails_is_reported_as_any_callback(watched, join):
    server, app = watched(onPresence=lambda *args: 1 / 0)
    with capturedLogs() as events:
        join(server, "ann").say(5, "t").leave()
    assert app.told == [
        ("subscribe", "t"),
        ("join", "t", "ann"),
        ("error", ZeroDivisionError),
        "close",
        ("leave", "t", "ann"),
        ("error", ZeroDivisionError),
    ]
    assert events == []
    assert server.topicManager.topics == server.topicManager.sessions == {}


def test_on_presence_may_show_somebody_out(watched, join):
    def bounce(conn, topic, event, session):
        if event == "join":
            topic.remove(conn)

    server, app = watched(onPresence=bounce)
    join(server, "ann").say(5, "t")
    assert app.told == [("subscribe", "t"), ("join", "t", "ann"), ("leave", "t", "ann")]
    assert server.topicManager.topics == {}
