"""The chat of Ratchet's site, with its bot."""

import pytest_twisted


async def enter(connect, port, name=None):
    """Somebody's page."""
    headers = {} if name is None else {"Cookie": f"name={name}"}
    client = await connect(port, "/chat", "wamp", headers=headers)
    client.id = (await client.nextJson())[1]
    return client


async def event(client):
    """The next event without its time."""
    kind, topic, payload = await client.nextJson()
    assert kind == 8
    return topic, payload[:3] if payload[0] == "message" else payload


@pytest_twisted.ensureDeferred
async def test_the_bot_keeps_who_is_alone_company(serve, connect):
    port = serve("chat_room.py").port
    ann = await enter(connect, port, "Ann")

    ann.sayJson(5, "ctrl:rooms")
    _, (room, *rest) = await event(ann)
    assert rest == ["General", 1]
    ann.sayJson(5, room)
    assert await event(ann) == (room, ["joinRoom", "1", "Lonely Bot"])
    _, (_, who, greeting) = await event(ann)
    assert who == "1"
    assert greeting.startswith("Hi Ann!")
    assert "alone" in greeting
    ann.sayJson(7, room, "<b>")
    assert await event(ann) == (room, ["message", ann.id, "&lt;b&gt;"])
    assert await event(ann) == (room, ["message", "1", "<b>"])

    joe = await enter(connect, port)
    joe.sayJson(5, room)
    _, (what, who, name) = await event(ann)
    assert (what, who) == ("joinRoom", joe.id)
    assert name.startswith("Anonymous")
    ann.sayJson(7, room, "hello")
    ann.sayJson(7, room, "test")
    assert await event(ann) == (room, ["message", ann.id, "hello"])
    assert await event(ann) == (room, ["message", ann.id, "test"])
    assert await event(ann) == (room, ["message", "1", "pass"])
    joe.sendClose()
    assert await event(ann) == (room, ["leftRoom", joe.id])


@pytest_twisted.ensureDeferred
async def test_a_room_is_made_and_goes_with_the_last_who_leaves(serve, connect):
    port = serve("chat_room.py").port
    ann = await enter(connect, port, "Ann")
    joe = await enter(connect, port, "Joe")
    joe.sayJson(5, "ctrl:rooms")
    await event(joe)

    ann.sayJson(2, "made", "createRoom", "Kitchen")
    _, id, room = await ann.nextJson()
    assert (id, room["display"]) == ("made", "Kitchen")
    assert await event(joe) == ("ctrl:rooms", [room["id"], "Kitchen", 1])
    ann.sayJson(2, "again", "createRoom", "Kitchen")
    assert (await ann.nextJson())[:2] == [4, "again"]
    ann.sayJson(2, "nothing", "createRoom", "")
    assert (await ann.nextJson())[:2] == [4, "nothing"]
    ann.sayJson(5, room["id"])
    ann.sayJson(6, room["id"])
    assert await event(joe) == ("ctrl:rooms", [room["id"], 0])
