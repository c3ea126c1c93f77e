"""Where an :class:`~ratchet_py.admin.Admin` has its figures from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from heapq import nlargest
from typing import Any

from prometheus_client import Metric
from twisted.internet.defer import Deferred, succeed

from ratchet_py import __version__
from ratchet_py.app import App
from ratchet_py.http.router import Route
from ratchet_py.metrics import Health, Metrics
from ratchet_py.push.credentials import PushCredentials
from ratchet_py.push.resource import PushResource
from ratchet_py.push.server import pushRoute
from ratchet_py.server.io_server import IoServer
from ratchet_py.websocket.ws_server import WsServer

__all__ = ["TOPICS", "Figures", "LocalFigures"]

TOPICS = 50
"""Topics that the page shows."""


class Figures(ABC):
    """The figures of a server, whether that is one process or several."""

    @property
    @abstractmethod
    def loop(self) -> Any:
        """The reactor."""

    @abstractmethod
    def start(self, reactor: Any) -> None:
        """Begin to gather."""

    @abstractmethod
    def stop(self) -> None:
        """End it."""

    @abstractmethod
    def drain(self) -> None:
        """Have :meth:`health` say that no new clients should be sent here; nobody has to leave."""

    @abstractmethod
    def resume(self) -> None:
        """Undo :meth:`drain`."""

    @abstractmethod
    def health(self) -> Health:
        """Whether clients should be sent here."""

    @abstractmethod
    def row(self) -> list[float]:
        """What the page draws of a second; asked once in each.

        Returns:
            The time, the connections, the messages received and sent within it, and the lag.
        """

    @abstractmethod
    def snapshot(self) -> Deferred[dict[str, Any]]:
        """What the page shows of the moment."""

    @abstractmethod
    def families(self) -> Deferred[list[Metric]]:
        """What Prometheus is told."""

    @abstractmethod
    def publish(self, credentials: PushCredentials) -> Route | None:
        """Where pushes are taken; None if they are not."""


class LocalFigures(Figures):
    """The figures of a server in this process.

    Args:
        server: The server. It is measured from now on, if it is not yet.

    Attributes:
        metrics: What counts.
    """

    def __init__(self, server: App | IoServer) -> None:
        self._server = server
        self.metrics = _metricsOf(server)
        self._reactor: Any = None
        self._began = 0.0
        self._before = (0.0, 0, 0, 0, 0)
        self._rates = (0.0, 0.0, 0.0, 0.0)

    @property
    def loop(self) -> Any:
        """The reactor."""
        return self._server.loop

    def start(self, reactor: Any) -> None:
        """Begin to gather."""
        self.metrics.start(reactor)
        self._reactor = reactor
        self._began = reactor.seconds()
        self._before = self._totals()

    def stop(self) -> None:
        """End it."""
        self.metrics.stop()

    def drain(self) -> None:
        """Have :meth:`health` say that no new clients should be sent here."""
        self.metrics.drain()

    def resume(self) -> None:
        """Undo :meth:`drain`."""
        self.metrics.resume()

    def health(self) -> Health:
        """Whether clients should be sent here."""
        return self.metrics.health()

    def families(self) -> Deferred[list[Metric]]:
        """What Prometheus is told."""
        return succeed(list(self.metrics.registry.collect()))

    def publish(self, credentials: PushCredentials) -> Route | None:
        """Where pushes are taken; None for what is no ``App``."""
        if not isinstance(self._server, App):
            return None
        return pushRoute(PushResource(self._server, credentials), self._server.limits)

    def row(self) -> list[float]:
        """What the page draws of a second."""
        totals = self._totals()
        seconds = max(totals[0] - self._before[0], 1e-6)
        received, sent, bytesIn, bytesOut = (
            (total - before) / seconds
            for total, before in zip(totals[1:], self._before[1:], strict=True)
        )
        self._rates = received, sent, bytesIn, bytesOut
        self._before = totals
        connections = sum(len(server.connections) for server in self.metrics.servers)
        return [totals[0], connections, received, sent, self.metrics.lag.last]

    def snapshot(self) -> Deferred[dict[str, Any]]:
        """What the page shows of the moment."""
        metrics = self.metrics
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
            TOPICS,
            ((count, id, path) for path, found in topics.items() for id, count in found),
        )
        return succeed(
            {
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
        )

    def _totals(self) -> tuple[float, int, int, int, int]:
        meters = [each.meter for each in self.metrics.applications.values()]
        tallies = [server.tally for server in self.metrics.servers]
        return (
            self._reactor.seconds(),
            sum(meter.messagesIn for meter in meters),
            sum(meter.messagesOut for meter in meters),
            sum(tally.bytesIn for tally in tallies),
            sum(tally.bytesOut for tally in tallies),
        )


def _metricsOf(server: App | IoServer) -> Metrics:
    if isinstance(server, IoServer):
        metrics = Metrics()
        metrics.watch(server)
        component: Any = server.app
        while component is not None and not isinstance(component, WsServer):
            component = getattr(component, "component", None)
        if component is not None:
            metrics.measure(component, "/")
        return metrics
    if server.metrics is None:
        server.measure(Metrics())
        assert server.metrics is not None
    return server.metrics
