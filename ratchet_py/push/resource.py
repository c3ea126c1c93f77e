"""Where a site pushes events by HTTP, as a resource of ``twisted.web``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, TimeoutError
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ratchet_py.app import App
from ratchet_py.broker.interfaces import Reach
from ratchet_py.errors import CallError, HttpError
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.meter import Tally
from ratchet_py.push.body import Item, parse
from ratchet_py.push.credentials import PushCredentials
from ratchet_py.push.signature import SIGNATURE, TIMESTAMP
from ratchet_py.wamp.topic_manager import TopicManager
from ratchet_py.wamp.wamp_server import WampServer

__all__ = ["PushResource"]

log = Logger()


class PushResource(Resource):
    """Takes events by POST and sends them to the subscribers of their topics.

    It is a leaf for any tree of ``twisted.web``, also one that is the route of an ``App``.
    :doc:`/howto/push` says what is asked and answered. The pushes of one connection are carried out
    one after another, in their order.

    Example:
        ::

            app.route("/pubsub", MyPubSub())
            app.route("/publish", PushResource(app, PushCredentials(token="...")))

    Args:
        target: Whose topics: an ``App``, or a ``WampServer``.
        credentials: Who may push.
        limits: ``pushSize``, ``pushBatch``, ``pushTimeout``, ``pushesInFlight``, ``topicLength``
            and ``jsonDepth`` are used here; those of the ``App`` if not given.
        reactor: The clock of the time limit, for a ``WampServer``; Twisted's own if none is given.

    Attributes:
        tally: Where the answers are counted: that of the ``App``'s server, or its own.
    """

    isLeaf = True

    def __init__(
        self,
        target: App | WampServer,
        credentials: PushCredentials,
        limits: Limits | None = None,
        reactor: Any = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._target = target
        self._credentials = credentials
        self._reactor = reactor
        self._limits = limits or (target.limits if isinstance(target, App) else DEFAULT_LIMITS)
        self.tally = target.server.tally if isinstance(target, App) else Tally()
        self._inFlight = 0
        self._stopped: Deferred[None] | None = None

    def stop(self) -> Deferred[None]:
        """Take no more pushes, for good.

        Returns:
            A Deferred that fires when those before are answered.
        """
        if self._stopped is None:
            self._stopped = Deferred()
            if not self._inFlight:
                self._stopped.callback(None)
        return self._stopped

    def render(self, request: Any) -> int:
        """Answer a request of any method (IResource)."""
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        pushing = Deferred.fromCoroutine(self._answer(request))
        pushing.addErrback(_failed).addCallback(self._respond, request, gone)
        return NOT_DONE_YET

    async def _answer(self, request: Any) -> _Answer:
        items, isBatch = self._read(request)
        if self._stopped is not None:
            raise HttpError(503, "the server is shutting down")
        if self._inFlight >= self._limits.pushesInFlight:
            raise _busy("too many pushes at a time", "pushesInFlight")
        self._inFlight += 1
        try:
            reached = await self._push(items)
        finally:
            self._inFlight -= 1
        nodes = [reach.nodes for reach in reached]
        confirmed = all(reach.isConfirmed for reach in reached)
        return 202, {"nodes": nodes if isBatch else nodes[0], "confirmed": confirmed}

    def _read(self, request: Any) -> tuple[list[Item], bool]:
        """What is pushed, if it may be."""
        if request.method != b"POST":
            raise HttpError(405, "only POST", {"Allow": "POST"})
        body = request.content.read(self._limits.pushSize + 1)
        if len(body) > self._limits.pushSize:
            raise HttpError(413, f"more than {self._limits.pushSize} bytes", limit="pushSize")
        self._credentials.check(
            body,
            authorization=_header(request, "Authorization"),
            timestamp=_header(request, TIMESTAMP),
            signature=_header(request, SIGNATURE),
        )
        if not _isJson(_header(request, "Content-Type") or ""):
            raise HttpError(415, "the Content-Type is application/json")
        if (_header(request, "Content-Encoding") or "identity").lower() != "identity":
            raise HttpError(415, "the body has no Content-Encoding")
        return parse(body, self._limits)

    async def _push(self, items: Sequence[Item]) -> list[Reach]:
        """All of them or none."""
        managers = [self._managerOf(item) for item in items]
        deciding = Deferred.fromCoroutine(_admit(managers, items))
        if not deciding.called:
            deciding.addTimeout(self._limits.pushTimeout, self._clock)
        try:
            events = await deciding
        except TimeoutError:
            raise _busy("the application takes too long", "pushTimeout") from None
        reaching = [
            manager.push(item.topic, event, item.exclude, item.eligible)
            for manager, item, event in zip(managers, items, events, strict=True)
        ]
        reached = DeferredList(reaching, consumeErrors=True)
        if not reached.called:
            reached.addTimeout(self._limits.pushTimeout, self._clock, lambda result, _: result)
        return [
            reach if success else Reach(int(item.topic in manager.topics), False)
            for manager, item, (success, reach) in zip(managers, items, await reached, strict=True)
        ]

    def _managerOf(self, item: Item) -> TopicManager:
        target = self._target
        if isinstance(target, WampServer):
            if item.path is not None:
                raise HttpError(404, f"{item.where}there are no paths here")
            return target.topicManager
        try:
            return target.wampServer(item.path).topicManager
        except LookupError as exc:
            isUnclear = item.path is None and target.wampPaths
            raise HttpError(400 if isUnclear else 404, f"{item.where}{exc.args[0]}") from None

    @property
    def _clock(self) -> Any:
        if self._reactor is None and isinstance(self._target, App):
            return self._target.loop
        if self._reactor is None:
            # Not before it is needed: importing it installs it.
            from twisted.internet import reactor

            self._reactor = reactor
        return self._reactor

    def _respond(self, answer: _Answer | HttpError, request: Any, gone: list[object]) -> None:
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        if isinstance(answer, HttpError):
            status = answer.status
            if answer.limit is not None:
                self.tally.exceeded[answer.limit] += 1
            headers |= {"Content-Type": "text/plain; charset=utf-8", **answer.headers}
            body = (" ".join(answer.reason.split()) + "\n").encode("utf-8", "backslashreplace")
        else:
            status, value = answer
            headers["Content-Type"] = "application/json"
            body = f"{json.dumps(value)}\n".encode()
        self.tally.pushed[status] += 1
        if not gone:
            self._write(request, status, headers, body)
        stopped = self._stopped
        if stopped is not None and not stopped.called and not self._inFlight:
            stopped.callback(None)

    def _write(self, request: Any, status: int, headers: dict[str, str], body: bytes) -> None:
        request.setResponseCode(status)
        headers["Content-Length"] = str(len(body))
        for name, text in headers.items():
            request.setHeader(name, text)
        request.write(body)
        request.finish()


_Answer = tuple[int, dict[str, Any]]


async def _admit(managers: Sequence[TopicManager], items: Sequence[Item]) -> list[Any]:
    """The events, as the applications want them."""
    events = []
    for manager, item in zip(managers, items, strict=True):
        try:
            events.append(await manager.admit(item.topic, item.event))
        except CallError as exc:
            raise HttpError(403, f"{item.where}{exc.desc or exc.uri}") from None
    return events


def _header(request: Any, name: str) -> str | None:
    value = request.getHeader(name.encode())
    return None if value is None else value.decode("latin-1")


def _isJson(contentType: str) -> bool:
    kind, _, parameters = contentType.lower().partition(";")
    charset = parameters.replace('"', "").strip()
    return kind.strip() == "application/json" and charset in ("", "charset=utf-8")


def _busy(reason: str, limit: str) -> HttpError:
    return HttpError(503, reason, {"Retry-After": "1"}, limit)


def _failed(failure: Failure) -> HttpError:
    if isinstance(failure.value, HttpError):
        return failure.value
    log.failure("onPush has failed; nobody has got what was pushed", failure)
    return HttpError(500, "the application has failed")
