"""Makes one figure of those of several processes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client import Metric

__all__ = ["Totals", "mergedSnapshot", "pack"]

# What only grows: of a process that is gone it goes on to count.
_GROWING = ("counter", "histogram", "gaugehistogram", "summary")

# Gauges of which the highest says more than the sum.
_HIGHEST = {
    "ratchet_draining",
    "ratchet_reactor_lag_max_seconds",
    "ratchet_reactor_lag_seconds",
    "ratchet_waiting_bytes_max",
}
_LOWEST = {"process_start_time_seconds", "ratchet_broker_up"}

# Of what the page shows.
_HIGHEST_SHOWN = {"at", "lag", "lagMost", "seconds", "waitingMost"}
_LOWEST_SHOWN = {"isUp"}

# What it shows also while there is no worker to say it.
_SHOWN = (
    *("bytesIn", "bytesOut", "connections", "connectionsInAll", "lag", "lagMost", "received"),
    *("sent", "subscriptions", "topicsInAll", "waiting", "waitingMost"),
)

# Its lists: what tells the items apart, by what they are sorted, and how many are shown.
_LISTS: dict[str, tuple[tuple[str, ...], str, int]] = {
    "closed": (("by", "code"), "count", 20),
    "exceeded": (("limit",), "count", 100),
    "refused": (("status",), "count", 20),
    "routes": (("path",), "", 1000),
    "slowest": (("what",), "seconds", 20),
    "topics": (("id", "path"), "subscribers", 50),
}


def pack(families: Iterable[Metric]) -> list[Any]:
    """Families of Prometheus's, as JSON has room for them."""
    return [
        [each.name, each.documentation, each.type, each.unit, [list(s[:3]) for s in each.samples]]
        for each in families
    ]


class Totals:
    """Adds up what several processes tell Prometheus.

    Counters and histograms are added up, and so are gauges, except those of which the highest or
    the lowest is meant.

    Example:
        >>> from prometheus_client.core import CounterMetricFamily
        >>> totals = Totals()
        >>> for count in 1, 2:
        ...     totals.add(pack([CounterMetricFamily("calls", "Calls.", value=count)]))
        >>> [family.samples[0].value for family in totals.families()]
        [3.0]
    """

    def __init__(self) -> None:
        self._heads: dict[str, list[str]] = {}
        self._samples: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}

    def add(self, packed: list[Any], isGone: bool = False) -> None:
        """Add what one process tells.

        Args:
            packed: Its families, as :func:`pack` has made them.
            isGone: Whether the process is gone, so that only what grows goes on to count.
        """
        for name, documentation, kind, unit, samples in packed:
            if isGone and kind not in _GROWING:
                continue
            self._heads.setdefault(name, [name, documentation, kind, unit])
            found = self._samples.setdefault(name, {})
            for sample, labels, value in samples:
                if sample.endswith("_created") and kind in _GROWING:
                    # When a process has begun to count says nothing about the sum.
                    continue
                key = (sample, tuple(labels.items()))
                before = found.get(key)
                if before is None:
                    found[key] = float(value)
                elif name in _HIGHEST or kind in ("info", "stateset") or name.endswith("_info"):
                    found[key] = max(before, value)
                elif name in _LOWEST:
                    found[key] = min(before, value)
                else:
                    found[key] = before + value

    def pack(self) -> list[Any]:
        """All of it, to be added elsewhere."""
        return pack(self.families())

    def families(self) -> list[Metric]:
        """All of it, for Prometheus."""
        families = []
        for name, head in self._heads.items():
            family = Metric(*head)
            for (sample, labels), value in self._samples[name].items():
                family.add_sample(sample, dict(labels), value)
            families.append(family)
        return families


def mergedSnapshot(snapshots: list[dict[str, Any]]) -> dict[str, Any]:
    """One picture for the page, of those of several processes."""
    merged: dict[str, Any] = dict.fromkeys(_SHOWN, 0)
    for snapshot in snapshots:
        for name, value in snapshot.items():
            if value is not None:
                merged[name] = _combined(name, merged.get(name), value)
    for name, (keys, order, most) in _LISTS.items():
        items: dict[tuple[Any, ...], dict[str, Any]] = {}
        for item in (item for snapshot in snapshots for item in snapshot[name]):
            key = tuple(item[each] for each in keys)
            known = items.get(key, {})
            items[key] = {
                each: value if each in keys else _combined(each, known.get(each), value)
                for each, value in item.items()
            }
        merged[name] = sorted(items.values(), key=lambda item: -item.get(order, 0))[:most]
    return merged


def _combined(name: str, before: Any, value: Any) -> Any:
    if before is None or isinstance(value, (str, list)):
        return value
    if isinstance(value, dict):
        return {each: _combined(each, before.get(each), part) for each, part in value.items()}
    if name in _LOWEST_SHOWN:
        return min(before, value)
    return max(before, value) if name in _HIGHEST_SHOWN else before + value
