"""What the live page is told, each second, over the server's own WebSocket."""

from __future__ import annotations

from collections import deque
from heapq import nlargest
from typing import TYPE_CHECKING, Any

from twisted.internet.task import LoopingCall

from ratchet_py import __version__
from ratchet_py.errors import CallError, NotAuthorized
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.wamp.component import Component

if TYPE_CHECKING:
    from ratchet_py.metrics import Metrics
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
        metrics: Where the figures are.
    """

    SECONDS = 300
    TOPICS = 50

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics
        self._history: deque[list[float]] = deque(maxlen=self.SECONDS)
        self._loop = LoopingCall(self._sample)
        self._reactor: Any = None
        self._began = 0.0
        self._before = (0.0, 0, 0, 0, 0)
        self._rates = (0.0, 0.0, 0.0, 0.0)
        self._watched: Topic | None = None

    def start(self, reactor: Any) -> None:
        """Begin to gather."""
        self._reactor = self._loop.clock = reactor
        self._began = reactor.seconds()
        self._before = self._totals()
        self._loop.start(1.0, now=False)

    def stop(self) -> None:
        """End it."""
        if self._loop.running:
            self._loop.stop()

    def onSubscribe(self, conn: ConnectionInterface, topic: Topic) -> None:
        """Only the one topic is there; who comes gets the figures at once."""
        if topic.getId() != NOW:
            raise NotAuthorized
        self._watched = topic
        conn.event(topic, self.snapshot())

    def onCall(self, conn: ConnectionInterface, id: Any, topic: Topic, params: Any) -> object:
        """Answer with the history."""
        if topic.getId() != HISTORY:
            raise CallError("http://api.wamp.ws/error#NoSuchRPCEndpoint", "there is history only")
        return list(self._history)

    def snapshot(self) -> dict[str, Any]:
        """The figures of the moment, for the page."""
        metrics = self._metrics
        applications = list(metrics.applications.values())
        topics = {each.path: each.topics for each in applications}
        received, sent, bytesIn, bytesOut = self._rates
        waiting = [
            conn.bufferedAmount for server in metrics.servers for conn in tuple(server.connections)
        ]
        tallies = [server.tally for server in metrics.servers]
        health = metrics.health()
        broker = metrics.broker
        now = self._reactor.seconds()
        busiest = nlargest(
            self.TOPICS,
            ((count, id, path) for path, found in topics.items() for id, count in found),
        )
        return {
            "version": __version__,
            "time": now,
            "uptime": now - self._began,
            "isWell": health.isWell,
            "health": health.reason,
            "isDraining": metrics.isDraining,
            "connections": sum(len(server.connections) for server in metrics.servers),
            "connectionsInAll": sum(tally.connections for tally in tallies),
            "received": received,
            "sent": sent,
            "bytesIn": bytesIn,
            "bytesOut": bytesOut,
            "waiting": sum(waiting),
            "waitingMost": max(waiting, default=0),
            "lag": metrics.lag.last,
            "lagMost": metrics.lag.worst(60),
            "subscriptions": sum(count for found in topics.values() for _, count in found),
            "topicsInAll": sum(len(found) for found in topics.values()),
            "topics": [
                {"id": id, "path": path, "subscribers": count} for count, id, path in busiest
            ],
            "routes": [
                {
                    "path": each.path,
                    "connections": each.connections,
                    "received": each.meter.messagesIn,
                    "sent": each.meter.messagesOut - each.dropped,
                    "blocked": each.meter.blocked,
                }
                for each in applications
            ],
            "slowest": [slow._asdict() for slow in metrics.slowest.list()],
            "closed": [
                {"by": by, "code": code, "count": count}
                for tally in tallies
                for (by, code), count in tally.closed.most_common(20)
            ],
            "refused": [
                {"status": status, "count": count}
                for tally in tallies
                for status, count in tally.refused.most_common(20)
            ],
            "exceeded": [
                {"limit": limit, "count": count}
                for tally in tallies
                for limit, count in tally.exceeded.most_common()
            ],
            "broker": broker
            and {
                "isUp": broker.isUp,
                "published": broker.published,
                "received": broker.received,
                "lost": broker.lost,
                "outages": broker.outages,
                "malformed": broker.malformed,
                "waiting bytes": broker.waiting,
            },
        }

    def _totals(self) -> tuple[float, int, int, int, int]:
        meters = [each.meter for each in self._metrics.applications.values()]
        tallies = [server.tally for server in self._metrics.servers]
        return (
            self._reactor.seconds(),
            sum(meter.messagesIn for meter in meters),
            sum(meter.messagesOut for meter in meters),
            sum(tally.bytesIn for tally in tallies),
            sum(tally.bytesOut for tally in tallies),
        )

    def _sample(self) -> None:
        totals = self._totals()
        seconds = max(totals[0] - self._before[0], 1e-6)
        received, sent, bytesIn, bytesOut = (
            (total - before) / seconds
            for total, before in zip(totals[1:], self._before[1:], strict=True)
        )
        self._rates = received, sent, bytesIn, bytesOut
        self._before = totals
        connections = sum(len(server.connections) for server in self._metrics.servers)
        lag = self._metrics.lag.last
        self._history.append([totals[0], connections, received, sent, lag])
        if self._watched is not None and len(self._watched):
            self._watched.broadcast(self.snapshot())
