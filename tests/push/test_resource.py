"""POST /publish: what is asked and answered."""

from __future__ import annotations

import json

import pytest
import pytest_twisted
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.web.resource import Resource
from twisted.web.server import Site as WebSite

from ratchet_py import CallError, Limits, NotAuthorized
from ratchet_py.broker import BrokerInterface, Reach
from ratchet_py.push import PushClient, PushCredentials, PushFailed, PushResource
from ratchet_py.push.signature import sign
from ratchet_py.server import EchoServer
from ratchet_py.wamp import Component, WampServer
from tests.push.conftest import TOKEN, Site, answers, head

NEWS = {"topic": "news", "event": {"title": "rain"}}


def test_an_event_reaches_who_has_subscribed(site):
    page, other = site.page("news"), site.page("sport", subProtocol="wamp.2.json")
    answer = site.push(NEWS)
    assert (answer.status, answer.value) == (202, {"nodes": 1, "confirmed": True})
    assert answer.headers["content-type"] == "application/json"
    assert page.received == [("news", {"title": "rain"})]
    assert other.received == []
    assert site.push({"topic": "nobody", "event": None}).value == {"nodes": 0, "confirmed": True}


def test_exclude_and_eligible(site):
    pages = [site.page("news") for _ in range(3)]
    ids = [page.sessionId for page in pages]
    site.push({"topic": "news", "event": 1, "exclude": [ids[0], "no such"], "eligible": []})
    site.push({"topic": "news", "event": 2, "eligible": ids[:2], "exclude": ids[1:2]})
    assert [[event for _, event in page.received] for page in pages] == [[2], [1], [1]]


def test_a_list_is_all_or_nothing(site):
    page = site.page("news", "sport")
    batch = [{"topic": topic, "event": topic} for topic in ("news", "nobody", "sport")]
    assert site.push(batch).value == {"nodes": [1, 0, 1], "confirmed": True}
    assert page.received == [("news", "news"), ("sport", "sport")]
    assert site.push([NEWS]).value == {"nodes": [1], "confirmed": True}
    page.received.clear()
    answer = site.push([NEWS, {"topic": "news"}])
    assert (answer.status, answer.body) == (400, "[1]: there is no event\n")
    assert page.received == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON: Input data was truncated"),
        (b"[", "not JSON: Input data was truncated"),
        (b"\xff", "not JSON: "),
        (b"NaN", "not JSON: "),
        (b'{"topic": "t", "event": "\\ud800"}', "not JSON: half a surrogate pair"),
        (b"[" * 1000 + b"]" * 1000, "JSON nests too deep"),
        (b"1", "not an object with topic and event"),
        (b"[]", "the list is empty"),
        (b"[[]]", "[0]: not an object with topic and event"),
        (b'{"event": 1}', "the topic is a string, and not empty"),
        (b'{"topic": "", "event": 1}', "the topic is a string, and not empty"),
        (b'{"topic": 1, "event": 1}', "the topic is a string, and not empty"),
        (b'{"topic": "t"}', "there is no event"),
        (
            b'{"topic": "t", "event": 1, "exlude": []}',
            "there is no 'exlude', only eligible, event, exclude, path, topic",
        ),
        (b'{"topic": "t", "event": 1, "path": null}', "the path is a string"),
        (
            b'{"topic": "t", "event": 1, "exclude": "a"}',
            "exclude and eligible are lists of session ids",
        ),
        (
            b'[{"topic": "t", "event": 1, "eligible": [1]}]',
            "[0]: exclude and eligible are lists of session ids",
        ),
        (
            b'{"topic": "%s", "event": 1}' % (b"x" * 1025),
            "the topic is longer than 1024 characters",
        ),
    ],
)
def test_what_is_malformed_is_400_and_why(site, body, reason):
    answer = site.push(body)
    assert answer.status == 400
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.body.startswith(reason)
    assert answer.body.count("\n") == 1


@given(
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["topic", "event", "exclude", "eligible", "path", "x"]), inner
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_whatever_is_sent_has_an_answer(body):
    assert SITE.push(body).status in (202, 400, 404)


SITE = Site()


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({"method": "GET"}, 405, "only POST"),
        ({"method": "PUT"}, 405, "only POST"),
        ({"Authorization": None}, 401, "this needs the token"),
        ({"Authorization": "Bearer"}, 401, "this needs the token"),
        ({"Authorization": "Bearer open-sesame2"}, 401, "this needs the token"),
        ({"Authorization": f"Basic {TOKEN}"}, 401, "this needs the token"),
        ({"Authorization": "Bearer \xff"}, 401, "this needs the token"),
        ({"Content_Type": None}, 415, "the Content-Type is application/json"),
        ({"Content_Type": "text/plain"}, 415, "the Content-Type is application/json"),
        ({"Content_Type": "application/json; charset=latin1"}, 415, "the Content-Type is"),
        ({"Content_Encoding": "gzip"}, 415, "the body has no Content-Encoding"),
        ({"path": "/publish/more"}, 202, ""),
        ({"Content_Type": 'Application/JSON; charset="UTF-8"'}, 202, ""),
        ({"Authorization": f"bearer  {TOKEN} "}, 202, ""),
    ],
)
def test_what_is_asked_of_a_request(site, fields, status, reason):
    answer = site.push(NEWS, **fields)
    assert answer.status == status
    if status != 202:
        assert answer.body.startswith(reason)
        assert answer.body.count("\n") == 1
    assert answer.headers.get("allow") == ("POST" if status == 405 else None)
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_head_is_answered_without_a_body(site):
    client = site.client()
    site.send(client, b"", method="HEAD")
    assert client.data.startswith(b"HTTP/1.1 405 ")
    assert client.data.endswith(b"\r\n\r\n")


def test_a_signature_instead_of_a_token():
    credentials = PushCredentials(secret="secret", now=lambda: 1000.0)
    site = Site(credentials=credentials)
    body = json.dumps(NEWS).encode()
    fields = {
        "Authorization": None,
        "Ratchet_Timestamp": "990.5",
        "Ratchet_Signature": sign("secret", "990.5", body),
    }
    assert site.push(body, **fields).status == 202
    again = site.push(body, **fields)
    assert (again.status, again.body) == (401, "this signature was used before\n")
    assert site.push(body + b" ", **fields).status == 401
    assert site.push(NEWS).status == 401


def test_the_route_is_named_where_there_are_several():
    site = Site(one=Component(), two=Component())
    pages = [site.page("news", path=path) for path in ("/one", "/two")]
    unnamed = site.push(NEWS)
    assert unnamed.status == 400
    assert unnamed.body == "several WAMP applications; say which: /one, /two\n"
    unknown = site.push([NEWS | {"path": "/one"}, NEWS | {"path": "/three"}])
    assert (unknown.status, unknown.body) == (404, "[1]: no WAMP application at '/three'\n")
    both = [NEWS | {"path": "/two", "event": 2}, NEWS | {"path": "/one", "event": 1}]
    assert site.push(both).value["nodes"] == [1, 1]
    assert [page.received for page in pages] == [[("news", 1)], [("news", 2)]]


def test_an_app_without_wamp_has_nowhere_to_push_to():
    site = Site(echo=EchoServer())
    answer = site.push(NEWS)
    assert (answer.status, answer.body) == (404, "no WAMP application\n")


class Judge(Component):
    """Has something to say about what is pushed."""

    def __init__(self):
        super().__init__()
        self.pushed = []
        self.waiting = []

    def onPush(self, topic, event):
        self.pushed.append((str(topic), len(topic), event))
        match event:
            case "refuse":
                raise NotAuthorized("not this one")
            case "full":
                raise CallError("http://example.com/error#full")
            case "change":
                return {"changed": True}
            case "fail":
                raise RuntimeError("the application")
            case "no form":
                return float("nan")
            case {"spoil": _}:
                event["spoil"] = object()
            case {"add": _}:
                event["added"] = 1
            case "later":
                return self.later(event)
            case ["wait", *_]:
                self.waiting.append(Deferred())
                return self.waiting[-1]
        return None

    async def later(self, event):
        return event.upper()


@pytest.fixture
def judge():
    return Judge()


def test_the_application_sees_and_changes_what_is_pushed(judge):
    site = Site(pubsub=judge)
    page = site.page("news")
    for event in ("as it is", "change", "later", {"add": 0}):
        assert site.push({"topic": "news", "event": event}).status == 202
    events = ["as it is", {"changed": True}, "LATER", {"add": 0, "added": 1}]
    assert [event for _, event in page.received] == events
    assert judge.pushed[0] == ("news", 1, "as it is")


@pytest.mark.parametrize(
    ("event", "status", "reason"),
    [
        ("refuse", 403, "not this one"),
        ("full", 403, "http://example.com/error#full"),
        ("fail", 500, "the application has failed"),
        ("no form", 500, "the application has failed"),
        ({"spoil": 1}, 500, "the application has failed"),
    ],
)
def test_what_the_application_refuses_goes_to_nobody(judge, loggedFailures, event, status, reason):
    site = Site(pubsub=judge)
    page = site.page("news")
    bad = {"topic": "news", "event": event}
    answer = site.push([NEWS, bad, NEWS])
    assert (answer.status, answer.body.strip()) == (
        status,
        f"[1]: {reason}" if status == 403 else reason,
    )
    assert site.push(bad).status == status
    assert page.received == []
    assert len(loggedFailures.flush(RuntimeError, ValueError)) == (2 if status == 500 else 0)
    assert site.push(NEWS).status == 202


def test_layers_between_pass_it_on(judge):
    site = Site(pubsub=Component(judge))
    site.push(NEWS)
    assert judge.pushed == [("news", 0, {"title": "rain"})]


def test_one_connection_keeps_its_order_while_the_application_thinks(judge):
    site = Site(pubsub=judge)
    page = site.page("news")
    client = site.client()
    body = json.dumps({"topic": "news", "event": ["wait", 1]}).encode()
    more = json.dumps(NEWS).encode()
    client.sendBytes(head(len(body)) + body + head(len(more)) + more)
    assert (client.data, page.received) == (b"", [])
    judge.waiting[0].callback(None)
    site.clock.advance(0)
    assert [answer.status for answer in answers(client.data)] == [202, 202]
    assert [event for _, event in page.received] == [["wait", 1], {"title": "rain"}]


def test_an_application_that_does_not_decide_is_not_waited_for(judge):
    site = Site(pubsub=judge)
    page = site.page("news")
    client = site.client()
    site.send(client, [NEWS, {"topic": "news", "event": ["wait"]}])
    site.clock.advance(5)
    (answer,) = answers(client.data)
    assert (answer.status, answer.body) == (503, "the application takes too long\n")
    assert answer.headers["retry-after"] == "1"
    assert page.received == []
    assert site.push(NEWS).status == 202


def test_a_site_that_does_not_wait_for_the_answer(judge):
    site = Site(pubsub=judge)
    page = site.page("news")
    client = site.client()
    site.send(client, {"topic": "news", "event": ["wait"]})
    client.disconnect()
    judge.waiting[0].callback("all the same")
    assert page.received == [("news", "all the same")]
    assert site.app.server.tally.pushed == {202: 1}


def test_so_many_at_a_time(judge):
    site = Site(pubsub=judge, limits=Limits(pushesInFlight=2))
    clients = [site.client() for _ in range(2)]
    for client in clients:
        site.send(client, {"topic": "news", "event": ["wait"]})
    answer = site.push(NEWS)
    assert (answer.status, answer.body) == (503, "too many pushes at a time\n")
    for waiting in judge.waiting:
        waiting.callback(None)
    assert site.push(NEWS).status == 202
    for client in clients:
        client.disconnect()


def test_so_much_at_a_time():
    site = Site(limits=Limits(pushSize=300, pushBatch=3))
    answer = site.push([NEWS] * 4)
    assert (answer.status, answer.body) == (413, "more than 3 events\n")
    answer = site.push(NEWS | {"event": "x" * 300})
    assert (answer.status, answer.body) == (413, "more than 300 bytes\n")
    assert site.push([NEWS] * 3).status == 202


def test_what_is_answered_is_counted(site):
    site.push(NEWS)
    site.push(NEWS)
    site.push(b"")
    site.push(NEWS, Authorization=None)
    assert site.app.server.tally.pushed == {202: 2, 400: 1, 401: 1}


def test_after_stop_nothing_is_taken_and_what_was_is_answered(judge):
    site = Site(pubsub=judge)
    client = site.client()
    site.send(client, {"topic": "news", "event": ["wait"]})
    stopped = site.resource.stop()
    answer = site.push(NEWS)
    assert (answer.status, answer.body) == (503, "the server is shutting down\n")
    assert not stopped.called
    judge.waiting[0].callback(None)
    assert stopped.called
    assert [answer.status for answer in answers(client.data)] == [202]
    assert site.resource.stop() is stopped


def test_after_stop_there_may_be_nothing_to_wait_for(site):
    assert site.resource.stop().called


class Far(BrokerInterface):
    """A broker that answers when it is told to."""

    def __init__(self):
        self.reached = []

    def setReceiver(self, receiver):
        self.receiver = receiver

    def scoped(self, name):
        return self

    def publish(self, topic, publication): ...

    def publishConfirmed(self, topic, publication):
        self.receiver(topic, publication)
        self.reached.append(Deferred())
        return self.reached[-1]

    def subscribe(self, topic): ...

    def unsubscribe(self, topic): ...


def test_how_many_nodes_were_told_is_waited_for():
    far = Far()
    site = Site(broker=far)
    page = site.page("news")
    client = site.client()
    site.send(client, [NEWS, NEWS])
    assert len(page.received) == 2
    assert client.data == b""
    far.reached[1].callback(Reach(3))
    far.reached[0].callback(Reach(2))
    assert answers(client.data)[0].value == {"nodes": [2, 3], "confirmed": True}


def test_a_broker_that_does_not_answer_is_not_waited_for():
    far = Far()
    site = Site(broker=far)
    site.page("news")
    client = site.client()
    site.send(client, [NEWS, NEWS, {"topic": "nobody", "event": 1}])
    far.reached[1].callback(Reach(3))
    site.clock.advance(5)
    assert answers(client.data)[0].value == {"nodes": [1, 3, 0], "confirmed": False}


def test_a_wamp_server_without_an_app():
    site = Site(target=WampServer(Component()))
    assert site.push(NEWS).status == 202
    answer = site.push(NEWS | {"path": "/pubsub"})
    assert (answer.status, answer.body) == (404, "there are no paths here\n")


class Slow(Component):
    """Never decides."""

    async def onPush(self, topic, event):
        await Deferred()


@pytest_twisted.ensureDeferred
async def test_it_fits_into_any_site_of_twisted():
    from twisted.internet import reactor

    root = Resource()
    limits = Limits(pushTimeout=0.01)
    for name, application in (b"fast", Component()), (b"slow", Slow()):
        resource = PushResource(WampServer(application), PushCredentials(TOKEN), limits)
        root.putChild(name, resource)
    port = reactor.listenTCP(0, WebSite(root), interface="127.0.0.1")
    url = f"http://127.0.0.1:{port.getHost().port}"
    try:
        with PushClient(f"{url}/fast", TOKEN) as client:
            assert await deferToThread(client.push, "news", 1) == (0, True)
        client = PushClient(f"{url}/slow", TOKEN, attempts=1)
        with pytest.raises(PushFailed, match="503: the application takes too long"):
            await deferToThread(client.push, "news", 1)
        client.close()
    finally:
        await port.stopListening()
