"""Flask as a route of an App."""

import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import pytest_twisted


@pytest_twisted.ensureDeferred
async def test_what_is_posted_to_flask_reaches_who_has_subscribed(serve, connect):
    server = serve("flask_pages.py")
    url = f"http://localhost:{server.port}"
    with urlopen(f"{url}/") as answer:
        assert answer.read() == f"The news are at ws://localhost:{server.port}/live\n".encode()
    with pytest.raises(HTTPError, match="404"):
        urlopen(f"{url}/none")

    page = await connect(server.port, "/live", "wamp")
    await page.next()
    await page.subscribe("news")
    post = Request(f"{url}/news", b'{"title": "It works"}', {"Content-Type": "application/json"})
    with urlopen(post) as answer:
        assert answer.status == 202
    assert json.loads(await page.next()) == [8, "news", {"title": "It works"}]
    # In chunks, whose length nobody has announced.
    post.data = iter([b'{"title": ', b'"In chunks"}'])
    with urlopen(post) as answer:
        assert answer.status == 202
    assert json.loads(await page.next()) == [8, "news", {"title": "In chunks"}]
    assert "Traceback" not in server.stop()
