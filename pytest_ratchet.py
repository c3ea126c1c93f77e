"""The fixture ``ratchet`` for pytest: a :class:`ratchet_py.testing.Room` of the test's own.

pytest imports this module in every run on a machine where ratchet_py is installed, so it imports
nothing of it before a test asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ratchet_py.testing import Room


@pytest.fixture
def ratchet() -> Iterator[Room]:
    """Connects clients in memory: ``ratchet.connect(application)``; nothing fails unseen."""
    from ratchet_py.testing import Room

    with Room() as room:
        yield room
