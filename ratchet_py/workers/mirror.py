"""What a process counts, in the files of ``prometheus_client``'s multiprocess mode."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from time import time

from prometheus_client import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.samples import Sample
from twisted.logger import Logger

__all__ = ["Mirror"]

log = Logger()

# What only grows: of a process that is gone it goes on to count.
_GROWING = ("counter", "histogram", "summary")

# Gauges of which the highest says more than the sum; of information there is one.
_HIGHEST = {
    "ratchet_draining",
    "ratchet_reactor_lag_max_seconds",
    "ratchet_reactor_lag_seconds",
    "ratchet_waiting_bytes_max",
}
_LOWEST = {"process_start_time_seconds", "ratchet_broker_up"}

# Of a file, from the start: a few thousand numbers. They are memory of the process, which must not
# find out that the disk is full by being killed.
_SIZE = 1 << 20


class Mirror:
    """Writes families to where ``MultiProcessCollector`` finds them, next to those of others.

    Our layers keep plain numbers, which are looked at when somebody asks: ``prometheus_client``'s
    own counters would write to a file for each message. The files are named by the place that a
    process has among the others, so that who is started in place of another goes on from what that
    one has counted, and there are never more files than places.

    Example:
        >>> from contextlib import closing
        >>> from tempfile import TemporaryDirectory
        >>> from prometheus_client.core import CounterMetricFamily
        >>> from prometheus_client.multiprocess import MultiProcessCollector
        >>> with TemporaryDirectory() as folder:
        ...     for place, count in enumerate((1, 2)):
        ...         with closing(Mirror(folder, place)) as mirror:
        ...             mirror.write([CounterMetricFamily("calls", "Calls.", count)])
        ...     [family] = MultiProcessCollector(None, folder).collect()
        >>> family.samples[0].value
        3.0

    Args:
        folder: Where all of them write.
        place: The process's place among them.
    """

    def __init__(self, folder: str, place: int) -> None:
        self._folder = folder
        self._place = place
        self._files: dict[str, MmapedDict] = {}
        # What those before us in this place have counted.
        self._before: dict[str, float] = {}
        self._isClosed = False

    def write(self, families: Iterable[Metric]) -> None:
        """Write what has been counted until now, over what was written before."""
        if self._isClosed:
            return
        try:
            for family in families:
                self._write(family)
        except OSError as exc:
            log.error("the figures cannot be written: {exc}", exc=exc)

    def close(self) -> None:
        """Write nothing any more; what is in the files stays."""
        self._isClosed = True
        for file in self._files.values():
            file.close()  # type: ignore[no-untyped-call]

    def _write(self, family: Metric) -> None:
        file = self._file(_kindOf(family))
        for sample in _separate(family) if family.type == "histogram" else family.samples:
            # When a process has begun to count says nothing about the sum.
            if not sample.name.endswith("_created"):
                labels = sample.labels
                names, values = list(labels), list(labels.values())
                key = mmap_key(family.name, sample.name, names, values, family.documentation)
                total = self._before.get(key, 0.0) + sample.value
                file.write_value(key, total, time())  # type: ignore[no-untyped-call]

    def _file(self, kind: str) -> MmapedDict:
        file = self._files.get(kind)
        if file is None:
            path = os.path.join(self._folder, f"{kind}_{self._place}.db")
            if not os.path.exists(path):
                # Under a name that nobody reads, until it is whole.
                with open(f"{path}.new", "wb") as made:
                    made.write(bytes(_SIZE))
                os.replace(made.name, path)
            file = self._files[kind] = MmapedDict(path)  # type: ignore[no-untyped-call]
            if kind in _GROWING:
                for key, value, _ in file.read_all_values():  # type: ignore[no-untyped-call]
                    self._before[key] = value
        return file


def _kindOf(family: Metric) -> str:
    """What a family's file is called after, which says how several processes make one figure."""
    if family.type in _GROWING:
        return family.type
    name = family.name
    if name in _HIGHEST or family.type in ("info", "stateset") or name.endswith("_info"):
        return "gauge_livemax"
    return "gauge_livemin" if name in _LOWEST else "gauge_livesum"


def _separate(family: Metric) -> Iterator[Sample]:
    """A histogram whose buckets do not include the smaller ones; the count follows from them."""
    smaller: dict[tuple[str, ...], float] = {}
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            series = tuple(value for name, value in sample.labels.items() if name != "le")
            yield sample._replace(value=sample.value - smaller.get(series, 0.0))
            smaller[series] = sample.value
        elif not sample.name.endswith("_count"):
            yield sample
