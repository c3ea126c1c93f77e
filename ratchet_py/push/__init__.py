"""Push events to the topics of a running server, from a site that already exists.

:class:`PushClient` and :class:`AsyncPushClient` are for the site: Django, Flask, Celery, a script.
Importing them imports neither Twisted nor anything beyond the standard library.
:class:`PushServer` and :class:`PushResource` are the other end, which they speak to.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ratchet_py.push.client import PushClient, Pushed
from ratchet_py.push.errors import PushError, PushFailed, PushRefused

if TYPE_CHECKING:
    from ratchet_py.push.async_client import AsyncPushClient
    from ratchet_py.push.credentials import PushCredentials
    from ratchet_py.push.resource import PushResource
    from ratchet_py.push.server import PushServer

__all__ = [
    "AsyncPushClient",
    "PushClient",
    "PushCredentials",
    "PushError",
    "PushFailed",
    "PushRefused",
    "PushResource",
    "PushServer",
    "Pushed",
]

# Imported when they are asked for: this one knows asyncio, the others Twisted.
_MODULES = {
    "AsyncPushClient": "async_client",
    "PushCredentials": "credentials",
    "PushResource": "resource",
    "PushServer": "server",
}


if not TYPE_CHECKING:
    # For a type checker it would be a promise that there is any name.
    def __getattr__(name):
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
