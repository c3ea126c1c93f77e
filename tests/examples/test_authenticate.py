"""Strangers read, users sign in, editors write; both versions of WAMP, and a cookie."""

import json

import pytest
import pytest_twisted
from autobahn.wamp.auth import compute_wcs, derive_key

API = "http://api.wamp.ws/procedure#"


@pytest.fixture
def site(serve):
    return serve("authenticate.py")


async def call(client, procedure, *args):
    client.sayJson(2, "id", procedure, *args)
    kind, id, *rest = await client.nextJson()
    assert id == "id"
    return rest[0] if kind == 3 else rest


async def joinByV1(client, name, secret):
    await client.next()
    challenge = await call(client, API + "authreq", name)
    extra = json.loads(challenge).get("authextra")
    key = derive_key(secret, **extra) if extra else secret
    return await call(client, API + "auth", compute_wcs(key, challenge).decode())


async def joinByV2(client, authid, method, answer):
    client.sayJson(1, "realm", {"roles": {}, "authid": authid, "authmethods": [method]})
    kind, _, extra = await client.nextJson()
    assert kind == 4
    client.sayJson(5, answer(extra), {})
    return await client.nextJson()


@pytest_twisted.ensureDeferred
async def test_a_stranger_reads_and_writes_not(site, connect):
    reader = await connect(site.port, "/ws", "wamp")
    await reader.next()
    assert await call(reader, "whoami") == {"authid": None, "authrole": "reader"}
    reader.sayJson(7, "news.local", "spam")
    reader.sayJson(5, "inbox.joe")
    reader.sayJson(5, "inbox.None")
    reader.sayJson(5, "news.local")
    await call(reader, "whoami")
    refused = await call(reader, "shutdown")
    assert refused[0] == "http://api.wamp.ws/error#not-authorized"
    editor = await connect(site.port, "/ws", "wamp")
    assert await joinByV1(editor, "ann", "pear") == {"pubsub": [], "rpc": []}
    editor.sayJson(7, "news.local", "rain")
    assert await reader.nextJson() == [8, "news.local", {"from": "ann", "text": "rain"}]
    editor.sayJson(5, "news.local")
    assert await reader.nextJson() == [8, "news.local", {"join": "ann"}]


@pytest_twisted.ensureDeferred
async def test_users_of_version_2(site, connect):
    joe = await connect(site.port, "/ws", "wamp.2.json")
    kind, _, details = await joinByV2(joe, "joe", "ticket", lambda extra: "joe's ticket")
    assert (kind, details["authid"], details["authrole"]) == (2, "joe", "user")
    joe.sayJson(32, 1, {}, "inbox.joe")
    assert (await joe.nextJson())[:2] == [33, 1]
    joe.sayJson(32, 2, {}, "inbox.ann")
    assert (await joe.nextJson())[:3] == [8, 32, 2]

    ann = await connect(site.port, "/ws", "wamp.2.json")

    def sign(extra):
        key = derive_key("pear", extra["salt"], extra["iterations"], extra["keylen"])
        return compute_wcs(key, extra["challenge"]).decode()

    kind, _, details = await joinByV2(ann, "ann", "wampcra", sign)
    assert (kind, details["authid"], details["authrole"]) == (2, "ann", "editor")


@pytest_twisted.ensureDeferred
async def test_a_wrong_secret(site, connect):
    client = await connect(site.port, "/ws", "wamp.2.json")
    kind, _, reason = await joinByV2(client, "joe", "wampcra", lambda extra: "guessed")
    assert (kind, reason) == (3, "wamp.error.authentication_failed")


@pytest_twisted.ensureDeferred
async def test_the_cookie(site, connect):
    client = await connect(site.port, "/echo", headers={"Cookie": "session=s3cr3t"})
    client.say("hello")
    assert await client.next() == "hello"
    with pytest.raises(ConnectionError, match="401"):
        await connect(site.port, "/echo")
