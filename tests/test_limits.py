"""The record of limits; ``tests/integration/test_limits.py`` has what each of them does."""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest

from ratchet_py.limits import DEFAULT_LIMITS, Limits


def test_a_limit_is_replaced_alone():
    changed = Limits(messageSize=1)
    assert changed == dataclasses.replace(DEFAULT_LIMITS, messageSize=1)
    assert changed != DEFAULT_LIMITS
    assert Limits() == DEFAULT_LIMITS


def test_nobody_changes_the_limits_of_others():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULT_LIMITS.messageSize = 1
    with pytest.raises(TypeError):
        Limits(mesageSize=1)


def test_every_limit_bounds_something_and_says_what_answers():
    documented = dict(re.findall(r"^    (\w+): (.+)", inspect.getdoc(Limits), re.MULTILINE))
    assert list(documented) == [field.name for field in dataclasses.fields(Limits)]
    for field in dataclasses.fields(Limits):
        # None: what is right depends on where the clients come from, or on the machine.
        assert field.default is None or 0 < field.default < float("inf")
