"""Pages beside WebSockets: a resource of ``twisted.web`` as the controller of a route.

``twisted.web`` reads request bodies, answers, and paces what it sends. It does so over a transport
that is nothing but the connection which this layer was handed, one request at a time; after each,
the connection goes back to ``HttpServer``, because the next request on it may be for another route.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IPushProducer, ITransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.pages import notFound
from twisted.web.resource import IResource, getChildForRequest
from twisted.web.server import Request as WebRequest
from twisted.web.server import Site
from zope.interface import implementer

from ratchet_py.errors import HttpError
from ratchet_py.http.interfaces import HttpServerInterface
from ratchet_py.http.request import Request
from ratchet_py.http.response import refuse
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.limits import DEFAULT_LIMITS, Limits

__all__ = ["ResourceController"]

log = Logger()

_HIGH_WATER = 64 * 1024
"""How many bytes may wait before whoever produces more is paused."""


class ResourceController(HttpServerInterface):
    """Serves a tree of ``twisted.web`` resources: files, a Klein app, anything.

    A route makes one of an ``IResource`` by itself; make your own to give it other limits. Bodies,
    keep-alive, pipelining and HTTP/1.0 work as in ``twisted.web``, and, as there, the page at the
    top of a tree (``/``) is the root's child of no name unless the root is a leaf. There is no
    access log.

    Example:
        >>> from twisted.web.static import Data
        >>> from ratchet_py.http import Route
        >>> Route("/hello", Data(b"hello", "text/plain")).controller
        <ResourceController Data>

    Attributes:
        resource: The root of the tree.
        limits: Of these, ``messageSize`` for a request's body (413) and ``handshakeTimeout`` for a
            silence within it (408).
    """

    def __init__(self, resource: IResource, limits: Limits = DEFAULT_LIMITS) -> None:
        self.resource = resource
        self.limits = limits
        self._site: _Site | None = None
        self._channels: dict[ConnectionInterface, _Channel] = {}

    def __repr__(self) -> str:
        return f"<ResourceController {type(self.resource).__name__}>"

    def onOpen(self, conn: ConnectionInterface, request: Request) -> None:
        """Have ``twisted.web`` answer a request."""
        _checkBody(request, self.limits)
        if self._site is None:
            self._site = _Site(self.resource, reactor=conn.reactor)  # type: ignore[no-untyped-call]
        channel = self._channels[conn] = _Channel(self._site, conn, request, self.limits)
        channel.makeConnection(channel.connection)  # type: ignore[no-untyped-call]
        channel.dataReceived(_originForm(request))

    def onMessage(self, conn: ConnectionInterface, msg: bytes) -> None:
        """Bytes of the body, or of what comes after it."""
        self._channels[conn].dataReceived(msg)

    def onClose(self, conn: ConnectionInterface) -> None:
        """The client is gone, or the request is done."""
        channel = self._channels.pop(conn, None)
        if channel is not None:
            channel.stop()

    def onError(self, conn: ConnectionInterface, exc: Exception) -> None:
        """What went wrong is not in a resource, whose failures ``twisted.web`` answers."""
        log.failure(
            "a request could not be handed to {resource!r}",
            Failure(exc),
            resource=self.resource,
        )
        conn.abort()


def _checkBody(request: Request, limits: Limits) -> None:
    """Refuse a body that is too large, or of which two lengths could be read (RFC 7230, 3.3.3)."""
    if request.version not in ("1.0", "1.1"):
        raise HttpError(505, "HTTP version not supported")
    lengths = request.headers.getAll("Content-Length")
    codings = request.headers.getAll("Transfer-Encoding")
    if codings:
        if lengths or request.version == "1.0":
            raise HttpError(400, "Transfer-Encoding where it must not be")
        if [coding.lower() for coding in codings] != ["chunked"]:
            raise HttpError(501, "transfer coding not supported")
    elif lengths:
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            raise HttpError(400, "malformed Content-Length")
        # A number of a thousand digits is not worth a conversion.
        if len(lengths[0]) > 18 or int(lengths[0]) > limits.messageSize:
            raise _tooLarge(limits)


def _tooLarge(limits: Limits) -> HttpError:
    reason = f"request body larger than {limits.messageSize} bytes"
    return HttpError(413, reason, limit="messageSize")


def _originForm(request: Request) -> bytes:
    """The head with a path as its target; ``twisted.web`` takes any target for a path."""
    if request.uri[0] in "/*":
        return request.head
    path, query = request.uri.getPath(), request.uri.getQuery()
    line = f"{request.method} {path}{'?' if query else ''}{query} HTTP/{request.version}"
    return line.encode("ascii") + request.head[request.head.index(b"\r\n") :]


class _Head:
    """A resource that is asked for its head alone.

    ``twisted.web`` logs a line for each such request that a resource answers as if it were GET, and
    most do that: a client could fill a disk.
    """

    def __init__(self, resource: IResource) -> None:
        self._resource = resource

    def render(self, request: Any) -> Any:
        body = self._resource.render(request)
        if not isinstance(body, bytes) or not body:
            return body
        request.setHeader("Content-Length", str(len(body)))
        return b""


class _WebRequest(WebRequest):
    """A request of ``twisted.web`` that is not logged."""

    def render(self, resrc: Any) -> None:
        """Ask the resource for the answer."""
        if self.requestHeaders.hasHeader("Transfer-Encoding"):
            # The body has been put together; an application of WSGI reads what has a length alone.
            self.requestHeaders.removeHeader("Transfer-Encoding")
            content: Any = self.content
            size = content.seek(0, 2)
            content.seek(0)
            self.requestHeaders.setRawHeaders("Content-Length", [str(size)])
        isHead = self.method == b"HEAD"
        super().render(_Head(resrc) if isHead else resrc)  # type: ignore[no-untyped-call]


class _Site(Site):
    """What is common to the requests of one tree: its root, and the browsers' sessions."""

    requestFactory = _WebRequest

    def getResourceFor(self, request: Any) -> Any:
        """Begin below the path of the route."""
        mount = len(request.channel.request.scriptName.encode())
        taken = 0
        while taken < mount and request.postpath:
            segment = request.postpath.pop(0)
            request.prepath.append(segment)
            taken += len(b"/" + segment)
        if taken != mount:
            # An encoded slash has hidden the end of the route's path within a segment.
            return notFound()
        request.site = self
        request.sitepath = list(request.prepath)
        return getChildForRequest(self.resource, request)


@implementer(ITransport, IPushProducer)
class _Transport:
    """A connection, as ``twisted.web`` wants a transport to be.

    Attributes:
        conn: The connection.
        disconnecting: Whether nothing can be written any more.
    """

    def __init__(self, conn: ConnectionInterface, request: Request) -> None:
        self.conn = conn
        self.disconnecting = False
        self._request = request
        self._producer: Any = None
        self._producerPaused = False
        self._reading = True

    def write(self, data: bytes) -> None:
        """Send, and pause the producer if too much waits (ITransport)."""
        if self.disconnecting:
            return
        self.conn.send(data)
        if self._producer is None or self._producerPaused or not self.isFull():
            return
        self._producerPaused = True
        self._producer.pauseProducing()
        self.conn.whenDrained().addCallbacks(self._drained, _gone)

    def _drained(self, _: None) -> None:
        self._producerPaused = False
        if self._producer is not None and not self.disconnecting:
            self._producer.resumeProducing()

    def isFull(self) -> bool:
        """Whether more should not be written now."""
        waiting: int = self.conn.bufferedAmount
        return waiting > _HIGH_WATER

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Send in one (ITransport)."""
        self.write(b"".join(iovec))

    def loseConnection(self) -> None:
        """Close when what was written is out (ITransport)."""
        if not self.disconnecting:
            self.stop()
            self.conn.close()

    def abortConnection(self) -> None:
        """Drop the connection now (ITCPTransport)."""
        self.stop()
        self.conn.abort()

    def stop(self) -> None:
        """Write no more, and leave the connection as it was found."""
        self.disconnecting = True
        self.resumeProducing()

    def getPeer(self) -> IAddress:
        """The client's address; its port is not known here (ITransport)."""
        address = self.conn.remoteAddress
        if not address:
            return UNIXAddress(None)
        return _address(address, 0)

    def getHost(self) -> IAddress:
        """Where the client thinks that it is (ITransport)."""
        port = 443 if self._request.scheme == "https" else 80
        return _address(self._request.host, self._request.port or port)

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """Remember whom to pause (IConsumer); the channel is always a push producer."""
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Pause nobody any more (IConsumer)."""
        self._producer = None

    def pauseProducing(self) -> None:
        """Read no more (IPushProducer)."""
        if self._reading and not self.disconnecting:
            self._reading = False
            self.conn.pauseReading()

    def resumeProducing(self) -> None:
        """Read on (IPushProducer)."""
        if not self._reading:
            self._reading = True
            self.conn.resumeReading()

    def stopProducing(self) -> None:
        """Close (IProducer)."""
        self.loseConnection()


def _address(host: str, port: int) -> IAddress:
    kind = IPv6Address if ":" in host else IPv4Address
    return kind("TCP", host, port)


def _gone(_: Failure) -> None:
    """The client went away while we waited for it; ``onClose`` does the rest."""


class _Channel(HTTPChannel):
    """Serves one request, then gives back what was received beyond it."""

    # The head was measured by HttpServer.
    totalHeadersSize = MAX_LENGTH = maxHeaders = 2**31

    def __init__(
        self, site: _Site, conn: ConnectionInterface, request: Request, limits: Limits
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.site = site
        self.requestFactory = site.requestFactory
        self.callLater = conn.reactor.callLater  # type: ignore[method-assign]
        self.timeOut = limits.handshakeTimeout  # type: ignore[assignment]
        self.connection = _Transport(conn, request)
        self.request = request
        self.limits = limits
        self._handBack = request.nextRequest
        # How much may still come of a body whose length was not announced.
        self._room: float = math.inf
        if "Transfer-Encoding" in request.headers:
            self._room = limits.messageSize + len(request.head)
        self._rest: bytes | None = None
        self._stopped = False

    def dataReceived(self, data: bytes) -> None:
        """Take bytes, unless we have closed."""
        if self.connection.disconnecting:
            return
        if self._rest is not None:
            self._rest += data
            return
        self._room -= len(data)
        if self._room < 0:
            self._refuse(_tooLarge(self.limits))
        else:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def checkPersistence(self, request: WebRequest, version: bytes) -> bool:
        """Whether the connection stays open after this request (RFC 7230 section 6.3)."""
        tokens = self.request.headers.get("Connection", "").lower().split(",")
        isLast = self._handBack is None or "close" in (token.strip() for token in tokens)
        if version == b"HTTP/1.1" and not isLast:
            return True
        request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return False

    def isSecure(self) -> bool:
        """Whether the request came over TLS, to us or to a proxy that is trusted."""
        return self.request.scheme == "https"

    def allContentReceived(self) -> None:
        """The body is complete; what comes now is another request's."""
        self._room = math.inf
        super().allContentReceived()  # type: ignore[no-untyped-call]

    def setLineMode(self, extra: bytes = b"") -> None:
        """The answer is complete and the connection stays open: called with what came too early."""
        self.setTimeout(None)  # type: ignore[no-untyped-call]
        self._rest = extra
        if self.connection.isFull():
            self.connection.pauseProducing()
            self.connection.conn.whenDrained().addCallbacks(self._done, _gone)
        else:
            self._done(None)

    def _done(self, _: None) -> None:
        if self._stopped:
            return
        self.connection.stop()
        if self._handBack is None:
            self.connection.conn.close()
        else:
            self._handBack(self._rest or b"")

    def timeoutConnection(self) -> None:
        """The body does not come."""
        self._refuse(HttpError(408, "the request took too long", limit="handshakeTimeout"))

    def _refuse(self, error: HttpError) -> None:
        self.stop()
        refuse(self.connection.conn, error)

    def stop(self) -> None:
        """Let go of the request, and of whoever produces its answer."""
        if not self._stopped:
            self._stopped = True
            self.connection.stop()
            self.stopProducing()  # type: ignore[no-untyped-call]
            self.connectionLost(Failure(ConnectionDone()))  # type: ignore[no-untyped-call]
