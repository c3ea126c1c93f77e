"""Real servers that are measured, and what Prometheus would read of them."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ratchet_py.metrics import Metrics
from tests.integration.conftest import logged, serve, spawn

__all__ = ["logged", "serve", "spawn"]


class Scrape:
    """One reading of all figures: ``scrape["name"]``, ``scrape["name", {"label": "value"}]``."""

    def __init__(self, text):
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def __getitem__(self, key):
        name, labels = (key, {}) if isinstance(key, str) else key
        return self.samples[name, frozenset(labels.items())]

    def of(self, name):
        """The values of a figure, by the values of its labels, those that are 0 left out."""
        return {
            tuple(value for _, value in sorted(labels)): number
            for (found, labels), number in self.samples.items()
            if found == name and number
        }


class Ticking:
    """A clock that goes on when it is told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """What the metrics take for the time."""
    return Ticking()


@pytest.fixture
def metrics(clock):
    """Metrics whose time stands still unless the test lets it pass."""
    return Metrics(clock=clock)


@pytest.fixture
def scrape(metrics):
    """``scrape()`` reads all figures, with Prometheus's own parser."""
    return lambda: Scrape(generate_latest(metrics.registry).decode())
