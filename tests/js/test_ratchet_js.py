"""ratchet.js, and clients of others, in Node."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def test_client(node):
    """Every message that it sends, and whatever a server may do to it."""
    node.test(HERE / "client.test.mjs")


def test_client_and_ratchet_py(node):
    node.test(HERE / "server.test.mjs")


def test_types(node):
    node.tsc(HERE)


def test_npm_package_wamp1_and_ratchet_py(node):
    node.test(HERE / "wamp1.test.mjs")


def test_authentication_of_clients_of_both_versions(node):
    node.test(HERE / "auth.test.mjs")


def test_clients_of_wamp_2_and_ratchet_py(node):
    node.test(HERE / "wamp2.test.mjs")
