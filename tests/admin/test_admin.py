"""What the operator's server answers, on a real port."""

from __future__ import annotations

import re
import time

import pytest
import pytest_twisted
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openMetrics,
)
from prometheus_client.parser import text_string_to_metric_families as prometheus
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from ratchet_py import App
from ratchet_py.admin import Admin
from ratchet_py.http import HttpServer
from ratchet_py.metrics import Metrics
from ratchet_py.server import EchoServer, IoServer
from ratchet_py.wamp import Component
from ratchet_py.websocket import WsServer
from tests.integration.conftest import Echo, PubSub
from tests.integration.wire import request, text


def figures(body, parse=prometheus):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parse(body.decode())
        for sample in family.samples
    }


@pytest_twisted.ensureDeferred
async def test_metrics_in_both_formats(serve, administer):
    served = await serve({"/echo": Echo()})
    _, operator = await administer(served.app)
    client = await served.open("/echo")
    client.send(text("x"))
    await client.next()
    answer = await operator.ask("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert figures(answer.body)["ratchet_received_messages_total", "/echo"] == 1
    answer = await operator.ask("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert figures(answer.body, openMetrics)["ratchet_received_messages_total", "/echo"] == 1


@pytest_twisted.ensureDeferred
async def test_an_app_that_has_metrics_keeps_them(serve, administer):
    metrics = Metrics()
    served = await serve({"/echo": Echo()}, metrics=metrics)
    admin, operator = await administer(served.app)
    assert admin.metrics is metrics
    # What the operator does is not among the figures.
    await operator.ask("/nothing")
    read = figures((await operator.ask("/metrics")).body)
    assert read["ratchet_connections_total",] == 0


@pytest_twisted.ensureDeferred
async def test_a_stack_without_an_app(administer):
    from twisted.internet import reactor

    server = IoServer(HttpServer(WsServer(EchoServer())), reactor)
    _, operator = await administer(server)
    (port,) = await server.listen("tcp:0:interface=127.0.0.1")
    operator.port, admin = port.getHost().port, operator.port
    client = await operator.client(request())
    await client.response()
    client.send(text("x"))
    await client.next()
    operator.port = admin
    read = figures((await operator.ask("/metrics")).body)
    assert read["ratchet_received_messages_total", "/"] == 1
    assert read["ratchet_open_connections",] == 1
    client.reset()
    await client.gone()
    await server.close()


@pytest_twisted.ensureDeferred
async def test_health(serve, administer):
    served = await serve({"/echo": Echo()})
    _, operator = await administer(served.app)
    answer = await operator.ask("/healthz")
    assert (answer.status, answer.body) == (200, b"ok\n")
    assert answer.headers["cache-control"] == "no-store"


@pytest_twisted.ensureDeferred
async def test_health_while_clients_are_closed(serve, administer):
    served = await serve({"/echo": Echo()})
    _, operator = await administer(served.app)
    client = await served.open("/echo")
    closed = served.app.close()
    answer = await operator.ask("/healthz")
    assert (answer.status, answer.body) == (503, b"draining\n")
    await client.closing(1001)
    await closed


@pytest_twisted.ensureDeferred
async def test_health_after_the_reactor_was_stuck(serve, administer, monkeypatch):
    monkeypatch.setattr(Metrics, "STUCK", 0.2)
    served = await serve({"/echo": Echo()})
    _, operator = await administer(served.app)
    asked = Deferred.fromCoroutine(operator.ask("/healthz"))
    # It is asked while the reactor is stuck, and answers when it can again: with the figure.
    time.sleep(0.8)  # the callback that blocks the reactor, not a wait of the test
    answer = await asked
    assert answer.status == 503
    said = re.fullmatch(rb"the reactor was stuck for (\d+\.\d) s\n", answer.body)
    assert float(said[1]) >= 0.5
    # Ten seconds later it is over; without waiting for them:
    from twisted.internet import reactor

    seconds = reactor.seconds
    monkeypatch.setattr(served.app.metrics.lag, "_seen", [(seconds() - 11, 5.0)])
    monkeypatch.setattr(served.app.metrics.lag, "_due", seconds() + 1)
    assert served.app.metrics.health().isWell


@pytest_twisted.ensureDeferred
async def test_drain_and_resume_take_the_token(serve, administer):
    served = await serve({"/echo": Echo()})
    admin, operator = await administer(served.app)
    client = await served.open("/echo")
    for fields in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": admin.token}):
        answer = await operator.ask("/drain", "POST", Content_Length="0", **fields)
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert admin.token.encode() not in answer.body
    assert (await operator.ask("/healthz")).status == 200
    allowed = {"Authorization": f"Bearer {admin.token}", "Content_Length": "0"}
    assert (await operator.ask("/drain", "GET", **allowed)).status == 405
    assert (await operator.ask("/drain", "POST", **allowed)).status == 200
    assert (await operator.ask("/healthz")).status == 503
    # Nobody has to leave, and who comes all the same is served.
    await served.open("/echo")
    client.send(text("still here"))
    assert await client.next() == "still here"
    assert (await operator.ask("/resume", "POST", **allowed)).status == 200
    assert (await operator.ask("/healthz")).status == 200


def test_tokens_are_not_guessable():
    tokens = {Admin(App("localhost")).token for _ in range(20)}
    assert len(tokens) == 20
    assert min(map(len, tokens)) >= 24
    assert Admin(App("localhost"), token="mine").token == "mine"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9100", "127.0.0.1:9100", "[::1]:9100", "10.1.2.3", "ops.test"]
)
@pytest.mark.parametrize("target", ["/", "/metrics", "/healthz"])
@pytest_twisted.ensureDeferred
async def test_own_names(serve, administer, host, target):
    served = await serve({"/echo": Echo()})
    _, operator = await administer(served.app, hosts=["Ops.test"])
    assert (await operator.ask(target, host=host)).status == 200
    assert (await operator.ask(target, host=host, Origin=f"http://{host}")).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "xn--localhost"]
)
@pytest.mark.parametrize("target", ["/", "/metrics", "/healthz", "/live", "/drain"])
@pytest_twisted.ensureDeferred
async def test_a_strangers_name_that_resolves_to_us(serve, administer, host, target):
    served = await serve({"/echo": Echo()})
    _, operator = await administer(served.app)
    answer = await operator.ask(target, host=host, Origin=f"http://{host}")
    assert answer.status == 403
    assert b"--admin-host" in answer.body


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://localhost",
        "http://localhost:8080",
        "http://127.0.0.1:9100",
        "localhost:9100",
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_strangers_page(serve, administer, origin):
    """Another port of the same host is another site, too: the application's own pages, say."""
    served = await serve({"/echo": Echo()})
    _, operator = await administer(served.app)
    head = request("GET /live HTTP/1.1", Host="localhost:9100", Origin=origin)
    answer = await (await operator.client(head)).response()
    assert answer.status == 403


@pytest_twisted.ensureDeferred
async def test_the_live_page_and_its_files(serve, administer):
    served = await serve({"/echo": Echo()})
    _, operator = await administer(served.app)
    page = await operator.ask("/")
    assert page.status == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for name in ("admin.css", "admin.js", "demo.css", "theme.js", "icon.svg", "ratchet.js"):
        assert f"/{name}".encode() in page.body or name == "ratchet.js"
        assert (await operator.ask(f"/{name}")).status == 200
    assert (await operator.ask("/admin.py")).status == 404


async def live(operator, host="127.0.0.1"):
    head = request(
        "GET /live HTTP/1.1", Host=host, Origin=f"http://{host}", Sec_WebSocket_Protocol="wamp"
    )
    client = await operator.client(head)
    assert (await client.response()).status == 101
    assert (await client.heard())[0] == 0
    return client


@pytest_twisted.ensureDeferred
async def test_what_the_page_is_told(serve, administer):
    served = await serve({"/echo": Echo(), "/pubsub": PubSub(), "/more": Component()})
    _, operator = await administer(served.app)
    for count, topic in ((3, "busy"), (1, "calm")):
        for _ in range(count):
            (await served.wamp("/pubsub")).say(5, topic)
    other = await served.wamp("/more")
    other.say(5, "busy")
    other.say(2, "1", "nothing")
    await other.heard()
    client = await served.open("/echo")
    client.send(text("x"))
    await client.next()
    refused = await served.client(request("GET /nowhere HTTP/1.1"))
    await refused.response()
    await refused.gone()
    operatorsPage = await live(operator)
    operatorsPage.say(5, "now")
    kind, topic, now = await operatorsPage.heard()
    assert (kind, topic) == (8, "now")
    assert now["isWell"]
    assert (now["health"], now["isDraining"]) == ("ok", False)
    assert (now["connections"], now["connectionsInAll"]) == (6, 7)
    assert (now["topicsInAll"], now["subscriptions"]) == (3, 5)
    assert now["topics"] == [
        {"id": "busy", "path": "/pubsub", "subscribers": 3},
        {"id": "calm", "path": "/pubsub", "subscribers": 1},
        {"id": "busy", "path": "/more", "subscribers": 1},
    ]
    echo, pubsub, more = now["routes"]
    assert echo == {"path": "/echo", "connections": 1, "received": 1, "sent": 1, "blocked": 0}
    assert (pubsub["path"], pubsub["connections"]) == ("/pubsub", 4)
    assert (more["path"], more["received"]) == ("/more", 2)
    assert now["refused"] == [{"status": 404, "count": 1}]
    assert (now["closed"], now["exceeded"]) == ([], [])
    assert now["broker"] is None
    # And again each second; the history has come by as many.
    later = (await operatorsPage.heard())[2]
    assert later["time"] > now["time"]
    operatorsPage.say(2, "1", "history")
    # What it is told each second may come before the answer.
    while (answer := await operatorsPage.heard())[0] == 8:
        pass
    history = answer[2]
    assert history[-1][1] == 6
    assert len(history[-1]) == 5


@pytest_twisted.ensureDeferred
async def test_there_is_nothing_else_to_subscribe_to_or_call(serve, administer):
    served = await serve({"/echo": Echo()})
    _, operator = await administer(served.app)
    client = await live(operator)
    client.say(5, "other")
    client.say(7, "now", "forged")
    client.say(2, "1", "drain")
    assert (await client.heard())[:2] == [4, "1"]


@pytest_twisted.ensureDeferred
async def test_nothing_is_gathered_after_the_end(serve, administer):
    from twisted.internet import reactor

    served = await serve({"/echo": Echo()})
    admin, _ = await administer(served.app)
    assert [call for call in reactor.getDelayedCalls() if "ReactorLag" in str(call)]
    await admin.close()
    await served.app.close()
    await deferLater(reactor, 0)
    left = [str(call) for call in reactor.getDelayedCalls()]
    assert not [call for call in left if "ReactorLag" in call or "LoopingCall" in call]
