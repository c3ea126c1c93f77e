"""Clients in memory for the tests of an application, of any layer.

No socket is opened and no time passes: the client's bytes go through the very stack that would
serve a real one, and time is a :class:`~twisted.internet.task.Clock`. What a callback raises comes
out of what the client has done to cause it.

Example:
    >>> from ratchet_py.server import EchoServer
    >>> client = connect(EchoServer())
    >>> client.send("hello")
    >>> client.received
    ['hello']
    >>> client.close()
    >>> client.closed
    (1000, '')
"""

from ratchet_py.testing.memory_transport import MemoryTransport
from ratchet_py.testing.raw_client import RawClient
from ratchet_py.testing.room import Room
from ratchet_py.testing.serving import connect, connectRaw
from ratchet_py.testing.wamp2_client import Wamp2Client
from ratchet_py.testing.wamp_client import WampClient
from ratchet_py.testing.web_socket_client import WebSocketClient

__all__ = [
    "MemoryTransport",
    "RawClient",
    "Room",
    "Wamp2Client",
    "WampClient",
    "WebSocketClient",
    "connect",
    "connectRaw",
]
