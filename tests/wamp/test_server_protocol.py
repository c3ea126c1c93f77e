import json
import math

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.logger import capturedLogs

import ratchet_py
from ratchet_py.errors import CallError, NotAuthorized, ProtocolError
from ratchet_py.limits import Limits
from ratchet_py.wamp import ServerProtocol, TopicManager
from ratchet_py.wamp.commands import Call, Prefix, Publish, Subscribe, Unsubscribe
from ratchet_py.wamp.interfaces import CodecInterface
from ratchet_py.wamp.v1 import WampV1

INTERNAL = "http://api.wamp.ws/error#internal"
ALL = ["wamp", "wamp.2.json", "wamp.2.msgpack", "wamp.2.cbor"]


# --- opening


def test_welcome_comes_before_on_open(serve, newClient):
    client = newClient(serve(onOpen=lambda conn: conn.event("t", 1))[0])
    welcome, event = client.heard()
    assert welcome == [0, client.id, 1, f"Ratchet_py/{ratchet_py.__version__}"]
    assert event == [8, "t", 1]


def test_an_async_on_open_holds_messages_and_the_close_back(serve, connect):
    opening = Deferred()
    server, app = serve(onOpen=lambda conn: opening)
    client = connect(server).say(5, "t")
    assert client.wire.paused == 1
    client.leave()
    assert app.names() == ["onOpen"]
    opening.callback(None)
    assert app.names() == ["onOpen", "onClose"]


def test_a_failing_on_open_leaves_the_connection_open(serve, connect):
    server, app = serve(onOpen=lambda conn: 1 / 0)
    client = connect(server).say(5, "t")
    assert app.names() == ["onOpen", "onError", "onSubscribe"]
    assert client.wire.closed is None
    client.leave()
    assert app.names()[3:] == ["onClose"]


def test_own_subprotocols_come_first(makeApp):
    app = makeApp()
    app.getSubProtocols = lambda: ["chat"]
    assert ServerProtocol(app).getSubProtocols() == ["chat", *ALL]


# --- calls


def test_params_are_the_list_of_arguments_or_the_one_structure(serve, connect):
    server, app = serve()
    client = connect(server)
    client.say(2, "a", "p").say(2, "b", "p", 1, [2]).say(2, "c", "p", [1]).say(
        2, "d", "p", {"x": 1}
    )
    calls = [args for name, *args in app.told if name == "onCall"]
    assert [(id, params) for _, id, _, params in calls] == [
        ("a", []),
        ("b", [1, [2]]),
        ("c", [1]),
        ("d", {"x": 1}),
    ]
    assert all(conn is client.conn and str(topic) == "p" for conn, _, topic, _ in calls)


async def answeredByHand(conn, id, topic, params):
    conn.callResult(id, "by hand")


async def returned(conn, id, topic, params):
    return "async"


async def silentlyEnded(conn, id, topic, params):
    pass


async def returnedTheConnection(conn, id, topic, params):
    return conn.callResult(id, "by hand")


async def returnedTheConnectionOnly(conn, id, topic, params):
    return conn


async def refused(conn, id, topic, params):
    raise CallError("urn:no", "refused", [1])


def refusing(*args):
    raise CallError("urn:no", "refused", [1])


def forbidding(*args):
    raise NotAuthorized


@pytest.mark.parametrize(
    ("onCall", "answer"),
    [
        (lambda conn, id, topic, params: conn.callResult(id, 5), [3, "id", 5]),
        (lambda conn, id, topic, params: conn.callResult(id), [3, "id", []]),
        (lambda conn, id, topic, params: conn.callResult(id, None), [3, "id", None]),
        (lambda conn, id, topic, params: conn.callError(id, topic), [4, "id", "p", ""]),
        (
            lambda conn, id, topic, params: conn.callError(id, topic, "no", 1),
            [4, "id", "p", "no", 1],
        ),
        (lambda conn, id, topic, params: params, [3, "id", [1, 2]]),
        (lambda *args: {}, [3, "id", {}]),
        (lambda *args: "", [3, "id", ""]),
        (lambda *args: False, [3, "id", False]),
        (lambda *args: 0, [3, "id", 0]),
        (lambda *args: b"\x01", [3, "id", "\x00AQ=="]),
        (lambda *args: succeed(7), [3, "id", 7]),
        (lambda *args: succeed(None), [3, "id", None]),
        (answeredByHand, [3, "id", "by hand"]),
        (returned, [3, "id", "async"]),
        (silentlyEnded, [3, "id", None]),
        (returnedTheConnection, [3, "id", "by hand"]),
        (returnedTheConnectionOnly, [3, "id", None]),
        (refusing, [4, "id", "urn:no", "refused", [1]]),
        (refused, [4, "id", "urn:no", "refused", [1]]),
        (forbidding, [4, "id", "http://api.wamp.ws/error#not-authorized", "not authorized"]),
    ],
)
def test_one_answer(serve, connect, onCall, answer):
    server, app = serve(onCall=onCall)
    with capturedLogs() as events:
        assert connect(server).say(2, "id", "p", 1, 2).heard() == [answer]
    assert "onError" not in app.names()
    assert events == []


@pytest.mark.parametrize("onCall", [lambda *args: None, lambda conn, *args: conn])
def test_a_plain_call_without_answer_is_silent(serve, connect, onCall):
    assert connect(serve(onCall=onCall)[0]).say(2, "id", "p").heard() == []


def test_another_connection_is_no_result(serve, connect):
    server, _ = serve(onCall=lambda conn, *args: conn.wrappedConn)
    assert connect(server).say(2, "id", "p").heard() == []


@pytest.mark.parametrize("id", ["", "x" * 5000, 0, -1, 1.5, 2**70])
def test_the_id_comes_back_as_it_was(serve, connect, id):
    (answer,) = connect(serve(onCall=lambda *args: 1)[0]).say(2, id, "p").heard()
    assert repr(answer) == repr([3, id, 1])


async def failed(*args):
    raise ValueError("a secret")


def failing(*args):
    raise ValueError("a secret")


def unsayable(*args):
    return math.nan


async def unsayableLater(*args):
    return {"a": math.inf}


def unsayableByHand(conn, id, topic, params):
    conn.callResult(id, math.nan)


def unsayableDetails(*args):
    raise CallError("urn:no", "", math.nan)


@pytest.mark.parametrize(
    "onCall",
    [failed, failing, unsayable, unsayableLater, unsayableByHand, unsayableDetails],
)
def test_a_failing_call_is_an_internal_error_without_details(serve, connect, onCall):
    server, app = serve(onCall=onCall)
    client = connect(server).say(2, "id", "p")
    assert client.heard() == [[4, "id", INTERNAL, "internal error"]]
    assert app.names() == ["onOpen", "onCall", "onError"]
    conn, exc = app.last("onError")
    assert conn is client.conn
    assert isinstance(exc, ValueError)
    assert client.wire.closed is None


def test_a_call_that_answers_and_fails_has_answered(serve, connect):
    def onCall(conn, id, topic, params):
        conn.callResult(id, 1)
        raise ValueError("afterwards")

    server, app = serve(onCall=onCall)
    with capturedLogs() as events:
        assert connect(server).say(2, "id", "p").heard() == [[3, "id", 1]]
    assert app.names() == ["onOpen", "onCall", "onError"]
    assert events == []


@pytest.mark.parametrize("second", [lambda: 2, lambda: succeed(2), refusing])
def test_the_first_answer_counts_and_the_second_is_logged(serve, connect, second):
    def onCall(conn, id, topic, params):
        conn.callResult(id, 1)
        return second()

    server, app = serve(onCall=onCall)
    client = connect(server)
    with capturedLogs() as events:
        client.say(2, "id", "p")
    assert client.heard() == [[3, "id", 1]]
    assert ["second answer" in event["log_format"] for event in events] == [True]
    assert "onError" not in app.names()


def test_an_answer_may_come_later_by_hand(serve, connect):
    asked = []
    client = connect(serve(onCall=lambda conn, id, *args: asked.append((conn, id)))[0])
    client.say(2, "a", "p").say(2, "b", "p")
    for conn, id in reversed(asked):
        conn.callResult(id, id)
    assert client.heard() == [[3, "b", "b"], [3, "a", "a"]]


def test_an_answer_after_the_close_goes_nowhere(serve, connect):
    waiting = Deferred()
    server, app = serve(onCall=lambda *args: waiting)
    client = connect(server).say(2, "id", "p")
    client.wire.close(1000)
    client.leave()
    waiting.callback(1)
    assert client.heard() == []
    assert "onError" not in app.names()


def test_what_is_no_exception_drops_the_connection(serve, connect, loggedFailures):
    waiting = Deferred()
    client = connect(serve(onCall=lambda *args: waiting)[0]).say(2, "id", "p")
    waiting.errback(KeyboardInterrupt())
    assert client.wire.closed == (1006, "aborted")
    assert client.heard() == []
    assert len(loggedFailures.flush(KeyboardInterrupt)) == 1


# --- publish and subscribe


def test_publish_reaches_the_application_and_nobody_else(serve, connect):
    server, app = serve()
    client = connect(server).say(5, "t").say(7, "t", {"a": 1.0})
    conn, topic, event, exclude, eligible = app.last("onPublish")
    assert (conn, str(topic), event, exclude, eligible) == (client.conn, "t", {"a": 1.0}, [], [])
    assert client.heard() == []


def test_exclude_and_eligible_reach_the_application(serve, connect):
    server, app = serve()
    client = connect(server)
    for rest, lists in [
        ([], ([], [])),
        ([False], ([], [])),
        ([None, ["b"]], ([], ["b"])),
        ([True], ([client.id], [])),
        (["yes", ["b"]], ([client.id], ["b"])),
        ([["a"], ["b"]], (["a"], ["b"])),
        ([[True, None], [[]]], ([True, None], [[]])),
    ]:
        client.say(7, "t", 1, *rest)
        assert tuple(app.last("onPublish")[3:]) == lists


def test_the_publisher_gets_its_own_event_unless_it_asks_not_to(serve, connect):
    server, _ = serve(
        onPublish=lambda conn, topic, event, exclude, eligible: topic.broadcast(
            event, exclude, eligible
        )
    )
    me, other = connect(server).say(5, "t"), connect(server).say(5, "t")
    me.say(7, "t", 1).say(7, "t", 2, True).say(7, "t", 3, [], [me.id]).say(7, "t", 4, False, [])
    assert [event for _, _, event in me.heard()] == [1, 3, 4]
    assert [event for _, _, event in other.heard()] == [1, 2, 4]


@pytest.mark.parametrize("late", [False, True])
def test_a_refused_publication_is_no_error(serve, connect, late):
    async def refuseLater(*args):
        raise NotAuthorized

    server, app = serve(onPublish=refuseLater if late else forbidding)
    client = connect(server).say(7, "t", 1)
    assert app.names() == ["onOpen", "onPublish"]
    assert (client.heard(), client.wire.closed) == ([], None)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("callback", "message"),
    [("onSubscribe", [5, "t"]), ("onUnSubscribe", [6, "t"]), ("onPublish", [7, "t", 1])],
)
def test_a_failing_callback_is_reported_once_and_nothing_else_happens(
    serve, connect, callback, message, late
):
    server, app = serve(**{callback: failed if late else failing})
    client = connect(server)
    if callback == "onUnSubscribe":
        client.say(5, "t")
    client.say(*message)
    conn, exc = app.last("onError")
    assert (conn, type(exc)) == (client.conn, ValueError)
    assert app.names().count("onError") == 1
    assert (client.heard(), client.wire.closed) == ([], None)


def test_a_failing_on_close_is_logged_and_reported(serve, connect, loggedFailures):
    server, app = serve(onClose=failing)
    connect(server).leave()
    assert app.names() == ["onOpen", "onClose", "onError"]
    assert len(loggedFailures.flush(ValueError)) == 1


def test_a_failing_on_error_drops_that_connection(serve, connect, loggedFailures):
    server, _ = serve(onCall=failing, onError=lambda *args: 1 / 0)
    client, other = connect(server), connect(server)
    client.say(2, "id", "p")
    assert client.wire.closed == (1006, "aborted")
    assert other.say(5, "t").wire.closed is None
    assert len(loggedFailures.flush(ZeroDivisionError)) == 1


def test_errors_from_below_reach_the_application(serve, connect):
    server, app = serve()
    client = connect(server)
    error = ValueError("from below")
    server.onError(client.wire, error)
    assert app.last("onError") == [client.conn, error]


def test_a_protocol_error_of_the_application_is_its_own(serve, connect):
    def confused(*args):
        raise ProtocolError(1007, "mine")

    server, app = serve(onPublish=confused)
    client = connect(server).say(7, "t", 1)
    assert client.wire.closed is None
    assert app.names()[-1] == "onError"


# --- malformed messages and limits


@pytest.mark.parametrize("text", ["[5]", '[7,"t"]', '[2,"id"]', "[5,null]", "nonsense", "[9,1]"])
def test_malformed_messages_close_with_1007_and_a_reason(serve, connect, text):
    server, app = serve()
    bystander = connect(server).say(5, "t")
    client = connect(server).sayText(text).say(5, "later")
    code, reason = client.wire.closed
    assert code == 1007
    assert reason
    assert app.names() == ["onOpen", "onSubscribe", "onOpen"]
    server.topic("t").broadcast("still here")
    assert bystander.heard() == [[8, "t", "still here"]]


def test_binary_messages_are_read_like_text(serve, connect):
    server, app = serve()
    connect(server).sayText(b'[5,"t"]')
    assert app.names() == ["onOpen", "onSubscribe"]


def test_prefixes_are_expanded_everywhere(serve, connect):
    server, app = serve()
    client = connect(server).say(1, "ex", "http://example.com/")
    client.say(5, "ex:s").say(7, "ex:p", 1).say(2, "id", "ex:c").say(6, "ex:s").say(5, "no:s")
    topics = [str(entry[3] if entry[0] == "onCall" else entry[2]) for entry in app.told[1:]]
    assert topics == [f"http://example.com/{x}" for x in "spcs"] + ["no:s"]


def test_events_carry_the_full_uri(serve, connect):
    server, _ = serve(onPublish=lambda conn, topic, event, *lists: topic.broadcast(event))
    client = connect(server).say(1, "ex", "http://example.com").say(5, "ex:s").say(7, "ex:s", 1)
    assert client.heard() == [[8, "http://example.com#s", 1]]


def test_prefixes_belong_to_one_connection(serve, connect):
    server, _ = serve()
    connect(server).say(1, "ex", "http://example.com/")
    connect(server).say(5, "ex:s")
    assert server.topicManager.topics.keys() == {"ex:s"}


def test_a_hundred_prefixes(serve, connect):
    client = connect(serve()[0])
    for number in range(100):
        client.say(1, number, "http://example.com/")
    client.say(1, 99, "http://example.org/")
    assert client.wire.closed is None
    assert client.conn.WAMP.prefixes["99"] == "http://example.org/"
    assert client.say(1, "more", "").wire.closed == (1008, "too many prefixes")


@pytest.mark.parametrize(
    "make",
    [
        lambda name: [1, name, "u"],
        lambda name: [1, "p", name],
        lambda name: [2, "id", name],
        lambda name: [5, name],
        lambda name: [6, name],
        lambda name: [7, name, 1],
    ],
)
def test_names_have_a_length(serve, connect, make):
    client = connect(serve()[0]).say(*make("é" * 1024))
    assert client.wire.closed is None
    client.say(*make("é" * 1025))
    assert client.wire.closed == (1007, "a topic, procedure or prefix is too long")


def test_an_expanded_name_has_the_same_length(serve, connect):
    client = connect(serve()[0]).say(1, "p", "/" * 1000).say(5, "p:" + "x" * 24)
    assert client.wire.closed is None
    assert client.say(5, "p:" + "x" * 25).wire.closed[0] == 1007


# --- waiting


class Waiting:
    """Callbacks that wait until the test lets them go."""

    def __init__(self):
        self.deferreds = []

    def __call__(self, *args):
        self.deferreds.append(Deferred())
        return self.deferreds[-1]


@pytest.mark.parametrize(
    ("callback", "make"),
    [
        ("onCall", lambda n: [2, n, "p"]),
        ("onPublish", lambda n: [7, "t", n]),
        ("onSubscribe", lambda n: [5, n]),
    ],
)
def test_reading_pauses_while_too_many_callbacks_are_in_flight(serve, connect, callback, make):
    waiting = Waiting()
    server, _ = serve(Limits(callsInFlight=3), **{callback: waiting})
    client, other = connect(server), connect(server)
    for number in range(5):
        client.say(*make(number))
    assert len(waiting.deferreds) == 3
    assert client.wire.paused == 1
    other.say(*make(9))
    assert len(waiting.deferreds) == 4
    waiting.deferreds[1].callback(None)
    assert len(waiting.deferreds) == 5
    assert client.wire.paused == 1
    for deferred in waiting.deferreds[2:]:
        deferred.callback(None)
    waiting.deferreds[-1].callback(None)
    assert len(waiting.deferreds) == 6
    assert client.wire.paused == 0
    waiting.deferreds[0].callback(None)


def test_a_thousand_calls_in_flight_are_the_default(serve, connect):
    waiting = Waiting()
    client = connect(serve(onCall=waiting)[0])
    for number in range(1001):
        client.say(2, number, "p")
    assert len(waiting.deferreds) == 1000
    assert client.wire.paused == 1
    waiting.deferreds[500].callback("done")
    assert len(waiting.deferreds) == 1001
    assert client.heard() == [[3, 500, "done"]]


def test_plain_calls_without_answer_are_not_in_flight(serve, connect):
    client = connect(serve(Limits(callsInFlight=3), onCall=lambda *args: None)[0])
    for number in range(10):
        client.say(2, number, "p")
    assert client.wire.paused == 0
    assert client.conn.callbacksInFlight == 0


def test_a_close_while_reading_is_paused(serve, connect):
    waiting = Waiting()
    server, app = serve(Limits(callsInFlight=1), onCall=waiting)
    client = connect(server).say(2, "a", "p").say(2, "b", "p")
    client.leave()
    waiting.deferreds[0].callback(1)
    assert app.names() == ["onOpen", "onCall", "onClose"]


def test_messages_do_not_wait_for_each_other(serve, connect):
    waiting = Waiting()
    client = connect(serve(onCall=waiting)[0]).say(2, "a", "p").say(2, "b", "p")
    waiting.deferreds[1].callback("b")
    waiting.deferreds[0].callback("a")
    assert client.heard() == [[3, "b", "b"], [3, "a", "a"]]


def test_messages_wait_for_each_other_if_the_application_is_serial(serve, connect):
    waiting = Waiting()
    server, app = serve(onCall=waiting)
    app.__class__ = type("Serial", (type(app),), {"serial": True})
    client = connect(server).say(2, "a", "p").say(2, "b", "p").say(5, "t")
    assert app.names() == ["onOpen", "onCall"]
    waiting.deferreds[0].callback("a")
    assert app.names() == ["onOpen", "onCall", "onCall"]
    waiting.deferreds[1].callback("b")
    assert app.names()[3:] == ["onSubscribe"]
    assert client.heard() == [[3, "a", "a"], [3, "b", "b"]]
    assert client.wire.paused == 0


# --- the seam between the protocol and a version of it


class Telegraph(CodecInterface):
    """Another version of WAMP: words, and an answer that is its own."""

    name = "telegraph"
    internalError = "BROKEN"

    def decode(self, msg):
        verb, *words = msg.split(" ")
        makers = {
            "LET": lambda name, uri: Prefix(name, uri),
            "ASK": lambda id, procedure, *params: Call(id, procedure, list(params)),
            "JOIN": Subscribe,
            "QUIT": Unsubscribe,
            "TELL": lambda topic, event: Publish(topic, event, excludeMe=True),
        }
        if verb not in makers:
            raise ProtocolError(1003, "STOP")
        return makers[verb](*words)

    def welcome(self, sessionId):
        return f"HELLO {sessionId}"

    def prefix(self, name, uri):
        return f"LET {name} {uri}"

    def result(self, id, data):
        return f"ANSWER {id} {data}"

    def error(self, id, uri, desc, details):
        return f"ERROR {id} {uri}"

    def event(self, topic, event, publication):
        return f"NEWS {topic} {event}".encode()


@pytest.fixture
def bilingual(makeApp):
    def onCall(conn, id, topic, params):
        if str(topic) == "fail":
            raise ValueError
        return params[0]

    app = makeApp(
        onCall=onCall,
        onPublish=lambda conn, topic, event, exclude, eligible: topic.broadcast(event, exclude),
    )
    return ServerProtocol(TopicManager(app), codecs=[WampV1(), Telegraph()])


def test_the_negotiated_subprotocol_picks_the_codec(bilingual, newClient):
    assert bilingual.getSubProtocols() == ["wamp", "telegraph"]
    clients = {name: newClient(bilingual, subProtocol=name) for name in ["telegraph", "wamp", None]}
    assert clients["telegraph"].wire.sent == [f"HELLO {clients['telegraph'].id}"]
    for name in "wamp", None:
        assert json.loads(clients[name].wire.sent[0])[0] == 0


def test_both_versions_do_all_there_is_to_do(bilingual, connect, newClient, loggedFailures):
    old, new = connect(bilingual), newClient(bilingual, subProtocol="telegraph")
    new.wire.sent.clear()
    old.say(5, "http://example.com/t")
    new.sayText("LET ex http://example.com/").sayText("JOIN ex:t")
    old.say(7, "http://example.com/t", "one")
    new.sayText("TELL ex:t two").sayText("ASK 1 echo yes").sayText("ASK 2 fail").sayText(
        "QUIT ex:t"
    )
    old.say(7, "http://example.com/t", "three")
    assert [event for _, _, event in old.heard()] == ["one", "two", "three"]
    assert new.wire.sent == [b"NEWS http://example.com/t one", "ANSWER 1 yes", "ERROR 2 BROKEN"]
    new.conn.prefix("p", "urn:p")
    assert new.wire.sent[-1] == "LET p urn:p"
    assert new.sayText("SING").wire.closed == (1003, "STOP")


def test_an_event_is_encoded_once_for_each_version(bilingual, connect):
    clients = [connect(bilingual, subProtocol=name) for name in ["wamp", "telegraph"] * 3]
    for index, client in enumerate(clients):
        client.sayText("JOIN t" if index % 2 else '[5,"t"]')
    bilingual.component.getTopic("t").broadcast("x")
    sent = [client.wire.sent[-1] for client in clients]
    assert sent[0] is sent[2] is sent[4] == '[8,"t","x"]'
    assert sent[1] is sent[3] is sent[5] == b"NEWS t x"


def test_choosing_works_across_versions(bilingual, connect):
    clients = [connect(bilingual, subProtocol=name) for name in ["wamp", "telegraph"] * 2]
    for index, client in enumerate(clients):
        client.sayText("JOIN t" if index % 2 else '[5,"t"]')
    topic = bilingual.component.getTopic("t")
    topic.broadcast("x", exclude=[clients[0].id]).broadcast("y", eligible=[clients[1].id])
    assert [len(client.wire.sent) for client in clients] == [0, 2, 1, 1]


def test_a_topic_of_one_version_again_is_a_loop_again(bilingual, connect):
    old, new = connect(bilingual), connect(bilingual, subProtocol="telegraph")
    topic = bilingual.component.getTopic("t").add(old.conn).add(new.conn)
    topic.remove(old.conn).remove(new.conn).add(new.conn)
    assert topic._codec is new.conn.codec
