"""What carries the events of topics, within one process and beyond."""

from ratchet_py.broker.interfaces import BrokerInterface, Publication, Reach
from ratchet_py.broker.memory import MemoryBroker
from ratchet_py.broker.redis import RedisBroker

__all__ = ["BrokerInterface", "MemoryBroker", "Publication", "Reach", "RedisBroker"]
