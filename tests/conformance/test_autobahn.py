"""What Autobahn|Testsuite reported of either end, case by case; run.py runs it and then these.

A case that was asked for and is not in the report has failed: at the first connection that is
refused the suite stops, and exits as if all were well.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
REPORTS = {end: FOLDER.parents[1] / ".autobahn" / end for end in ("server", "client")}

# What a case must report: OK, except for the three that the suite makes INFORMATIONAL whatever
# the server does.
LISTED = [line.split() for line in (FOLDER / "cases.txt").read_text().splitlines()]
DEMANDED = {case: other[0] if other else "OK" for case, *other in LISTED}

ASKED = [
    (end, case)
    for end, report in REPORTS.items()
    if (report / "asked.json").exists()
    for case in json.loads((report / "asked.json").read_text())
]
if not ASKED:
    pytest.skip("no report: make one with tox -e autobahn", allow_module_level=True)


@pytest.fixture(scope="module")
def results():
    indices = {end: report / "index.json" for end, report in REPORTS.items()}
    return {
        end: json.loads(index.read_text())["ratchet_py"] if index.exists() else {}
        for end, index in indices.items()
    }


def test_the_list_has_every_case():
    assert len(DEMANDED) == 517


@pytest.mark.parametrize(("end", "case"), ASKED)
def test_case(end, case, results):
    assert case in results[end], "the suite did not come to this case"
    result = results[end][case]
    details = json.loads((REPORTS[end] / result["reportfile"]).read_text())

    assert result["behavior"] == DEMANDED[case], details["result"]
    assert result["behaviorClose"] == DEMANDED[case], details["resultClose"]
    assert details["wasClean"], details["wasNotCleanReason"]
