"""The table of the figures, and the alerts, name what there is."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from ratchet_py import App
from ratchet_py.broker.redis_engine import RedisTally
from ratchet_py.wamp import Component

HOWTO = Path(__file__).parent.parent.parent / "docs" / "howto"


@pytest.fixture
def families(metrics):
    App("localhost", metrics=metrics).route("/", Component())
    metrics.broker = RedisTally()
    return {
        family.name + "_total" * (family.type == "counter"): family for family in metrics.collect()
    }


def test_the_table_has_all_figures_and_no_others(families):
    with (HOWTO / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["figure"]: row["kind"] for row in rows} == {
        name: family.type for name, family in families.items()
    }
    for row in rows:
        labels = {label for sample in families[row["figure"]].samples for label in sample.labels}
        documented = set(filter(None, row["labels"].split(", ")))
        # What has not happened yet has no sample that shows its labels.
        assert not labels or documented == labels - {"le"}


def test_the_alerts_ask_for_what_there_is(families):
    text = (HOWTO / "alerts.yml").read_text(encoding="utf-8")
    asked = set(re.findall(r"ratchet_\w+", text))
    assert asked
    assert asked <= set(families)
