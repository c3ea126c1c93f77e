"""A server for pushes beside an App, both on real sockets."""

from __future__ import annotations

from itertools import pairwise

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.threads import deferToThread

from ratchet_py.admin import Admin
from ratchet_py.push import PushClient, PushCredentials, PushFailed, PushRefused, PushServer
from ratchet_py.wamp import Component
from tests.integration.conftest import PubSub
from tests.integration.wire import Client, patient
from tests.push.conftest import TOKEN, head

LOOPBACK = "tcp:0:interface=127.0.0.1"


@pytest.fixture
def pushServer():
    """``await pushServer(app, credentials)`` listens, and is a PushServer."""
    servers = []

    async def start(app, credentials=None, **options):
        server = PushServer(app, credentials, **options)
        servers.append(server)
        (server.port,) = [port.getHost().port for port in await server.listen(LOOPBACK)]
        server.url = f"http://127.0.0.1:{server.port}/publish"
        return server

    yield start
    for server in servers:
        pytest_twisted.blockon(server.close())


@pytest_twisted.ensureDeferred
async def test_pushes_arrive_at_the_apps_clients(serve, pushServer):
    served = await serve(PubSub())
    server = await pushServer(served.app, PushCredentials(TOKEN))
    page = await served.wamp()
    page.say(5, "news")
    with PushClient(server.url, TOKEN) as client:
        while (await deferToThread(client.push, "news", "rain")).nodes == 0:
            pass
    assert await page.heard() == [8, "news", "rain"]
    assert server.token is None
    assert served.app.server.tally.pushed[202] >= 1


@pytest_twisted.ensureDeferred
async def test_a_token_is_made_if_there_are_no_credentials(serve, pushServer):
    served = await serve(PubSub())
    one, other = await pushServer(served.app), await pushServer(served.app)
    assert one.token != other.token
    with PushClient(one.url, one.token) as client:
        assert (await deferToThread(client.push, "news", 1)).nodes == 0
    wrong = PushClient(one.url, other.token)
    with pytest.raises(PushRefused, match="401"):
        await deferToThread(wrong.push, "news", 1)
    wrong.close()


@pytest_twisted.ensureDeferred
async def test_what_is_too_large_is_not_even_read(serve, pushServer):
    from twisted.internet import reactor

    served = await serve(PubSub())
    server = await pushServer(served.app)
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", server.port)
    client = await connectProtocol(endpoint, Client())
    client.send(head(1024 * 1024 + 1))
    answer = await client.response()
    assert (answer.status, answer.body) == (413, b"request body larger than 1048576 bytes\n")
    await client.end()
    assert served.app.server.tally.refused == {413: 1}
    assert served.app.server.tally.exceeded == {"messageSize": 1}


class Thoughtful(Component):
    """Decides when it is told to."""

    def __init__(self):
        super().__init__()
        self.asked = Deferred()
        self.decision = Deferred()

    def onPush(self, topic, event):
        self.asked.callback(None)
        return self.decision


@pytest_twisted.ensureDeferred
async def test_at_the_end_what_was_pushed_is_answered(serve, pushServer):
    application = Thoughtful()
    served = await serve(application)
    server = await pushServer(served.app, PushCredentials(TOKEN))
    first, second = PushClient(server.url, TOKEN), PushClient(server.url, TOKEN, attempts=1)
    pushing = deferToThread(first.push, "news", 1)
    await patient(application.asked, "the application")
    closing = server.close()
    with pytest.raises(PushFailed, match="shutting down") as failed:
        await deferToThread(second.push, "news", 1)
    assert not failed.value.mayHaveArrived
    assert not closing.called
    application.decision.callback(None)
    assert (await pushing).nodes == 0
    for client in first, second:
        client.close()
    await patient(closing, "the end")


@pytest_twisted.ensureDeferred
async def test_the_admin_takes_pushes_with_its_token_or_what_pushes_take(serve):
    served = await serve(PubSub())
    for credentials, right, wrong in (
        (None, "admin", TOKEN),
        (PushCredentials(TOKEN), TOKEN, "admin"),
    ):
        admin = Admin(served.app, "admin", pushCredentials=credentials)
        (port,) = await admin.listen(LOOPBACK)
        url = f"http://127.0.0.1:{port.getHost().port}/publish"
        good, bad = PushClient(url, right), PushClient(url, wrong)
        assert (await deferToThread(good.push, "news", 1)).nodes == 0
        with pytest.raises(PushRefused, match="401"):
            await deferToThread(bad.push, "news", 1)
        for client in good, bad:
            client.close()
        await admin.close()


# Ten times as many, and one by one, take a minute and show nothing else.
EVENTS, BATCH = 10_000, 50


@pytest_twisted.ensureDeferred
async def test_events_come_in_their_order_while_clients_come_and_go(serve, pushServer):
    served = await serve(PubSub())
    server = await pushServer(served.app, PushCredentials(secret="secret"))
    stays = await served.wamp()
    stays.say(5, "news")
    await subscribed(stays)
    pushing = deferToThread(pushMany, server.url)
    passing = Deferred.fromCoroutine(comeAndGo(served, pushing))
    got = []
    while len(got) < EVENTS:
        kind, topic, number = await stays.heard()
        assert (kind, topic) == (8, "news")
        got.append(number)
    assert got == list(range(EVENTS))
    await gatherResults([pushing, passing])


def pushMany(url):
    with PushClient(url, secret="secret") as client:
        for start in range(0, EVENTS, BATCH):
            pushed = client.pushAll([{"topic": "news", "event": start + n} for n in range(BATCH)])
            assert pushed == ([1] * BATCH, True)


async def comeAndGo(served, until):
    while not until.called:
        client = await served.wamp()
        client.say(5, "news")
        await subscribed(client)
        events = await subscribed(client)
        assert all(after == before + 1 for before, after in pairwise(events))
        client.reset()
        await client.gone()


async def subscribed(client):
    """Wait until a subscription holds, or an answer comes; the events that came before it."""
    client.say(2, "answer", "anything")
    events = []
    while (message := await client.heard())[1] != "answer":
        events.append(message[2])
    return events
