"""Ratchet for Python: WebSocket servers as stacks of components, on Twisted.

The names of Ratchet's root namespace. The layers are in ``ratchet_py.server``, ``ratchet_py.http``,
``ratchet_py.websocket``, ``ratchet_py.wamp`` and ``ratchet_py.broker``.
"""

# First: the modules below name themselves by it.
__version__ = "0.1.0"

from ratchet_py.app import App
from ratchet_py.component import Component
from ratchet_py.connection import AbstractConnectionDecorator
from ratchet_py.errors import CallError, HttpError, NotAuthorized
from ratchet_py.interfaces import (
    ComponentInterface,
    ConnectionInterface,
    MessageComponentInterface,
    MessageInterface,
)
from ratchet_py.limits import Limits

__all__ = [
    "AbstractConnectionDecorator",
    "App",
    "CallError",
    "Component",
    "ComponentInterface",
    "ConnectionInterface",
    "HttpError",
    "Limits",
    "MessageComponentInterface",
    "MessageInterface",
    "NotAuthorized",
]
