"""The demo page and its client in a real browser."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def test_demo(node, chromium):
    node.test(HERE / "demo.test.mjs", RATCHET_CHROMIUM=chromium)


def test_autobahn_browser(node, chromium):
    node.test(HERE / "wamp2.test.mjs", RATCHET_CHROMIUM=chromium)


def test_admin(node, chromium):
    node.test(HERE / "admin.test.mjs", RATCHET_CHROMIUM=chromium)
