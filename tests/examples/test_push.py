"""The site posts, the pages hear of it."""

import json
from urllib.request import Request, urlopen

import pytest
import pytest_twisted


@pytest.fixture
def site(serve):
    return serve("push.py")


@pytest_twisted.ensureDeferred
async def test_an_article_reaches_who_has_subscribed_to_its_category(site, connect):
    page = await connect(site.port, "/pubsub", "wamp")
    await page.next()
    await page.subscribe("kittens")

    for category in ("puppies", "kittens"):
        article = {"category": category, "title": "Look!"}
        post = Request(f"http://localhost:{site.port}/publish", json.dumps(article).encode())
        with urlopen(post) as answer:
            assert answer.status == 202
    assert await page.nextJson() == [8, "kittens", {"category": "kittens", "title": "Look!"}]


@pytest_twisted.ensureDeferred
async def test_a_page_that_publishes_is_closed(site, connect):
    page = await connect(site.port, "/pubsub", "wamp")

    page.sayJson(7, "kittens", "spam")
    assert await page.closed == 1000
