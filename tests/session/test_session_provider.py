"""The layer: what happens to a client until its session is there, and if it does not come."""

from __future__ import annotations

import gc
import weakref

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.web.resource import Resource

from ratchet_py.errors import HttpError, LocalError
from ratchet_py.http import (
    HttpServer,
    HttpServerInterface,
    ResourceController,
    Route,
    RouteCollection,
    Router,
)
from ratchet_py.interfaces import MessageComponentInterface
from ratchet_py.limits import Limits
from ratchet_py.server import EchoServer, IoServer
from ratchet_py.session import (
    MalformedSession,
    PhpSessions,
    Session,
    SessionHandlerInterface,
    SessionProvider,
    SessionsInterface,
)
from ratchet_py.session.serialize import PhpBinaryHandler, PhpHandler
from ratchet_py.testing import RawClient, Wamp2Client, WampClient, WebSocketClient
from ratchet_py.wamp import Component, WampServer
from ratchet_py.websocket import WsServer


class Sessions(SessionsInterface):
    """What is found is what a test says."""

    name = "sid"

    def __init__(self, find=lambda cookie: Session({"name": cookie}, cookie, "sid")):
        self.asked = []
        self._find = find

    def find(self, cookie):
        self.asked.append(cookie)
        return self._find(cookie)


class Pending(Sessions):
    """What is found is found when a test says so."""

    def __init__(self):
        self.pending = []
        super().__init__(self._later)

    def _later(self, cookie):
        self.pending.append(Deferred())
        return self.pending[-1]


class Chat(MessageComponentInterface):
    """Writes down its events, and whose they are."""

    def __init__(self):
        self.events = []

    def onOpen(self, conn):
        self.events.append(("open", conn.Session.get("name")))

    def onMessage(self, conn, msg):
        self.events.append((msg, conn.Session.get("name")))
        conn.send(str(conn.Session.get("name")))

    def onClose(self, conn):
        self.events.append(("close", conn.Session.get("name")))

    def onError(self, conn, exc):
        raise exc


@pytest.fixture
def chat():
    return Chat()


@pytest.fixture
def serve(chat):
    """``serve(sessions)`` puts the chat on a whole stack."""

    def make(sessions, above=None, limits=Limits(), **options):  # noqa: B008
        above = WsServer(chat, **options) if above is None else above
        provider = SessionProvider(above, sessions, limits=limits)
        return IoServer(HttpServer(provider), Clock())

    return make


def client(server, cookie="sid=Ann"):
    return WebSocketClient(server, headers={} if cookie is None else {"Cookie": cookie})


@pytest.fixture
def lines():
    """The lines of the log."""
    found = []
    observer = lambda event: found.append(formatEvent(event))  # noqa: E731
    globalLogPublisher.addObserver(observer)
    yield found
    globalLogPublisher.removeObserver(observer)


# -- what is found ---------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [lambda session: session, succeed, None])
def test_the_session_is_there_before_on_open(answer, serve, chat):
    session = Session({"name": "Ann"})

    async def found():
        return session

    server = serve(Sessions(lambda cookie: found() if answer is None else answer(session)))
    ann = client(server)
    ann.send("hello")
    ann.disconnect()
    assert ann.received == ["Ann"]
    assert chat.events == [("open", "Ann"), ("hello", "Ann"), ("close", "Ann")]
    assert not server.loop.getDelayedCalls()


@pytest.mark.parametrize("cookie", [None, "other=1", "sid=", "sid"])
def test_who_has_no_cookie_is_not_looked_up(cookie, serve, chat):
    sessions = Sessions()
    nobody = client(serve(sessions), cookie)
    assert nobody.status == 101
    session = nobody.connection.Session
    assert (session.all(), session.getId(), session.getName()) == ({}, "", "sid")
    assert sessions.asked == []


def test_who_is_not_found_has_an_empty_one(serve, chat):
    sessions = Sessions(lambda cookie: None)
    nobody = client(serve(sessions))
    assert nobody.status == 101
    # No id: what a client has made up is none.
    assert nobody.connection.Session.getId() == ""
    assert sessions.asked == ["Ann"]


def test_authenticate_sees_it(serve, chat):
    def hook(request):
        return request.session.get("name") == "Ann"

    server = serve(Sessions(), authenticate=hook)
    assert client(server).status == 101
    assert client(server, "sid=Joe").status == 403
    assert client(server, None).status == 403
    assert client(server).connection.httpRequest.session.get("name") == "Ann"


def test_a_wamp_application_has_it(serve):
    class Names(Component):
        def onCall(self, conn, id, topic, params):
            return conn.Session.get("name")

    server = serve(Sessions(), WsServer(WampServer(Names())))
    for kind in (WampClient, Wamp2Client):
        ann = kind(server, headers={"Cookie": "sid=Ann"})
        assert ann.results[ann.call("name")] in ("Ann", ["Ann"])


def test_sessions_of_several_sites(chat):
    other = Sessions()
    other.name = "other"
    inner = SessionProvider(WsServer(chat), other)
    server = IoServer(HttpServer(SessionProvider(inner, Sessions())), Clock())
    # The one next to the application has the last word.
    assert client(server, "sid=Ann; other=Joe").connection.Session.get("name") == "Joe"


# -- while it is looked for ------------------------------------------------------------------------


def test_nothing_happens_to_a_client_before(serve, chat):
    sessions = Pending()
    server = serve(sessions)
    ann = client(server)
    ann.send("first")
    other = client(server, None)
    assert (ann.data, chat.events, other.status) == (b"", [("open", None)], 101)
    chat.events.clear()
    sessions.pending[0].callback(Session({"name": "Ann"}))
    ann.clock.advance(0)
    ann.send("second")
    assert ann.status == 101
    assert chat.events == [("open", "Ann"), ("first", "Ann"), ("second", "Ann")]


@pytest.mark.parametrize(
    "end", [lambda found: found.callback(Session()), lambda found: found.errback(OSError())]
)
def test_a_client_that_leaves_is_never_heard_of(end, serve, chat):
    sessions = Pending()
    server = serve(sessions, limits=Limits(sessionLookups=1))
    ann = client(server)
    ann.disconnect()
    assert not server.loop.getDelayedCalls()
    joe = client(server)
    assert len(sessions.pending) == 1
    end(sessions.pending[0])
    server.loop.advance(0)
    # The next one has its turn.
    sessions.pending[1].callback(Session({"name": "Joe"}))
    assert (ann.data, joe.status, chat.events) == (b"", 101, [("open", "Joe")])


def test_a_client_that_leaves_the_queue_is_not_looked_up(serve, chat):
    sessions = Pending()
    server = serve(sessions, limits=Limits(sessionLookups=1))
    clients = [client(server) for _ in range(3)]
    clients[1].disconnect()
    sessions.pending[0].callback(None)
    server.loop.advance(0)
    assert len(sessions.asked) == 2
    sessions.pending[1].callback(None)
    assert [each.status for each in clients] == [101, 0, 101]


def test_what_takes_too_long_is_503(serve, chat):
    sessions = Pending()
    server = serve(sessions, limits=Limits(sessionTimeout=3, sessionLookups=1))
    ann = client(server)
    server.loop.advance(2)
    joe = client(server)
    server.loop.advance(1)
    assert (ann.status, ann.headers["retry-after"]) == (503, "5")
    # The look-up of hers goes on, so his never began.
    server.loop.advance(2)
    assert joe.status == 503
    assert sessions.asked == ["Ann"]
    assert server.tally.exceeded == {"sessionTimeout": 2, "sessionLookups": 1}
    assert server.tally.refused == {503: 2}
    for each in (ann, joe):
        each.disconnect()
    sessions.pending[0].callback(Session({"name": "Ann"}))
    server.loop.advance(0)
    assert chat.events == []
    late = client(server, "sid=Eve")
    assert sessions.asked == ["Ann", "Eve"]
    sessions.pending[1].callback(None)
    assert late.status == 101


def test_no_more_at_a_time_than_the_limit(serve, chat):
    sessions = Pending()
    server = serve(sessions)
    clients = [client(server, f"sid={number}") for number in range(1000)]
    for number in range(1000):
        assert len(sessions.asked) == min(1000, number + 5)
        sessions.pending[number].callback(Session({"name": str(number)}))
        server.loop.advance(0)
    assert [each.status for each in clients] == [101] * 1000
    assert chat.events == [("open", str(number)) for number in range(1000)]


def test_a_thousand_that_wait_and_are_then_found_at_once(serve, chat):
    waiting = Deferred()
    sessions = Sessions(lambda cookie: waiting if cookie == "first" else None)
    server = serve(sessions, limits=Limits(sessionLookups=1))
    client(server, "sid=first")
    clients = [client(server) for _ in range(1000)]
    waiting.callback(None)
    for _ in range(1001):
        server.loop.advance(0)
    assert [each.status for each in clients] == [101] * 1000


def leave(ann, sessions):
    ann.disconnect()
    sessions.pending[0].callback(Session())


def wait(ann, sessions):
    ann.clock.advance(10)
    sessions.pending[0].callback(Session())


def stay(ann, sessions):
    sessions.pending[0].callback(Session())
    ann.disconnect()


def fall(ann, sessions):
    sessions.pending[0].errback(OSError())


@pytest.mark.parametrize("end", [leave, wait, stay, fall])
def test_nothing_keeps_a_client_that_is_gone(end, serve):
    sessions = Pending()
    server = serve(sessions)
    ann = client(server)
    kept = weakref.ref(ann.connection)
    end(ann, sessions)
    server.loop.advance(10)
    assert not server.loop.getDelayedCalls()
    del ann
    gc.collect()
    assert kept() is None


# -- what fails ------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [fail, None])
def test_a_store_that_is_away_is_503_and_logged_once_a_minute(broken, serve, chat, lines):
    answers = [OSError("disk\nfull"), OSError("disk"), None, OSError("disk"), OSError("net")]

    def find(cookie):
        error = answers.pop(0)
        if error is None:
            return Session({"name": "Ann"})
        if broken is None:
            raise error
        return broken(error)

    server = serve(Sessions(find))
    assert [client(server).status for _ in range(4)] == [503, 503, 101, 503]
    assert chat.events == [("open", "Ann")]
    warning = "a session of cookie sid cannot be looked up, and the client gets 503: OSError: "
    assert [line for line in lines if "sid" in line] == [warning + "disk full"]
    server.loop.advance(60)
    assert client(server).status == 503
    assert [line for line in lines if "sid" in line][1:] == [warning + "net"]


def test_a_session_that_cannot_be_read_is_empty_and_logged_once(serve, chat, lines):
    server = serve(Sessions(lambda cookie: fail(MalformedSession("no value, at 0"))))
    assert [client(server).status for _ in range(3)] == [101] * 3
    assert chat.events == [("open", None)] * 3
    (line,) = [line for line in lines if "sid" in line]
    assert line.endswith("counts as empty: MalformedSession: no value, at 0")


def test_sessions_may_refuse(serve, chat):
    server = serve(Sessions(lambda cookie: fail(HttpError(401, "log in"))))
    assert client(server).status == 401
    assert chat.events == []


def test_what_the_component_refuses_stays_refused(serve, chat):
    # It speaks no subprotocol, and is asked for one.
    sessions = Pending()
    refused = WebSocketClient(serve(sessions), headers={"Cookie": "sid=1"}, subProtocols=["chat"])
    sessions.pending[0].callback(None)
    assert refused.status == 426
    refused.disconnect()
    assert chat.events == []


# -- other layers ----------------------------------------------------------------------------------


class Recorder(HttpServerInterface):
    def __init__(self, opening=None):
        self.events = []
        self.opening = opening

    def onOpen(self, conn, request):
        self.events.append(("open", conn.Session.getId()))
        return self.opening

    def onMessage(self, conn, msg):
        self.events.append(("message", msg))
        return 2

    def onClose(self, conn):
        self.events.append(("close",))
        return 3

    def onError(self, conn, exc):
        self.events.append(("error", exc))
        return 4


def test_everything_else_is_passed_on(serve):
    recorder = Recorder()
    recorder.serial = True
    provider = SessionProvider(recorder, Sessions())
    error = RuntimeError()
    assert provider.serial
    assert provider.onMessage(None, b"x") == 2
    assert provider.onClose(None) == 3
    assert provider.onError(None, error) == 4
    assert recorder.events == [("message", b"x"), ("close",), ("error", error)]


def test_a_component_may_take_its_time_too(serve):
    async def opening():
        await opened

    opened = Deferred()
    recorder = Recorder(opening())
    raw = RawClient(serve(Sessions(), recorder))
    raw.sendBytes(b"GET / HTTP/1.1\r\nHost: x\r\nCookie: sid=1\r\n\r\nmore")
    assert recorder.events == [("open", "1")]
    opened.callback(None)
    assert recorder.events == [("open", "1"), ("message", b"more")]


def test_the_next_request_may_be_somebody_elses():
    class Page(Resource):
        isLeaf = True

        def render_GET(self, request):
            return b"page"

    seen = []

    class Look(Recorder):
        def onOpen(self, conn, request):
            seen.append((hasattr(conn, "Session"), request.session))

    routes = RouteCollection()
    routes.add("page", Route("/page", SessionProvider(ResourceController(Page()), Sessions())))
    routes.add("look", Route("/look", Look()))
    raw = RawClient(IoServer(HttpServer(Router(routes)), Clock()))
    raw.sendBytes(b"GET /page HTTP/1.1\r\nHost: x\r\nCookie: sid=Ann\r\n\r\n")
    assert b"page" in raw.data
    assert not hasattr(raw.connection, "Session")
    raw.sendBytes(b"GET /look HTTP/1.1\r\nHost: x\r\n\r\n")
    assert seen == [(False, None)]
    raw.disconnect()


def test_it_may_stand_below_a_router(chat):
    routes = RouteCollection()
    routes.add("chat", Route("/", WsServer(chat)))
    server = IoServer(HttpServer(SessionProvider(Router(routes), Sessions())), Clock())
    client(server)
    assert chat.events == [("open", "Ann")]


# -- how it is made --------------------------------------------------------------------------------


class Store(SessionHandlerInterface):
    def read(self, id):
        return b'name|s:3:"Ann";'


def test_a_handler_is_phps(serve, chat):
    client(serve(Store()), "PHPSESSID=" + "x" * 32)
    assert chat.events == [("open", "Ann")]


def test_options_as_in_ratchet():
    provider = SessionProvider(
        WsServer(EchoServer()), Store(), {"name": "SITE"}, PhpBinaryHandler()
    )
    assert isinstance(provider.sessions, PhpSessions)
    assert provider.sessions.name == "SITE"


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ((EchoServer(), Store()), TypeError, "EchoServer is no HttpServerInterface"),
        ((WsServer(EchoServer()), object()), TypeError, "object is no SessionHandlerInterface"),
        ((WsServer(EchoServer()), Store(), {"cookie": 1}), LocalError, "mean nothing.*cookie"),
        ((WsServer(EchoServer()), Sessions(), {"name": "x"}), LocalError, "for handlers of PHP"),
        ((WsServer(EchoServer()), Sessions(), None, PhpHandler()), LocalError, "for handlers"),
    ],
)
def test_what_makes_no_sense(arguments, error, said):
    with pytest.raises(error, match=said):
        SessionProvider(*arguments)
