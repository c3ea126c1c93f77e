"""Where the parent of the workers takes pushes: at its admin endpoint."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import Agent, FileBodyProducer, readBody
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ratchet_py.errors import HttpError
from ratchet_py.push.credentials import PushCredentials
from ratchet_py.push.signature import SIGNATURE, TIMESTAMP
from ratchet_py.workers.workers import Workers

__all__ = ["ForwardedPush"]

log = Logger()

# Of the request and of the answer, what the other end has to know. The credentials are ours.
_ASKED = ("Content-Encoding", "Content-Type")
_ANSWERED = ("Allow", "Cache-Control", "Content-Type", "Retry-After", "X-Content-Type-Options")

# Longer than a worker takes to say that something takes too long.
_TIMEOUT = 60.0


class ForwardedPush(Resource):
    """Hands pushes on to the worker that takes them.

    Args:
        workers: The workers.
        credentials: Who may push.
    """

    isLeaf = True

    def __init__(self, workers: Workers, credentials: PushCredentials) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._workers = workers
        self._credentials = credentials

    def render(self, request: Any) -> int:
        """Answer a request of any method (IResource)."""
        gone: list[object] = []
        # The push goes on: nobody could tell how far it has come.
        request.notifyFinish().addErrback(gone.append)
        answering = Deferred.fromCoroutine(self._forward(request))
        answering.addTimeout(_TIMEOUT, self._workers.loop).addErrback(_unanswered)
        answering.addCallback(_respond, request, gone)
        return NOT_DONE_YET

    async def _forward(self, request: Any) -> _Answer:
        body = request.content.read()
        if request.method == b"POST":
            self._credentials.check(
                body,
                authorization=request.getHeader("Authorization"),
                timestamp=request.getHeader(TIMESTAMP),
                signature=request.getHeader(SIGNATURE),
            )
        headers = _some(_ASKED, request.requestHeaders)
        headers.addRawHeader("Authorization", f"Bearer {self._workers.publishToken}")
        response = await Agent(self._workers.loop).request(
            request.method,
            f"http://127.0.0.1:{self._workers.publishPort}/publish".encode(),
            headers,
            FileBodyProducer(BytesIO(body)),
        )
        return response.code, _some(_ANSWERED, response.headers), await readBody(response)


_Answer = tuple[int, Headers, bytes]


def _some(names: Iterable[str], headers: Headers) -> Headers:
    found = ((name, headers.getRawHeaders(name)) for name in names)
    return Headers({name: values for name, values in found if values is not None})


def _unanswered(failure: Failure) -> _Answer:
    error = failure.value
    if not isinstance(error, HttpError):
        log.warn("no worker has answered a push: {error!r}", error=error)
        error = HttpError(503, "no worker answers", {"Retry-After": "1"})
    headers = {"Content-Type": "text/plain; charset=utf-8", **error.headers}
    return (
        error.status,
        Headers({name: [value] for name, value in headers.items()}),
        f"{error.reason}\n".encode(),
    )


def _respond(answer: _Answer, request: Any, gone: list[object]) -> None:
    if gone:
        return
    status, headers, body = answer
    request.setResponseCode(status)
    headers.setRawHeaders("Content-Length", [str(len(body))])
    for name, values in headers.getAllRawHeaders():
        request.responseHeaders.setRawHeaders(name, values)
    request.write(body)
    request.finish()
