"""Every broker, for the contract that all of them keep."""

import pytest

from ratchet_py.broker import MemoryBroker
from tests.broker.redis_server import OverRedis, RedisServer
from tests.integration.conftest import logged

__all__ = ["logged"]


class InMemory:
    """How the contract runs a MemoryBroker: what it does is done when it returns."""

    def __init__(self):
        self.brokers = []

    def connect(self):
        """A broker of one process; each ``connect`` would be another process of the same system."""
        broker = MemoryBroker()
        self.brokers.append(broker)
        return broker

    async def settle(self):
        """Wait until everything that was asked of the brokers has happened."""

    async def close(self):
        """End them all."""


@pytest.fixture
def redisServer(freePort, tmp_path):
    """A Redis that serves."""
    server = RedisServer(freePort, tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["memory", "redis"])
def engine(request):
    if request.param == "memory":
        return InMemory()
    return OverRedis(request.getfixturevalue("redisServer"))
