"""The table of exceptions in callbacks: what is thrown where, and who notices."""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, fail

from tests.integration.conftest import Echo, PubSub
from tests.integration.wire import close, text


class Broken(Exception):
    """What an application throws here."""


def later(conn):
    """A Deferred that fires in a later turn of the reactor."""
    deferred = Deferred()
    conn.reactor.callLater(0, deferred.callback, None)
    return deferred


async def _soon():
    raise Broken("soon")


async def _afterAwhile(conn):
    await later(conn)
    raise Broken("later")


def _raise(conn):
    raise Broken("at once")


HOW = {
    "raised": _raise,
    "a failed Deferred": lambda conn: fail(Broken("failed")),
    "a coroutine": lambda conn: _soon(),
    "a coroutine, later": _afterAwhile,
    "a Deferred, later": lambda conn: later(conn).addCallback(_raise),
    "a TypeError": lambda conn: len(5),
    "a RecursionError": lambda conn: _recurse(),
}


def _recurse():
    return _recurse()


class Failing(Echo):
    """Fails in the callbacks that are named, in that way, as long as they are named."""

    def __init__(self, how, *where):
        super().__init__()
        self.how = how
        self.where = where

    def fail(self, callback, conn):
        return self.how(conn) if callback in self.where else None

    def onOpen(self, conn):
        super().onOpen(conn)
        return self.fail("onOpen", conn)

    def onMessage(self, conn, msg):
        self.note("message", msg)
        if msg == "bad":
            return self.fail("onMessage", conn)
        conn.send(msg)
        return None

    def onClose(self, conn):
        self.note("close")
        return self.fail("onClose", conn)

    def onError(self, conn, exc):
        self.note("error")
        return self.fail("onError", conn)


how = pytest.mark.parametrize("how", HOW.values(), ids=HOW)


@how
@pytest_twisted.ensureDeferred
async def test_in_on_message(serve, how):
    failing = Failing(how, "onMessage")
    served = await serve(failing)
    client = await served.open()
    # All in one read: the others are delivered.
    client.send(text("one") + text("bad") + text("two"))
    assert [await client.next(), await client.next()] == ["one", "two"]
    await failing.until("error")
    client.send(text("three"))
    assert await client.next() == "three"
    assert failing.events.count("error") == 1


@how
@pytest_twisted.ensureDeferred
async def test_in_on_open(serve, how):
    failing = Failing(how, "onOpen")
    served = await serve(failing)
    client = await served.open()
    client.send(text("one"))
    assert await client.next() == "one"
    # It failed before the first message came, and the connection has stayed.
    assert failing.events == ["open", "error", ("message", "one")]


@how
@pytest_twisted.ensureDeferred
async def test_in_on_close(serve, loggedFailures, how):
    failing = Failing(how, "onClose")
    served = await serve(failing)
    client = await served.open()
    client.send(close(1000))
    assert (await client.frame()).payload == b"\x03\xe8"
    await client.end()
    await failing.until("error")
    assert failing.events == ["open", "close", "error"]
    assert len(loggedFailures.flush(Broken, TypeError, RecursionError)) == 1


@how
@pytest_twisted.ensureDeferred
async def test_in_on_error(serve, loggedFailures, how):
    failing = Failing(how, "onMessage", "onError")
    served = await serve(failing)
    client = await served.open()
    client.send(text("bad"))
    await client.end(clean=False)
    await failing.until("close")
    assert failing.events == ["open", ("message", "bad"), "error", "close"]
    assert len(loggedFailures.flush(Broken, TypeError, RecursionError)) == 1


@pytest.mark.parametrize("where", ["onOpen", "onMessage", "onClose", "onError"])
@pytest_twisted.ensureDeferred
async def test_no_other_client_notices(serve, loggedFailures, where):
    failing = Failing(_raise)
    served = await serve(failing)
    bystander = await served.open()
    failing.where = ("onMessage", where)
    client = await served.open()
    client.send(text("bad"))
    if where == "onError":
        await client.end(clean=False)
    else:
        client.reset()
    await failing.until("close")
    bystander.send(text("hello"))
    assert await bystander.next() == "hello"
    failing.where = ()
    loggedFailures.flush(Broken)


# -- a WAMP application ----------------------------------------------------------------------------


class FailingPubSub(PubSub):
    """Fails in one callback."""

    def __init__(self, how, where):
        super().__init__()
        setattr(self, where, lambda conn, *args: how(conn))

    def onError(self, conn, exc):
        self.note("error")


@how
@pytest.mark.parametrize("where", ["onSubscribe", "onUnSubscribe", "onPublish", "onOpen"])
@pytest_twisted.ensureDeferred
async def test_in_a_wamp_callback(serve, how, where):
    failing = FailingPubSub(how, where)
    served = await serve(failing)
    client = await served.wamp()
    client.say(5, "topic")
    client.say(7, "topic", "event")
    client.say(6, "topic")
    client.say(2, "id", "anything")
    heard = await client.heard()
    if where != "onPublish":
        assert heard == [8, "topic", "event"]
        heard = await client.heard()
    assert heard[:2] == [4, "id"]
    await failing.until("error")
    assert failing.events.count("error") == 1


@how
@pytest_twisted.ensureDeferred
async def test_in_on_call_the_caller_is_told_without_details(serve, how):
    failing = FailingPubSub(how, "onCall")
    served = await serve(failing)
    client = await served.wamp()
    client.say(2, "id", "anything")
    heard = await client.heard()
    assert heard[:3] == [4, "id", "http://api.wamp.ws/error#internal"]
    assert len(heard) == 4
    assert not any(word in heard[3] for word in ("Broken", "once", "soon", "later", "failed"))
    assert failing.events.count("error") == 1


@how
@pytest_twisted.ensureDeferred
async def test_subscriptions_are_released_although_on_close_fails(serve, loggedFailures, how):
    failing = FailingPubSub(how, "onClose")
    served = await serve(failing)
    topic = served.app.topic("/", "topic")
    other = await served.wamp()
    client = await served.wamp()
    for each in (other, client):
        each.say(5, "topic")
        each.say(2, "id", "anything")
        await each.heard()
    assert len(topic) == 2
    client.reset()
    await client.gone()
    await failing.until("error")
    assert len(topic) == 1
    topic.broadcast("event")
    assert await other.heard() == [8, "topic", "event"]
    other.reset()
    await failing.until("error", times=2)
    assert len(loggedFailures.flush(Broken, TypeError, RecursionError)) == 2
