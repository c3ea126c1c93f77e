"""The fixtures of tests/js, and a browser."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location(
    "ratchet_tests_js", Path(__file__).parent.parent / "js" / "conftest.py"
)
_js = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_js)

node = _js.node


@pytest.fixture(scope="session")
def chromium():
    """The path of a Chromium or Chrome."""
    named = os.environ.get("RATCHET_CHROMIUM")
    names = [named] if named else ["chromium", "chromium-browser", "google-chrome"]
    for name in names:
        path = shutil.which(name)
        if path is not None:
            return path
    return _js.missing("no chromium here; RATCHET_CHROMIUM may name one")
