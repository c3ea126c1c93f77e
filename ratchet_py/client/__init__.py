r"""WebSocket clients: Ratchet's sister library Pawl, ``Ratchet\Client``."""

from ratchet_py.client.connector import Connector, connect
from ratchet_py.client.errors import (
    ConnectError,
    ConnectionClosed,
    HandshakeError,
    SendBufferFull,
)
from ratchet_py.client.reconnecting_client import BackOff, ReconnectingClient
from ratchet_py.client.response import Response
from ratchet_py.client.wamp_client import WampClient
from ratchet_py.client.web_socket import WebSocket

__all__ = [
    "BackOff",
    "ConnectError",
    "ConnectionClosed",
    "Connector",
    "HandshakeError",
    "ReconnectingClient",
    "Response",
    "SendBufferFull",
    "WampClient",
    "WebSocket",
    "connect",
]
