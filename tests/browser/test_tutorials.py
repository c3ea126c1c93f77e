"""The tutorials, followed to their end in a real browser."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def module(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


serve = module("ratchet_tests_examples", HERE.parent / "examples" / "conftest.py").serve
documentation = module("ratchet_tests_docs_code", HERE.parent / "test_docs_code.py")


def shown(page, language):
    """The code of a tutorial in a language, in its order."""
    blocks = documentation.blocks(ROOT / "docs" / "tutorials" / page)
    return [block.text for block in blocks if block.language == language]


@pytest.fixture
def webServer():
    """Serves a folder as the tutorial says."""
    started = []

    def start(folder):
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        return int(re.search(r"port (\d+)", process.stdout.readline())[1])

    yield start
    for process in started:
        process.terminate()
        process.wait()
        process.stdout.close()


def test_they_end_as_they_say(node, chromium, serve, webServer, tmp_path):
    consoles = serve("websocket_chat.py").port
    pushes = serve("push.py").port
    (page,) = shown("push.rst", "html")
    commands = "".join(shown("push.rst", "shell"))
    (article,) = re.findall(r"--json '(.*)' http://localhost:8080/publish", commands)
    (token,) = re.findall(r"Authorization: Bearer (\S+)\"", commands)
    assert "cp ratchet_py/js/ratchet.js site\n" in commands
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text(page.replace("8080", str(pushes)), encoding="utf-8")
    shutil.copy(ROOT / "ratchet_py" / "js" / "ratchet.js", site)

    facts = {
        "consoles": {
            "port": consoles,
            "code": [
                text.replace("8080", str(consoles))
                for text in shown("websocket_chat.rst", "javascript")
            ],
        },
        "windows": {"port": serve("browser_chat.py").port},
        "push": {"port": pushes, "site": webServer(site), "article": article, "token": token},
    }
    node.test(
        HERE / "tutorials.test.mjs",
        RATCHET_CHROMIUM=chromium,
        RATCHET_TUTORIALS=json.dumps(facts),
    )
