"""The whole stack of Ratchet's site."""

import sqlite3

import pytest_twisted


@pytest_twisted.ensureDeferred
async def test_the_chat_is_served_and_both_ports_are_counted(serve, connect):
    server = serve("website.py")
    page = await connect(server.port, "/", "wamp")
    second = await connect(server.otherPort, "/", "wamp")
    for client in (page, second):
        assert (await client.nextJson())[0] == 0
    page.sayJson(5, "ctrl:rooms")
    assert (await page.nextJson())[2][1:] == ["General", 1]
    for client in (page, second):
        client.sendClose()
        await client.closed

    log = server.stop()
    assert '[5, "ctrl:rooms"]' in log
    with sqlite3.connect(server.folder / "portLog.sqlite") as database:
        counted = dict(database.execute("SELECT port, count FROM portCounter"))
    assert counted == {server.port: 1, server.otherPort: 1}
