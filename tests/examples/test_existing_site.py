"""A stack in a site that has Flask for the rest."""

from urllib.request import urlopen

import pytest
import pytest_twisted


@pytest_twisted.ensureDeferred
async def test_pages_and_websockets_are_on_one_port_and_both_end_well(serve, connect):
    server = serve("existing_site.py")
    client = await connect(server.port, "/echo")
    for path, name in (("/pages/one", "one"), ("/pages/two%20words", "two words")):
        with urlopen(f"http://localhost:{server.port}{path}") as answer:
            assert answer.read() == f"This is {name}\n".encode()
    client.say("hello")
    assert await client.next() == "hello"
    with pytest.raises(ConnectionError, match="404"):
        await connect(server.port, "/elsewhere")

    server.terminate()
    assert await client.closed == 1001
    assert "Traceback" not in server.stop()
