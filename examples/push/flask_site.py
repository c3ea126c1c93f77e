"""A site made with Flask that pushes what it saves: ``python flask_site.py`` serves it."""

from flask import Flask, request

from ratchet_py.push import PushClient, PushError

client = PushClient("http://localhost:8080/publish", token="kitten-token")
site = Flask(__name__)


@site.post("/articles")
def articles():
    article = request.get_json()
    # Here it would be saved.
    try:
        client.push(article["category"], article)
    except PushError as exc:
        site.logger.warning("not announced: %s", exc)
    return article, 201


if __name__ == "__main__":
    site.run("localhost", 8001)
