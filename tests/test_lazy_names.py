"""Packages whose names are imported when they are asked for."""

import subprocess
import sys
from importlib import import_module

import pytest

PACKAGES = ["ratchet_py", "ratchet_py.push"]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_name_is_there(name):
    package = import_module(name)
    namespace = {}
    exec(f"from {name} import *", namespace)
    for each in package.__all__:
        assert namespace[each] is getattr(package, each)
        assert namespace[each].__module__.startswith("ratchet_py.")
    assert set(package.__all__) <= set(dir(package))


@pytest.mark.parametrize("name", PACKAGES)
def test_any_other_name_is_none(name):
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'Nothing'"):
        import_module(name).Nothing  # noqa: B018
    with pytest.raises(ImportError):
        exec(f"from {name} import Nothing")


def test_the_layers_are_attributes_of_the_package():
    program = "import ratchet_py; print(ratchet_py.wamp.Topic, ratchet_py.session.SessionProvider)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "ratchet_py.wamp.topic.Topic" in done.stdout, done.stderr
