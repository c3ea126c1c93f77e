"""The guards of ``conftest.py`` do guard."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASES = """
import pytest
from twisted.internet import protocol, reactor
from twisted.logger import Logger

def fail():
    try:
        1 / 0
    except ZeroDivisionError:
        Logger().failure("this went wrong")

def test_clean():
    call = reactor.callLater(100, fail)
    call.cancel()

def test_expected_failure(loggedFailures):
    fail()
    assert len(loggedFailures.flush(ZeroDivisionError)) == 1

def test_other_failure(loggedFailures):
    fail()
    assert loggedFailures.flush(KeyError) == []

def test_delayed_call():
    reactor.callLater(100, fail)

def test_port():
    reactor.listenTCP(0, protocol.Factory(), interface="127.0.0.1")
"""

SKIPPED = """
import pytest

def test_skipped():
    pytest.skip("something is missing")
"""


@pytest.fixture
def run(tmp_path):
    """Runs tests under a copy of the conftest; gives the exit status and the output."""
    shutil.copy(Path(__file__).parent / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    def runTests(source, *options):
        (tmp_path / "test_it.py").write_text(source)
        command = [sys.executable, "-m", "pytest", "-rA", *options]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    return runTests


def test_what_a_test_leaves_behind_fails_it(run):
    status, output = run(CASES)

    assert status == pytest.ExitCode.TESTS_FAILED
    assert "5 passed, 3 errors" in output
    for name in ("test_other_failure", "test_delayed_call", "test_port"):
        assert f"ERROR test_it.py::{name}" in output


def test_what_is_skipped_fails_the_run_where_everything_should_be_there(run):
    assert run(SKIPPED)[0] == pytest.ExitCode.OK
    assert run(SKIPPED, "--fail-on-skip")[0] == pytest.ExitCode.TESTS_FAILED
