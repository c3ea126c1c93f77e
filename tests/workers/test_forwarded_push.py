"""How the parent hands on a push; the worker is in this process."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from ratchet_py import App
from ratchet_py.errors import CallError
from ratchet_py.http import HttpServer
from ratchet_py.http.router import RouteCollection, Router
from ratchet_py.limits import Limits
from ratchet_py.push import PushCredentials, PushServer
from ratchet_py.push.server import pushRoute
from ratchet_py.server import IoServer
from ratchet_py.testing import connect
from ratchet_py.wamp import Component
from ratchet_py.workers.forwarded_push import ForwardedPush
from tests.admin.conftest import Operator

LOOPBACK = "tcp:0:interface=127.0.0.1"


class News(Component):
    """Takes its time, if it is told to."""

    waiting = None

    def onPush(self, topic, event):
        if event == "forbidden":
            raise CallError("no", "not here")
        if event == "later":
            self.waiting = Deferred()
            return self.waiting
        return event


class Pushing:
    """A worker, a parent, and who pushes there."""

    def __init__(self, worker, push, parent, ports):
        self.worker = worker
        self.push = push
        self.parent = parent
        self.operator = Operator(ports[0].getHost().port)

    async def client(self, body, method="POST", token="mine", **fields):
        fields = {
            "Content-Length": len(body),
            "Content-Type": "application/json",
            "Authorization": f"Bearer {token}",
            "Connection": "close",
            **{name.replace("_", "-"): value for name, value in fields.items()},
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        request = f"{method} /publish HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode() + body
        return await self.operator.client(request)

    async def answer(self, body, *args, **options):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return await (await self.client(body, *args, **options)).response()

    async def stop(self):
        for client in self.operator.clients:
            if client.lost is None:
                client.reset()
                await client.gone()
        await self.parent.close()
        await self.push.close()


@pytest.fixture
def pushing():
    made = pytest_twisted.blockon(Deferred.fromCoroutine(_pushing()))
    yield made
    pytest_twisted.blockon(Deferred.fromCoroutine(made.stop()))


async def _pushing():
    from twisted.internet import reactor

    app = App("localhost", reactor=reactor)
    app.news = News()
    app.route("/", app.news)
    push = PushServer(app, PushCredentials("between-us"))
    (port,) = await push.listen(LOOPBACK)
    workers = SimpleNamespace(
        loop=reactor, publishPort=port.getHost().port, publishToken="between-us"
    )
    limits = Limits(pushSize=1000)
    routes = RouteCollection()
    credentials = PushCredentials("mine", "secret")
    routes.add("publish", pushRoute(ForwardedPush(workers, credentials), limits))
    parent = IoServer(HttpServer(Router(routes), limits), reactor, limits)
    return Pushing(app, push, parent, await parent.listen(LOOPBACK))


@pytest_twisted.ensureDeferred
async def test_the_answer_is_the_workers(pushing):
    client = connect(pushing.worker, "/")
    client.subscribe("rain")
    answer = await pushing.answer([{"topic": "rain", "event": 1}, {"topic": "snow", "event": 2}])
    assert (answer.status, json.loads(answer.body)["nodes"]) == (202, [1, 0])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert client.received == [("rain", 1)]


@pytest.mark.parametrize(
    ("body", "options", "status"),
    [
        (b"{", {}, 400),
        ({"topic": "rain", "event": "forbidden"}, {}, 403),
        ({"topic": "rain", "event": 1, "path": "/nowhere"}, {}, 404),
        ({"topic": "rain", "event": 1}, {"Content_Type": "text/plain"}, 415),
        ({"topic": "rain", "event": 1}, {"token": "wrong"}, 401),
        ({"topic": "rain", "event": 1}, {"token": "between-us"}, 401),
        ({"topic": "rain", "event": "x" * 1000}, {}, 413),
        (b"", {"method": "GET"}, 405),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_is_refused(pushing, body, options, status):
    answer = await pushing.answer(body, **options)
    assert answer.status == status
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest_twisted.ensureDeferred
async def test_when_no_worker_is_there(pushing, logged):
    await pushing.push.close()
    answer = await pushing.answer({"topic": "rain", "event": 1})
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    [line] = logged
    assert "no worker has answered a push" in line


@pytest_twisted.ensureDeferred
async def test_who_does_not_wait_for_the_answer(pushing, logged):
    client = await pushing.client(b'{"topic": "rain", "event": "later"}')
    news = pushing.worker.news
    while news.waiting is None:
        await aTurn()
    client.reset()
    await client.gone()
    news.waiting.callback("now")
    # It is served on.
    assert (await pushing.answer({"topic": "rain", "event": 1})).status == 202
    assert logged == []


async def aTurn():
    from twisted.internet import reactor
    from twisted.internet.task import deferLater

    await deferLater(reactor, 0)
