"""Runs JavaScript tests from pytest; also for tests/browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

JS = Path(__file__).parent


def missing(what):
    """Skip a test, or fail it where everything must be there: in CI, that is."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


class Node:
    """Node.js, with the packages of ``tests/js/package.json``."""

    def __init__(self, program):
        self.program = program

    def test(self, path, **environment):
        """Run a file of ``node:test`` tests; every one of them must run and pass.

        The servers that it starts use this Python and see what this process can import.
        """
        environment = {
            **os.environ,
            "RATCHET_PYTHON": sys.executable,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            **environment,
        }
        # Several Nodes of one test run must not report to each other.
        environment.pop("NODE_TEST_CONTEXT", None)
        # The time limit is that of the whole file, too, on a busy machine.
        output = self._run(
            "--test", "--test-reporter=tap", "--test-timeout=240000", path, env=environment
        )
        counts = dict(re.findall(r"^# (\w+) (\d+)$", output, re.MULTILINE))
        assert int(counts["pass"]) > 0, output
        assert counts["pass"] == counts["tests"], output

    def tsc(self, folder):
        """Check the types of a project."""
        self._run(JS / "node_modules" / "typescript" / "bin" / "tsc", "--project", folder)

    def _run(self, *arguments, **options):
        done = subprocess.run(
            [self.program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
            **options,
        )
        assert done.returncode == 0, f"{arguments}:\n{done.stdout}"
        return done.stdout


@pytest.fixture(scope="session")
def node():
    program = shutil.which("node")
    if program is None:
        missing("node is not installed")
    version = subprocess.check_output([program, "--version"], text=True).strip()
    if int(version.lstrip("v").split(".")[0]) < 20:
        missing(f"node {version} is too old: 20 is needed")
    if not (JS / "node_modules").is_dir():
        missing("npm ci has not been run in tests/js")
    return Node(program)
