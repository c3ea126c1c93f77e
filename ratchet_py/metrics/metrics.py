"""The numbers of an ``App``: what is measured, and whether it is well."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector

from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.meter import Meter, Slowest, Tally
from ratchet_py.metrics.collector import collect
from ratchet_py.metrics.reactor_lag import ReactorLag

__all__ = [
    "Application",
    "BrokerTally",
    "Health",
    "MeasuredApplication",
    "MeasuredServer",
    "Metrics",
]


class MeasuredServer(Protocol):
    """What is needed of an ``IoServer``."""

    tally: Tally

    @property
    def connections(self) -> Collection[ConnectionInterface]:
        """The clients of the moment."""

    def measure(self) -> None:
        """Count bytes, too."""


class MeasuredApplication(Protocol):
    """What is needed of a ``WsServer``."""

    delegate: Any
    dropped: int
    meter: Meter | None

    @property
    def connections(self) -> Sequence[ConnectionInterface]:
        """The clients of the moment."""

    def measure(self, meter: Meter) -> None:
        """Count and time."""


class BrokerTally(Protocol):
    """What is needed of a ``RedisTally``."""

    isUp: bool
    lost: int
    malformed: int
    outages: int
    published: int
    received: int
    subscriptions: int
    waiting: int


class Health(NamedTuple):
    """Whether clients should be sent here.

    Attributes:
        isWell: Whether they should.
        reason: One line for people.
    """

    isWell: bool
    reason: str


class Application:
    """What is measured under one name.

    Attributes:
        path: The name, a route's path.
        meter: What counts.
        servers: The ``WsServer`` objects.
    """

    def __init__(self, path: str, meter: Meter) -> None:
        self.path = path
        self.meter = meter
        self.servers: list[MeasuredApplication] = []

    @property
    def connections(self) -> int:
        """The WebSocket clients of the moment."""
        return sum(len(server.connections) for server in self.servers)

    @property
    def dropped(self) -> int:
        """Messages that slow clients were not sent."""
        return sum(server.dropped for server in self.servers)

    @property
    def isWamp(self) -> bool:
        """Whether it has topics."""
        return any(True for _ in self._managers())

    @property
    def topics(self) -> list[tuple[str, int]]:
        """The topics that have subscribers, each with how many."""
        return [
            (id, len(topic))
            for manager in self._managers()
            for id, topic in list(manager.topics.items())
        ]

    def _managers(self) -> Iterator[Any]:
        for server in self.servers:
            component = server.delegate
            while component is not None and not hasattr(component, "topicManager"):
                component = getattr(component, "component", None)
            if component is not None:
                yield component.topicManager


class Metrics:
    """Counts and times what an ``App`` does, and shows it to Prometheus.

    What is frequent (messages, bytes, callbacks) counts from the moment when it is measured, of the
    clients that come from then on.

    Example:
        >>> from ratchet_py import App
        >>> from ratchet_py.server import EchoServer
        >>> metrics = Metrics()
        >>> app = App("localhost", metrics=metrics)
        >>> _ = app.route("/echo", EchoServer())
        >>> metrics.registry.get_sample_value("ratchet_open_websockets", {"path": "/echo"})
        0

    Args:
        registry: Where to register; one of its own if none is given, with the process's memory,
            descriptors and processor time in it.
        clock: Gives seconds, to time callbacks with.

    Attributes:
        registry: Where the numbers are.
        slowest: The slowest callbacks.
        lag: How late the reactor is.
        servers: What is measured, of the sockets.
        applications: What is measured, by path.
        broker: What the broker counts, if it goes beyond this process.
    """

    STUCK = 1.0
    """Seconds that the reactor may be late before :meth:`health` says so."""

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.slowest = Slowest()
        self.lag = ReactorLag()
        self._isClosing = False
        self._isDrained = False
        self.servers: list[MeasuredServer] = []
        self.applications: dict[str, Application] = {}
        self.broker: BrokerTally | None = None
        self._clock = clock
        if registry is None:
            registry = CollectorRegistry()
            ProcessCollector(registry=registry)
        self.registry = registry
        registry.register(self)

    def watch(self, server: MeasuredServer) -> None:
        """Measure an ``IoServer``."""
        server.measure()
        self.servers.append(server)

    def measure(self, application: MeasuredApplication, path: str) -> None:
        """Measure a ``WsServer``; what is measured already stays where it is.

        Args:
            application: The server.
            path: What it is called. Several of the same name count together.
        """
        if application.meter is not None:
            return
        named = self.applications.get(path)
        if named is None:
            meter = Meter(self.slowest, self._clock)
            named = self.applications[path] = Application(path, meter)
        application.measure(named.meter)
        named.servers.append(application)

    def start(self, reactor: Any) -> None:
        """The server begins to listen."""
        self._isClosing = False
        self.lag.start(reactor)

    @property
    def isDraining(self) -> bool:
        """Whether no new clients should be sent here."""
        return self._isClosing or self._isDrained

    def drain(self) -> None:
        """Have :meth:`health` say that no new clients should be sent here; nobody has to leave."""
        self._isDrained = True

    def resume(self) -> None:
        """Undo :meth:`drain`."""
        self._isDrained = False

    def closing(self) -> None:
        """The server begins to close."""
        self._isClosing = True

    def stop(self) -> None:
        """The last client is gone."""
        self.lag.stop()

    def health(self) -> Health:
        """Whether clients should be sent here: the answer of ``/healthz``.

        Not if the server drains, nor if the reactor was late by more than :attr:`STUCK` within the
        last ten seconds.
        """
        if self.isDraining:
            return Health(False, "draining")
        late = self.lag.worst(10)
        if late > self.STUCK:
            return Health(False, f"the reactor was stuck for {late:.1f} s")
        return Health(True, "ok")

    def collect(self) -> Iterator[Any]:
        """The numbers of the moment (``prometheus_client.registry.Collector``)."""
        return collect(self)
