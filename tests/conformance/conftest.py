"""The report of Autobahn|Testsuite is read where it is asked for, not with the other tests."""

from __future__ import annotations


def pytest_ignore_collect(collection_path, config):
    if collection_path.name == "test_autobahn.py" and not any(
        "conformance" in argument for argument in config.args
    ):
        return True
    return None
