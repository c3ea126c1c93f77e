"""WebSockets beside pages, where the site is ``twisted.web``'s and not an ``App``."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ratchet_py.app import App
from ratchet_py.http.http_server import HttpServer
from ratchet_py.http.interfaces import HttpServerInterface
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.server.io_connection import isAdoptable
from ratchet_py.server.io_server import IoServer

__all__ = ["RatchetResource"]


class RatchetResource(Resource):
    """A stack as a resource of a ``twisted.web`` site that is there already.

    Each request for it, and for what lies below, is taken out of ``twisted.web`` together with its
    connection, and goes through the stack from its first layer on: what is answered, when a
    connection ends and what is limited is as it would be without ``twisted.web``, which has done
    nothing but read the request's head. So ``Limits.headSize`` and ``handshakeTimeout`` are the
    site's own matter, and there is no line in its access log. A stack sees the whole path of the
    request, not what is left of it below this resource. HTTP/2 is answered with 505: a browser
    opens a connection of HTTP/1.1 for its WebSockets by itself.

    Example:
        >>> from twisted.web.server import Site
        >>> from twisted.web.static import File
        >>> from ratchet_py.server import EchoServer
        >>> from ratchet_py.twisted_web import RatchetResource
        >>> from ratchet_py.websocket import WsServer
        >>> root = File("www")
        >>> root.putChild(b"echo", RatchetResource(WsServer(EchoServer())))
        >>> site = Site(root)

    Args:
        served: An ``HttpServerInterface`` (a ``WsServer``, or an ``OriginCheck`` around it, a
            ``Router``); a whole :class:`~ratchet_py.App`, which then need not listen itself; or an
            ``IoServer`` of your own, to have a ``Limiter`` or trusted proxies in the stack.
        reactor: As in ``IoServer``; used only if an ``HttpServerInterface`` is served.
        limits: Likewise.

    Raises:
        TypeError: It is none of these.

    Attributes:
        ioServer: The bottom of the stack.
    """

    isLeaf = True

    def __init__(
        self,
        served: App | HttpServerInterface | IoServer,
        reactor: Any = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if isinstance(served, App):
            served = served.server
        elif isinstance(served, HttpServerInterface):
            served = IoServer(HttpServer(served, limits), reactor, limits)
        if not isinstance(served, IoServer):
            raise TypeError(
                f"{type(served).__name__} cannot be served here: wrap it in a WsServer, "
                "or route it in an App"
            )
        self.ioServer = served
        self._closed = False

    def render(self, request: Any) -> Any:
        """Take over the request's connection; twisted.web is done with it."""
        channel = request.channel
        if channel is None:
            # The client has gone while the site was looking for us.
            return NOT_DONE_YET
        if not isinstance(channel, HTTPChannel) or not isAdoptable(channel.transport):
            # 426 would have to name a protocol in Upgrade, which HTTP/2 does not allow.
            return _refuse(request, 505, "WebSocket needs a connection of HTTP/1.1 for itself")
        if self._closed:
            request.setHeader("Retry-After", "60")
            return _refuse(request, 503, "server is shutting down")
        # First what twisted.web has kept back behind a request that took its time.
        rest = b"".join(channel._dataBuffer) + channel.clearLineBuffer()
        data = _head(request) + request.content.read(self.ioServer.limits.messageSize) + rest
        transport: Any = channel.transport
        transport.unregisterProducer()
        # As for a client that is gone: who waits for the end of the request need not any more.
        channel.connectionLost(Failure(ConnectionDone()))
        self.ioServer.adopt(transport, data)
        return NOT_DONE_YET

    def close(self) -> Deferred[None]:
        """Close every client with 1001 (going away), many of them bit by bit; new ones get 503.

        The site does not know of these clients and does not wait for them. Have it called when the
        reactor stops::

            reactor.addSystemEventTrigger("before", "shutdown", resource.close)

        Returns:
            A Deferred that fires when the last one is gone.
        """
        self._closed = True
        return self.ioServer.close()


def _refuse(request: Any, status: int, reason: str) -> bytes:
    request.setResponseCode(status)
    request.setHeader("Content-Type", "text/plain; charset=utf-8")
    return f"{reason}\n".encode()


def _head(request: Any) -> bytes:
    """The head of a request as the client has sent it, as far as ``twisted.web`` tells.

    Names of fields are spelt its way, and fields of one name stand together, in their order.
    """
    headers = request.requestHeaders
    if headers.hasHeader("Transfer-Encoding"):
        # The body has been read, and put together.
        headers = headers.copy()
        headers.removeHeader("Transfer-Encoding")
        size = request.content.seek(0, 2)
        request.content.seek(0)
        headers.setRawHeaders("Content-Length", [str(size)])
    lines = [b" ".join((request.method, request.uri, request.clientproto))]
    for name, values in headers.getAllRawHeaders():
        lines += (name + b": " + value for value in values)
    return b"\r\n".join([*lines, b"", b""])
