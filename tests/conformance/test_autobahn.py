"""What Autobahn|Testsuite reported, case by case; run.py runs the suite and then these.

A case that was asked for and is not in the report has failed: at the first connection that is
refused the suite stops, and exits as if all were well.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
REPORT = FOLDER.parents[1] / ".autobahn" / "report"

# What a case must report: OK, except for the three that the suite makes INFORMATIONAL whatever
# the server does.
LISTED = [line.split() for line in (FOLDER / "cases.txt").read_text().splitlines()]
DEMANDED = {case: other[0] if other else "OK" for case, *other in LISTED}

if not (REPORT / "asked.json").exists():
    pytest.skip("no report: make one with tox -e autobahn", allow_module_level=True)

ASKED = json.loads((REPORT / "asked.json").read_text())


@pytest.fixture(scope="module")
def results():
    path = REPORT / "index.json"
    return json.loads(path.read_text())["ratchet_py"] if path.exists() else {}


def test_the_list_has_every_case():
    assert len(DEMANDED) == 517


@pytest.mark.parametrize("case", ASKED)
def test_case(case, results):
    assert case in results, "the suite did not come to this case"
    result = results[case]
    details = json.loads((REPORT / result["reportfile"]).read_text())

    assert result["behavior"] == DEMANDED[case], details["result"]
    assert result["behaviorClose"] == DEMANDED[case], details["resultClose"]
    assert details["wasClean"], details["wasNotCleanReason"]
