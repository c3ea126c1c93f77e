"""The demo's pages, and where everything is on an ``App``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from twisted.web.http import CACHED, NOT_FOUND
from twisted.web.resource import Resource

from ratchet_py.demo.chat_rooms import ChatRooms
from ratchet_py.demo.open_pub_sub import OpenPubSub
from ratchet_py.server.echo_server import EchoServer

if TYPE_CHECKING:
    from ratchet_py.app import App

__all__ = ["Asset", "mount", "pages"]

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
}

# The page needs nothing from elsewhere and has no script or style in itself.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Ask again each time, and mostly hear that nothing has changed: a new version shows at once.
    "Cache-Control": "no-cache",
}

# Name on the server: file in the package. Nothing else can be reached.
_FILES = {
    "": "demo/static/index.html",
    "demo.css": "demo/static/demo.css",
    "demo.js": "demo/static/demo.js",
    "theme.js": "demo/static/theme.js",
    "icon.svg": "demo/static/icon.svg",
    "ratchet.js": "js/ratchet.js",
    "ratchet.d.ts": "js/ratchet.d.ts",
}


class _Strict(Resource):
    """Gives strict headers to all that it answers, and has nothing below it but its children."""

    def getChild(self, path: bytes, request: Any) -> Resource:
        return _NotFound()  # type: ignore[no-untyped-call]

    def render(self, request: Any) -> Any:
        for name, value in _HEADERS.items():
            request.setHeader(name, value)
        return self.answer(request)

    def answer(self, request: Any) -> Any:
        return super().render(request)  # type: ignore[no-untyped-call]


class _NotFound(_Strict):
    """What is not there, to whatever method."""

    isLeaf = True

    def answer(self, request: Any) -> bytes:
        request.setResponseCode(NOT_FOUND)
        request.setHeader("Content-Type", "text/plain; charset=utf-8")
        return b"not found\n"


class Asset(_Strict):
    """One file of the package, kept in memory and served with strict headers.

    Args:
        name: The file's path inside the package ``ratchet_py``.

    Raises:
        FileNotFoundError: There is no such file, because the package is not whole.
    """

    def __init__(self, name: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._body = files("ratchet_py").joinpath(*name.split("/")).read_bytes()
        self._type = _TYPES[name[name.rindex(".") :]]
        self._tag = f'"{hashlib.sha256(self._body).hexdigest()[:32]}"'.encode()

    def render_GET(self, request: Any) -> bytes:
        """Answer with the file, or with 304 to who has it already; HEAD comes here too."""
        request.setHeader("Content-Type", self._type)
        if request.setETag(self._tag) is CACHED:
            return b""
        return self._body


def pages() -> Resource:
    """The page and its files, as a resource for the root of a site."""
    root = _Strict()  # type: ignore[no-untyped-call]
    for name, file in _FILES.items():
        root.putChild(name.encode(), Asset(file))
    return root


def mount(
    app: App, allowedOrigins: Iterable[str] = (), httpHost: str | None = None
) -> dict[str, object]:
    """Put the demo on an ``App``.

    The page is at ``/``, the JavaScript client at ``/ratchet.js`` (its types at ``/ratchet.d.ts``),
    the chat at ``/chat``, an open pub/sub at ``/pubsub`` and an echo at ``/echo``.

    Args:
        app: Where to.
        allowedOrigins: As in ``App.route``.
        httpHost: As in ``App.route``.

    Returns:
        What ``App.route`` has returned for each path.

    Example:
        >>> from ratchet_py import App
        >>> from ratchet_py.demo import mount
        >>> list(mount(App("localhost")))
        ['/chat', '/pubsub', '/echo', '/']
    """
    # A resource answers for all below its path, so the one at the root comes last.
    controllers = {
        "/chat": ChatRooms(),
        "/pubsub": OpenPubSub(),
        "/echo": EchoServer(),
        "/": pages(),
    }
    return {
        path: app.route(path, controller, allowedOrigins=list(allowedOrigins), httpHost=httpHost)
        for path, controller in controllers.items()
    }
