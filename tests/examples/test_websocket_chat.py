"""Two browsers' consoles, nearly."""

import pytest_twisted


@pytest_twisted.ensureDeferred
async def test_what_one_says_the_other_reads(serve, connect):
    port = serve("websocket_chat.py").port
    one = await connect(port)
    two = await connect(port)

    one.say("Hello World!")
    assert await two.next() == "Hello World!"
    two.say("Grüße 👋")
    assert await one.next() == "Grüße 👋"


@pytest_twisted.ensureDeferred
async def test_binary_stays_binary(serve, connect):
    port = serve("websocket_chat.py").port
    one = await connect(port)
    two = await connect(port)

    one.sendMessage(b"\x00\xff", isBinary=True)
    assert await two.next() == b"\x00\xff"
