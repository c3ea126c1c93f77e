"""The ``authenticate`` hook on real sockets: what a client sees, and one that leaves."""

from __future__ import annotations

import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from ratchet_py import HttpError
from tests.integration.test_handshake import assertRefusal
from tests.integration.wire import patient, request, text


def byCookie(req):
    if "session" not in req.cookies:
        raise HttpError(401, "log in first", {"WWW-Authenticate": "Cookie"})
    return req.cookies["session"] == "secret" and "ann"


@pytest_twisted.ensureDeferred
async def test_a_good_one(serve, echo):
    served = await serve(echo, authenticate=byCookie)
    client = await served.open(Cookie="session=secret")
    client.send(text("hello"))
    assert await client.next() == "hello"
    assert echo.conns[0].httpRequest.user == "ann"


@pytest_twisted.ensureDeferred
async def test_refused(serve, echo):
    served = await serve(echo, authenticate=byCookie)
    client = await served.client(request())
    assertRefusal(await client.response(), 401, {"www-authenticate": "Cookie"})
    await client.gone()
    client = await served.client(request(Cookie="session=guessed"))
    assertRefusal(await client.response(), 403)
    await client.gone()
    assert echo.events == []


@pytest_twisted.ensureDeferred
async def test_who_leaves_while_it_waits_never_was_there(serve, echo):
    asked, left = Deferred(), Deferred()

    def authenticate(req):
        asked.callback(None)
        return Deferred(left.callback)

    served = await serve(echo, authenticate=authenticate)
    client = await served.client(request())
    await patient(asked, "the hook")
    client.transport.loseConnection()
    await patient(left, "the end of the hook")
    await client.gone()
    assert echo.events == []
    bystander = await served.client(request(Origin="http://elsewhere.example"))
    assert (await bystander.response()).status == 403


@pytest_twisted.ensureDeferred
async def test_a_flood_while_it_waits_is_not_read(serve, echo):
    from twisted.internet import reactor

    asked, deciding = Deferred(), Deferred()

    def authenticate(req):
        asked.callback(None)
        return deciding

    served = await serve(echo, authenticate=authenticate)
    client = await served.client(request() + text("early"))
    await patient(asked, "the hook")
    (conn,) = served.app.server.connections
    client.send(text("y" * 8_000_000))
    while not conn.readingPaused:
        await deferLater(reactor, 0)
    deciding.callback("ann")
    assert (await client.response()).status == 101
    assert await client.next() == "early"
    assert len(await client.next()) == 8_000_000
