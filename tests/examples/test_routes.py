"""Three applications at three paths."""

from http.client import HTTPConnection

import pytest_twisted


@pytest_twisted.ensureDeferred
async def test_each_path_has_its_own_application(serve, connect):
    port = serve("routes.py").port
    one, two = [await connect(port, "/room/kitchen") for _ in range(2)]
    elsewhere = await connect(port, "/room/garden")
    chat = await connect(port, "/chat")
    echo = await connect(port, "/echo")

    one.say("soup")
    assert await two.next() == "soup"
    for client in (elsewhere, chat):
        client.say("to nobody")
    echo.say("to me")
    assert await echo.next() == "to me"
    two.say("salad")
    assert await one.next() == "salad"


def test_a_path_that_nobody_serves_is_not_found(serve):
    client = HTTPConnection("127.0.0.1", serve("routes.py").port)
    client.request("GET", "/room/", headers={"Host": "localhost"})

    assert client.getresponse().status == 404
    client.close()
