"""What several processes have counted, by way of files."""

from __future__ import annotations

import os
from contextlib import closing

import pytest
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.openmetrics.exposition import generate_latest as openMetrics

from ratchet_py.workers.mirror import Mirror


def samples(families):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def application(number):
    """A worker's registry, with every kind that an application may have."""
    registry = CollectorRegistry()
    Counter("orders", "Orders.", ["shop"], registry=registry).labels("a").inc(number)
    Gauge("open_orders", "Open.", registry=registry).set(number)
    prices = Histogram("price", "Prices.", ["shop"], buckets=[1, 10], registry=registry)
    for shop in "ab":
        prices.labels(shop).observe(number)
    Summary("weight", "Weights.", registry=registry).observe(number)
    Info("build", "Build.", registry=registry).info({"version": "1"})
    Enum("season", "Season.", states=["dry", "wet"], registry=registry).state("wet")
    Gauge("python_info", "A gauge that says something.", registry=registry).set(1)
    for name in "ratchet_reactor_lag_seconds", "process_start_time_seconds":
        Gauge(name, "One of several.", registry=registry).set(number)
    return registry


@pytest.fixture
def collector(tmp_path):
    return MultiProcessCollector(None, str(tmp_path))


@pytest.fixture
def write(tmp_path):
    """``write(place, number)`` has a process of its own write."""

    def write(place, *numbers):
        with closing(Mirror(str(tmp_path), place)) as mirror:
            for number in numbers:
                mirror.write(application(number).collect())

    return write


def test_each_kind_is_added_up_in_its_way(collector, write, tmp_path):
    write(1, 2)
    write(2, 5)
    assert samples(collector.collect()) == {
        ("orders_total", "a"): 7,
        ("open_orders",): 7,
        **{
            (f"price_{name}", shop, *bucket): value
            for shop in "ab"
            for name, *bucket, value in [
                ("bucket", "1.0", 0),
                ("bucket", "10.0", 2),
                ("bucket", "+Inf", 2),
                ("count", 2),
                ("sum", 7),
            ]
        },
        ("weight_count",): 2,
        ("weight_sum",): 7,
        ("build_info", "1"): 1,
        ("season", "dry"): 0,
        ("season", "wet"): 1,
        ("python_info",): 1,
        ("ratchet_reactor_lag_seconds",): 5,
        ("process_start_time_seconds",): 2,
    }
    assert b'orders_total{shop="a"} 7.0' in generate_latest(collector)
    assert b'orders_total{shop="a"} 7.0' in openMetrics(collector)


def test_what_is_written_last_counts(collector, write):
    write(1, 2, 3, 5)
    found = samples(collector.collect())
    assert found["orders_total", "a"] == found["open_orders",] == found["price_sum", "a"] == 5


def test_who_comes_after_another_goes_on_from_there(collector, write):
    write(1, 2)
    write(1, 3, 4)
    found = samples(collector.collect())
    assert found["orders_total", "a"] == found["price_sum", "a"] == found["weight_sum",] == 6
    assert found["price_bucket", "a", "10.0"] == found["price_count", "a"] == 2
    assert found["open_orders",] == 4


def test_of_one_that_is_gone_only_what_grows_goes_on_to_count(collector, write, tmp_path):
    write(1, 2)
    write(2, 5)
    mark_process_dead(1, str(tmp_path))
    found = samples(collector.collect())
    assert found["orders_total", "a"] == 7
    assert found["open_orders",] == found["process_start_time_seconds",] == 5
    mark_process_dead(2, str(tmp_path))
    names = {name for name, *_ in samples(collector.collect())}
    assert names == {
        *("orders_total", "price_bucket", "price_count", "price_sum"),
        *("weight_count", "weight_sum"),
    }


def test_what_does_not_fit_into_the_file_at_first(collector, tmp_path):
    registry = CollectorRegistry()
    orders = Counter("orders", "Orders.", ["shop"], registry=registry)
    for shop in range(500):
        orders.labels(f"{shop:04}" * 1000).inc(shop)
    for _ in range(2):
        with closing(Mirror(str(tmp_path), 1)) as mirror:
            mirror.write(registry.collect())
    assert samples(collector.collect())["orders_total", "0499" * 1000] == 998


def test_where_nothing_can_be_written_is_no_reason_to_end(collector, write, tmp_path, logged):
    write(2, 5)
    with closing(Mirror(str(tmp_path / "gone"), 1)) as mirror:
        mirror.write(application(2).collect())
    [line] = logged
    assert line.startswith("the figures cannot be written: [Errno 2] No such file")
    assert samples(collector.collect())["orders_total", "a"] == 5


def test_nobody_reads_a_file_that_is_not_whole(collector, tmp_path, monkeypatch):
    seen = []
    replace = os.replace

    def look(*names):
        seen.append(samples(collector.collect()))
        replace(*names)

    monkeypatch.setattr(os, "replace", look)
    with closing(Mirror(str(tmp_path), 1)) as mirror:
        mirror.write(application(2).collect())
    assert seen[0] == {}
    assert len(seen) == 6
