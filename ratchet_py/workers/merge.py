"""Makes one picture of those of several processes, for the page."""

from __future__ import annotations

from typing import Any

__all__ = ["mergedSnapshot"]

# Of which the highest says more than the sum, or the lowest.
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
