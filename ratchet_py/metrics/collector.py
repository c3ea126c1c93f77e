"""From numbers to the families that Prometheus knows; the names stand here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

from ratchet_py.limits import Limits
from ratchet_py.meter import Timing

if TYPE_CHECKING:
    from ratchet_py.metrics.metrics import Application, BrokerTally, Metrics

__all__ = ["collect"]

# Limits that only a ``Limiter`` has, which tells the server's tally of them.
_OF_LIMITERS = ("connectionsPerAddress", "messages", "bytes", "lifetime")


def collect(metrics: Metrics) -> Iterator[Any]:
    """The families of the moment."""
    yield from _ofServers(metrics)
    yield from _ofApplications(list(metrics.applications.values()))
    if metrics.broker is not None:
        yield from _ofBroker(metrics.broker)
    lag = metrics.lag
    yield GaugeMetricFamily(
        "ratchet_reactor_lag_seconds", "How late the reactor's last turn was.", lag.last
    )
    yield GaugeMetricFamily(
        "ratchet_reactor_lag_max_seconds",
        "How late its latest turn of the last minute was.",
        lag.worst(60),
    )
    yield GaugeMetricFamily(
        "ratchet_draining", "1 while no new clients should be sent here.", int(metrics.isDraining)
    )


def _ofBroker(tally: BrokerTally) -> Iterator[Any]:
    yield GaugeMetricFamily(
        "ratchet_broker_up",
        "1 while the broker's engine is there and has all subscriptions.",
        int(tally.isUp),
    )
    yield CounterMetricFamily(
        "ratchet_broker_outages", "How often the engine was lost.", tally.outages
    )
    yield CounterMetricFamily(
        "ratchet_broker_published", "Events that the engine has confirmed.", tally.published
    )
    yield CounterMetricFamily(
        "ratchet_broker_lost",
        "Events that other processes have not got, or may not have got.",
        tally.lost,
    )
    yield CounterMetricFamily(
        "ratchet_broker_received", "Events of other processes that have arrived.", tally.received
    )
    yield CounterMetricFamily(
        "ratchet_broker_malformed",
        "Messages of others that could not be delivered.",
        tally.malformed,
    )
    yield GaugeMetricFamily(
        "ratchet_broker_waiting_bytes",
        "Bytes of events that the engine has not confirmed yet.",
        tally.waiting,
    )
    yield GaugeMetricFamily(
        "ratchet_broker_subscriptions",
        "Topics that this process wants to hear of from others.",
        tally.subscriptions,
    )


def _ofServers(metrics: Metrics) -> Iterator[Any]:
    servers = metrics.servers
    tallies = [server.tally for server in servers]
    waiting = [conn.bufferedAmount for server in servers for conn in list(server.connections)]
    yield GaugeMetricFamily(
        "ratchet_open_connections",
        "Sockets that are open.",
        sum(len(s.connections) for s in servers),
    )
    yield CounterMetricFamily(
        "ratchet_connections", "Sockets that were accepted.", sum(t.connections for t in tallies)
    )
    yield CounterMetricFamily(
        "ratchet_received_bytes", "Bytes that were read.", sum(t.bytesIn for t in tallies)
    )
    yield CounterMetricFamily(
        "ratchet_sent_bytes",
        "Bytes that were written, or queued to be.",
        sum(t.bytesOut for t in tallies),
    )
    yield GaugeMetricFamily(
        "ratchet_waiting_bytes", "Bytes that wait in our memory to be written.", sum(waiting)
    )
    yield GaugeMetricFamily(
        "ratchet_waiting_bytes_max", "Those of the slowest client.", max(waiting, default=0)
    )
    closed = CounterMetricFamily(
        "ratchet_closed_websockets",
        "WebSockets that are gone, by who closed and with which code.",
        labels=["by", "code"],
    )
    refused = CounterMetricFamily(
        "ratchet_refused_requests",
        "Handshakes and requests that were refused, by HTTP status.",
        labels=["status"],
    )
    pushed = CounterMetricFamily(
        "ratchet_pushes", "Pushes over HTTP, by the status of the answer.", labels=["status"]
    )
    exceeded = CounterMetricFamily(
        "ratchet_limit_exceeded", "How often each of the limits was hit.", labels=["limit"]
    )
    hits = dict.fromkeys([*(field.name for field in fields(Limits)), *_OF_LIMITERS], 0)
    for tally in tallies:
        for (by, code), count in sorted(tally.closed.items()):
            closed.add_metric([by, code], count)
        for status, count in sorted(tally.refused.items()):
            refused.add_metric([str(status)], count)
        for status, count in sorted(tally.pushed.items()):
            pushed.add_metric([str(status)], count)
        for limit, count in tally.exceeded.items():
            hits[limit] = hits.get(limit, 0) + count
    # Those that were never hit as well: an alert on an increase needs where it came from.
    for limit, count in hits.items():
        exceeded.add_metric([limit], count)
    failed = CounterMetricFamily(
        "ratchet_failed_callbacks",
        "Callbacks that have failed.",
        value=sum(tally.failures for tally in tallies),
    )
    yield from (closed, refused, pushed, exceeded, failed)


def _ofApplications(applications: list[Application]) -> Iterator[Any]:
    wamp = [each for each in applications if each.isWamp]

    def counter(
        name: str, text: str, count: Callable[[Application], int], of: list[Application]
    ) -> CounterMetricFamily:
        family = CounterMetricFamily(name, text, labels=["path"])
        for each in of:
            family.add_metric([each.path], count(each))
        return family

    def gauge(
        name: str, text: str, count: Callable[[Application], int], of: list[Application]
    ) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, text, labels=["path"])
        for each in of:
            family.add_metric([each.path], count(each))
        return family

    def histogram(
        name: str, text: str, timing: Callable[[Application], Timing], of: list[Application]
    ) -> HistogramMetricFamily:
        family = HistogramMetricFamily(name, text, labels=["path"])
        for each in of:
            found = timing(each)
            bounds = [*map(str, Timing.BOUNDS), "+Inf"]
            counts = [float(count) for count in accumulate(found.counts)]
            family.add_metric(
                [each.path], buckets=list(zip(bounds, counts, strict=True)), sum_value=found.sum
            )
        return family

    every = applications
    yield gauge("ratchet_open_websockets", "Open WebSockets.", lambda a: a.connections, every)
    yield counter(
        "ratchet_received_messages", "Messages received.", lambda a: a.meter.messagesIn, every
    )
    yield counter(
        "ratchet_sent_messages",
        "Messages sent, of a broadcast one for each client.",
        lambda a: a.meter.messagesOut - a.dropped,
        every,
    )
    yield counter(
        "ratchet_dropped_messages",
        'Messages that slow clients were not sent (slowConsumers="drop").',
        lambda a: a.dropped,
        every,
    )
    yield histogram(
        "ratchet_callback_seconds",
        "How long the application's callbacks took, until they returned.",
        lambda a: a.meter.callbacks,
        every,
    )
    yield counter(
        "ratchet_blocking_callbacks",
        "Callbacks that have blocked the reactor for 0.1 s or longer.",
        lambda a: a.meter.blocked,
        every,
    )
    yield gauge(
        "ratchet_wamp_topics", "Topics that have subscribers.", lambda a: len(a.topics), wamp
    )
    yield gauge(
        "ratchet_wamp_subscriptions",
        "Subscriptions.",
        lambda a: sum(count for _, count in a.topics),
        wamp,
    )
    yield counter("ratchet_wamp_calls", "Calls received.", lambda a: a.meter.calls, wamp)
    yield counter(
        "ratchet_wamp_call_errors",
        "Calls that were answered with an error.",
        lambda a: a.meter.callErrors,
        wamp,
    )
    yield histogram(
        "ratchet_wamp_call_seconds",
        "How long it took until calls were answered.",
        lambda a: a.meter.answers,
        wamp,
    )
    yield histogram(
        "ratchet_wamp_broadcast_seconds",
        "How long it took to send an event to all its subscribers here.",
        lambda a: a.meter.broadcasts,
        wamp,
    )
