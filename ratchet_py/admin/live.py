"""What the live page is told, each second, over the server's own WebSocket."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from ratchet_py.errors import CallError, NotAuthorized
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.wamp.component import Component

if TYPE_CHECKING:
    from ratchet_py.admin.figures import Figures
    from ratchet_py.wamp.topic import Topic

__all__ = ["Live"]

NOW = "now"
HISTORY = "history"


class Live(Component):
    """A WAMP application: a topic, ``now``, with the figures each second; a procedure, ``history``.

    The history is what the page draws: for each of the last five minutes' seconds the time, the
    connections, the messages that came and went within it, and the reactor's lag. It is gathered
    all the time, as it is cheap; topics are counted only while somebody looks.

    Args:
        figures: Where the figures are.
    """

    SECONDS = 300

    def __init__(self, figures: Figures) -> None:
        super().__init__()
        self._figures = figures
        self._history: deque[list[float]] = deque(maxlen=self.SECONDS)
        self._loop = LoopingCall(self._sample)
        self._watched: Topic | None = None

    def start(self, reactor: Any) -> None:
        """Begin to gather."""
        self._loop.clock = reactor
        self._figures.start(reactor)
        self._loop.start(1.0, now=False)

    def stop(self) -> None:
        """End it."""
        if self._loop.running:
            self._loop.stop()
        self._figures.stop()

    def onSubscribe(self, conn: ConnectionInterface, topic: Topic) -> Deferred[Any]:
        """Only the one topic is there; who comes gets the figures at once."""
        if topic.getId() != NOW:
            raise NotAuthorized
        self._watched = topic
        return self._figures.snapshot().addCallback(lambda now: conn.event(topic, now))

    def onCall(self, conn: ConnectionInterface, id: Any, topic: Topic, params: Any) -> object:
        """Answer with the history."""
        if topic.getId() != HISTORY:
            raise CallError("http://api.wamp.ws/error#NoSuchRPCEndpoint", "there is history only")
        return list(self._history)

    def _sample(self) -> Deferred[Any] | None:
        self._history.append(self._figures.row())
        watched = self._watched
        if watched is None or not len(watched):
            return None
        return self._figures.snapshot().addCallback(watched.broadcast)
