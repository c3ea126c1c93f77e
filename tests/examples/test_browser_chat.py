"""The page and the chat behind it; tests/browser looks at it in a browser."""

from urllib.request import urlopen

import pytest_twisted


@pytest_twisted.ensureDeferred
async def test_the_page_and_the_chat_are_on_one_port(serve, connect):
    port = serve("browser_chat.py").port
    with urlopen(f"http://localhost:{port}/") as page:
        assert b"new WebSocket(`ws://${location.host}/chat`)" in page.read()
    one, two = [await connect(port, "/chat") for _ in range(2)]

    one.say("hello")
    assert await two.next() == "hello"
