"""The layer of WebSocket messages, as in Ratchet's namespace ``WebSocket``."""

from ratchet_py.websocket.interfaces import MessageComponentInterface, WsServerInterface
from ratchet_py.websocket.ws_connection import WsConnection
from ratchet_py.websocket.ws_server import WsServer

__all__ = ["MessageComponentInterface", "WsConnection", "WsServer", "WsServerInterface"]
