"""What an :class:`~ratchet_py.admin.Admin` shows of several processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import LoopingCall

from ratchet_py import __version__
from ratchet_py.admin.figures import Figures
from ratchet_py.http.router import Route
from ratchet_py.limits import DEFAULT_LIMITS
from ratchet_py.metrics import Health, Metrics
from ratchet_py.push.credentials import PushCredentials
from ratchet_py.push.server import pushRoute
from ratchet_py.workers.forwarded_push import ForwardedPush
from ratchet_py.workers.merge import mergedSnapshot
from ratchet_py.workers.mirror import Mirror
from ratchet_py.workers.process import WorkerProcess
from ratchet_py.workers.workers import Workers

__all__ = ["WorkersFigures"]

# Seconds between two looks at what the workers count.
_INTERVAL = 5.0

# Workers are heard of once a second.
_LATE = 1.0 + Metrics.STUCK


class WorkersFigures(Figures):
    """The figures of all workers, added up.

    Prometheus is told what the multiprocess mode of ``prometheus_client`` makes of what each has
    written, this process among them: what grows never falls when a worker ends.

    A worker that is stuck is not waited for: what it said last counts.

    Args:
        workers: The workers.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._reactor: Any = None
        self._began = 0.0
        self._isDrained = False
        self._mirror: Mirror | None = None
        # So that not much is forgotten when one is killed, however seldom Prometheus asks.
        self._asking = LoopingCall(self._ask, "write")
        workers.onGone = self._forget

    @property
    def loop(self) -> Any:
        """The reactor."""
        return self._workers.loop

    def start(self, reactor: Any) -> None:
        """Begin to gather."""
        self._reactor = self._asking.clock = reactor
        self._began = reactor.seconds()
        self._asking.start(_INTERVAL, now=False)

    def stop(self) -> None:
        """End it."""
        if self._asking.running:
            self._asking.stop()
        if self._mirror is not None:
            self._mirror.close()

    def drain(self) -> None:
        """Have :meth:`health` say that no new clients should be sent here."""
        self._isDrained = True

    def resume(self) -> None:
        """Undo :meth:`drain`."""
        self._isDrained = False

    @property
    def isDraining(self) -> bool:
        """Whether no new clients should be sent here."""
        return self._isDrained or self._workers.isClosing

    def health(self) -> Health:
        """Whether clients should be sent here: if each worker is there, answers and is well."""
        if self.isDraining:
            return Health(False, "draining")
        reasons = [self._fault(worker) for worker in self._workers.processes]
        faults = [reason for reason in reasons if reason]
        if not reasons or faults:
            return Health(False, "; ".join(faults) or "starting")
        return Health(True, "ok")

    def row(self) -> list[float]:
        """What the page draws of a second."""
        rows = [self._rowOf(each) for each in self._workers.processes if each.isUp and each.row]
        connections, received, sent = (sum(row[part] for row in rows) for part in (1, 2, 3))
        lag = max((row[4] for row in rows), default=0.0)
        return [self._reactor.seconds(), connections, received, sent, lag]

    def _rowOf(self, worker: WorkerProcess) -> list[float]:
        late = self._lateness(worker)
        return worker.row if late < _LATE else [0.0, worker.row[1], 0.0, 0.0, late]

    def snapshot(self) -> Deferred[dict[str, Any]]:
        """What the page shows of the moment: of the workers that are there."""
        return self._ask("snapshot").addCallback(self._merged)

    def families(self) -> Deferred[list[Metric]]:
        """What Prometheus is told."""
        return self._ask("write").addCallback(self._added)

    def publish(self, credentials: PushCredentials) -> Route | None:
        """Where pushes are taken; None if there are no topics."""
        if not self._workers.pushSize:
            return None
        limits = replace(DEFAULT_LIMITS, pushSize=self._workers.pushSize)
        return pushRoute(ForwardedPush(self._workers, credentials), limits)

    def _fault(self, worker: WorkerProcess) -> str:
        if worker.ending is not None:
            return f"worker {worker.number} is not there"
        late = self._lateness(worker)
        if worker.isUp and late > _LATE:
            return f"worker {worker.number} has said nothing for {late:.1f} s"
        isWell, reason = worker.health
        return "" if isWell else f"worker {worker.number}: {reason}"

    def _lateness(self, worker: WorkerProcess) -> float:
        late: float = self._reactor.seconds() - worker.heard
        return late

    def _ask(self, what: str) -> Deferred[Any]:
        """Fires when all workers that answer have done what they are asked for."""
        workers = self._workers.processes
        return DeferredList([each.ask(what) for each in workers if self._lateness(each) < _LATE])

    def _merged(self, _: object) -> dict[str, Any]:
        workers = self._workers.processes
        snapshots = [each.snapshot for each in workers if each.snapshot and not each.isGone]
        health = self.health()
        now = self._reactor.seconds()
        return {
            **mergedSnapshot(snapshots),
            "version": __version__,
            "time": now,
            "uptime": now - self._began,
            "isWell": health.isWell,
            "health": health.reason,
            "isDraining": self.isDraining,
        }

    def _added(self, _: object) -> list[Metric]:
        own = [*self._registry.collect(), *self._own()]
        folder = self._workers.countsFolder
        if folder is None:
            return own
        if self._mirror is None:
            self._mirror = Mirror(folder, 0)
        self._mirror.write(own)
        collector = MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]
        return list(collector.collect())  # type: ignore[no-untyped-call]

    def _own(self) -> Iterator[Metric]:
        processes = self._workers.processes
        yield GaugeMetricFamily(
            "ratchet_draining",
            "1 while no new clients should be sent here.",
            int(self.isDraining),
        )
        yield GaugeMetricFamily(
            "ratchet_workers", "Workers that serve.", sum(each.isUp for each in processes)
        )
        yield CounterMetricFamily(
            "ratchet_worker_restarts",
            "Workers that were started in place of others.",
            self._workers.restarts,
        )
        connections = GaugeMetricFamily(
            "ratchet_worker_open_connections", "Sockets that are open.", labels=["worker"]
        )
        for each in processes:
            if each.isUp and each.row:
                connections.add_metric([str(each.number)], each.row[1])
        yield connections

    def _forget(self, worker: WorkerProcess) -> None:
        # What it has counted still counts; what it had, nobody has any more.
        mark_process_dead(worker.number, self._workers.countsFolder)  # type: ignore[no-untyped-call]
