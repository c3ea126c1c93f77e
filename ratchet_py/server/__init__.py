"""The layer of sockets, as in Ratchet's namespace ``Server``."""

from ratchet_py.server.echo_server import EchoServer
from ratchet_py.server.flash_policy import FlashPolicy
from ratchet_py.server.io_connection import IoConnection
from ratchet_py.server.io_server import IoServer
from ratchet_py.server.ip_black_list import IpBlackList
from ratchet_py.server.limiter import Limiter

__all__ = ["EchoServer", "FlashPolicy", "IoConnection", "IoServer", "IpBlackList", "Limiter"]
