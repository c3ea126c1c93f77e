"""The stack by hand."""

from http.client import HTTPConnection

import pytest
import pytest_twisted


@pytest.fixture
def server(serve):
    return serve("compose.py")


@pytest_twisted.ensureDeferred
async def test_a_room_hears_what_is_said_in_it_and_nothing_else(server, connect):
    one = await connect(server.port, "/chat/kittens")
    two = await connect(server.port, "/chat/kittens")
    other = await connect(server.port, "/chat/puppies")

    one.say("meow")
    assert await two.next() == "meow"
    other.say("woof")
    assert await other.next() == "woof"
    two.say("purr")
    assert [await two.next(), await one.next(), await one.next()] == ["purr", "meow", "purr"]


@pytest.mark.parametrize(
    ("path", "origin", "status"),
    [
        ("/chat/KITTENS", "http://localhost", 404),
        ("/elsewhere", "http://localhost", 404),
        ("/chat/kittens", "http://elsewhere.example", 403),
        ("/chat/kittens", "http://localhost", 426),
    ],
)
def test_it_refuses_what_its_layers_refuse(server, path, origin, status):
    client = HTTPConnection("127.0.0.1", server.port)
    client.request("GET", path, headers={"Origin": origin})

    assert client.getresponse().status == status
    client.close()
