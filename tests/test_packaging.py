"""What the wheel and the source distribution hold, and the wheel in an environment of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Nothing that a developer has lying around may get into a build, or may be needed for one.
LITTER = shutil.ignore_patterns(
    ".git", ".venv", ".tox", ".*_cache", ".autobahn", ".hypothesis", "build", "dist", "*.egg-info",
    "__pycache__", "node_modules", "_build", "dropin.cache",
)  # fmt: skip


def run(*command, **options):
    """The output of a command that must succeed; all that it said, if it does not."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the project, as a clone would be."""
    folder = tmp_path_factory.mktemp("checkout") / "ratchet_py"
    shutil.copytree(ROOT, folder, ignore=LITTER)
    # What Twisted writes beside a plugin when a developer runs it in the checkout.
    (folder / "twisted" / "plugins" / "dropin.cache").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def built(checkout):
    """The folder with the two distributions; the wheel is built from the source distribution."""
    run(sys.executable, "-m", "build", checkout)
    return checkout / "dist"


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """The ``bin`` folder of a new virtual environment that has the wheel, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    run(folder / "bin" / "pip", "install", "--quiet", wheel)
    return folder / "bin"


@pytest.fixture
def bare(tmp_path):
    """Options of a process that sees the environment and nothing of this checkout."""
    hidden = {"PYTHONPATH", "VIRTUAL_ENV"}
    return {"cwd": tmp_path, "env": {k: v for k, v in os.environ.items() if k not in hidden}}


def shipped(folder):
    """The files of the package as they should be in a distribution."""
    files = (path for path in folder.rglob("*") if path.is_file())
    kept = {path.relative_to(ROOT).as_posix() for path in files}
    return {name for name in kept if "__pycache__" not in name}


def test_the_wheel_holds_the_package_the_plugin_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    modules = {"pytest_ratchet.py", "twisted/plugins/ratchet_plugin.py"}
    assert names == {*shipped(ROOT / "ratchet_py"), *modules}


def test_the_source_distribution_can_be_tested_and_documented(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    wanted = {".ci/run", "bin/test", "docs/conf.py", "examples/open_pubsub.py", "tests/conftest.py"}
    assert wanted | shipped(ROOT / "ratchet_py") <= names
    assert not [name for name in names if name.endswith((".pyc", "dropin.cache"))]


def test_twistd_and_twist_list_ratchet_and_say_what_it_takes(environment, bare):
    assert "ratchet" in run(environment / "twistd", "--help", **bare)
    assert "ratchet" in run(environment / "twist", "--help", **bare)
    assert "--listen" in run(environment / "twistd", "ratchet", "--help", **bare)


def test_pytest_finds_the_fixture(environment, bare):
    run(environment / "pip", "install", "--quiet", "pytest", **bare)
    assert "ratchet" in run(environment / "pytest", "--fixtures", **bare)


def test_the_installed_wheel_serves_the_demo_with_its_files(environment, bare, freePort):
    listen = f"--listen=tcp:{freePort}:interface=127.0.0.1"
    command = [environment / "twistd", "--nodaemon", "--pidfile=", "ratchet", listen]
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **bare
    )
    try:
        said = []
        for line in server.stdout:
            said.append(line)
            if f":{freePort}/" in line:
                break
        assert server.poll() is None, "".join(said)
        page, client = (_get(freePort, path) for path in ("/", "/ratchet.js"))
        server.send_signal(signal.SIGTERM)
        server.communicate()
    finally:
        server.kill()

    assert page.startswith(b"HTTP/1.1 200 ")
    assert b"<html" in page.lower()
    assert client.startswith(b"HTTP/1.1 200 ")
    assert b"export" in client


def _get(port, path):
    with socket.create_connection(("127.0.0.1", port)) as client:
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        client.sendall(request.encode())
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_uninstalling_leaves_twisted_as_it_was(wheel, environment, bare):
    run(environment / "twistd", "--help", **bare)
    run(environment / "pip", "uninstall", "--yes", "ratchet_py", **bare)
    try:
        listed = run(environment / "twistd", "--help", **bare)
    finally:
        run(environment / "pip", "install", "--quiet", "--no-deps", wheel, **bare)

    assert "ratchet" not in listed
    assert "web" in listed
