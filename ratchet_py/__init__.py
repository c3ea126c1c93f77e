"""Ratchet for Python: WebSocket servers as stacks of components, on Twisted.

The names of Ratchet's root namespace. The layers are in ``ratchet_py.server``, ``ratchet_py.http``,
``ratchet_py.websocket``, ``ratchet_py.wamp``, ``ratchet_py.session`` and ``ratchet_py.broker``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

# First: the modules below name themselves by it.
__version__ = "0.1.0"

if TYPE_CHECKING:
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

# Where the names are. They are imported when they are asked for: a site that pushes to a server
# imports ratchet_py.push alone, and has no use for Twisted.
_MODULES = {
    "AbstractConnectionDecorator": "connection",
    "App": "app",
    "CallError": "errors",
    "Component": "component",
    "ComponentInterface": "interfaces",
    "ConnectionInterface": "interfaces",
    "HttpError": "errors",
    "Limits": "limits",
    "MessageComponentInterface": "interfaces",
    "MessageInterface": "interfaces",
    "NotAuthorized": "errors",
}
_PACKAGES = {
    "broker",
    "client",
    "http",
    "push",
    "rfc6455",
    "server",
    "session",
    "wamp",
    "websocket",
}


if not TYPE_CHECKING:
    # For a type checker it would be a promise that there is any name.
    def __getattr__(name):
        if name in _PACKAGES:
            return import_module(f"{__name__}.{name}")
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
