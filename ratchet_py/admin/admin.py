"""The operator's own server."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ratchet_py.admin.figures import Figures, LocalFigures
from ratchet_py.admin.live import Live
from ratchet_py.admin.local_router import LocalRouter
from ratchet_py.app import App
from ratchet_py.demo.site import Asset
from ratchet_py.http.http_server import HttpServer
from ratchet_py.http.router import Route, RouteCollection
from ratchet_py.limits import Limits
from ratchet_py.metrics import Metrics
from ratchet_py.push.credentials import PushCredentials
from ratchet_py.server.io_server import IoServer
from ratchet_py.wamp.wamp_server import WampServer
from ratchet_py.websocket.ws_server import WsServer

__all__ = ["Admin"]

# Who looks on shall not hold up the end of the process.
_LIMITS = Limits(closeTimeout=1.0)

# Name on the server: file in the package.
_FILES = {
    "": "admin/static/index.html",
    "admin.css": "admin/static/admin.css",
    "admin.js": "admin/static/admin.js",
    "demo.css": "demo/static/demo.css",
    "theme.js": "demo/static/theme.js",
    "icon.svg": "demo/static/icon.svg",
    "ratchet.js": "js/ratchet.js",
}


class Admin:
    """Serves a server's figures to its operator: to Prometheus, to a load balancer, and as a page.

    - ``GET /metrics``: all figures, for Prometheus.
    - ``GET /healthz``: 200 and ``ok``; 503 and why, if no clients should be sent here.
    - ``GET /``: a page that draws what goes on.
    - ``POST /publish``: pushes events; see :doc:`/howto/push`. Only for an ``App``.
    - ``POST /drain`` and ``POST /resume``, with ``Authorization: Bearer`` and the token: have
      ``/healthz`` fail, or not any more. Nobody is disconnected.

    Anybody who reaches the endpoint may read, so it belongs on the loopback or a network of yours.

    Example:
        ::

            app = App("localhost", 8080)
            app.route("/chat", Chat())
            Admin(app).listen("tcp:9100:interface=127.0.0.1")
            app.run()

    Args:
        server: Whose figures: an ``App``, or an ``IoServer`` with a stack of your own on it, which
            is measured from now on, if it is not yet; or figures from elsewhere.
        token: Allows to change something; a random one if none is given.
        hosts: Names under which it is reached, beyond ``localhost`` and IP addresses.
        pushCredentials: What it takes to push; the token if not given.

    Attributes:
        metrics: What counts, if that is in this process.
        token: The token.
        server: The bottom of the stack that serves the figures.
        live: What the page is told.
    """

    def __init__(
        self,
        server: App | IoServer | Figures,
        token: str | None = None,
        hosts: Iterable[str] = (),
        pushCredentials: PushCredentials | None = None,
    ) -> None:
        figures = server if isinstance(server, Figures) else LocalFigures(server)
        self._figures = figures
        self.metrics: Metrics | None = getattr(figures, "metrics", None)
        self.token = token or secrets.token_urlsafe(18)
        self.live = Live(figures)
        root = Resource()
        for name, file in _FILES.items():
            root.putChild(name.encode(), Asset(file))
        root.putChild(b"metrics", _Metrics(figures))
        root.putChild(b"healthz", _Health(figures))
        root.putChild(b"drain", _Change(self.token, figures.drain))
        root.putChild(b"resume", _Change(self.token, figures.resume))
        wsServer = WsServer(WampServer(self.live), _LIMITS)
        wsServer.enableKeepAlive()
        routes = RouteCollection()
        routes.add("live", Route("/live", wsServer))
        publish = figures.publish(pushCredentials or PushCredentials(self.token))
        if publish is not None:
            routes.add("publish", publish)
        routes.add("pages", Route("/", root))
        self.server = IoServer(HttpServer(LocalRouter(routes, hosts), _LIMITS), limits=_LIMITS)

    def listen(self, *endpoints: str) -> Deferred[list[IListeningPort]]:
        """Start to listen, and to gather what the page draws.

        Args:
            endpoints: Where, as Twisted's endpoint strings.

        Returns:
            A Deferred of the ports. It fails if one cannot be opened.
        """
        self.server.loop = self._figures.loop
        return self.server.listen(*endpoints).addCallback(self._listening)

    def close(self) -> Deferred[Any]:
        """Stop listening, and close every client."""
        self.live.stop()
        return self.server.close()

    def abort(self) -> None:
        """Drop every client now."""
        self.server.abort()

    def _listening(self, ports: list[IListeningPort]) -> list[IListeningPort]:
        self.live.start(self._figures.loop)
        return ports


class _Plain(Resource):
    """Answers with text that is true for the moment only."""

    isLeaf = True

    def answer(self, request: Any, text: str, status: int = 200) -> bytes:
        request.setResponseCode(status)
        for name, value in {
            "Cache-Control": "no-store",
            "Content-Type": "text/plain; charset=utf-8",
            "X-Content-Type-Options": "nosniff",
        }.items():
            request.setHeader(name, value)
        return f"{text}\n".encode()


class _Collected:
    """Families, as the registry that ``prometheus_client`` writes out."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


class _Metrics(_Plain):
    """``/metrics``."""

    def __init__(self, figures: Figures) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._figures = figures

    def render_GET(self, request: Any) -> int:
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)

        def answer(families: list[Metric]) -> None:
            if gone:
                return
            encode, contentType = choose_encoder(request.getHeader("Accept") or "")
            body = encode(_Collected(families))
            self.answer(request, "")
            request.setHeader("Content-Type", contentType)
            request.setHeader("Content-Length", str(len(body)))
            request.write(body)
            request.finish()

        self._figures.families().addCallback(answer).addErrback(request.processingFailed)
        return NOT_DONE_YET


class _Health(_Plain):
    """``/healthz``."""

    def __init__(self, figures: Figures) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._figures = figures

    def render_GET(self, request: Any) -> bytes:
        health = self._figures.health()
        return self.answer(request, health.reason, 200 if health.isWell else 503)


class _Change(_Plain):
    """Does something for who has the token."""

    def __init__(self, token: str, change: Callable[[], object]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._authorization = f"Bearer {token}".encode()
        self._change = change

    def render_POST(self, request: Any) -> bytes:
        given = (request.getHeader(b"authorization") or b"").strip()
        if not hmac.compare_digest(given, self._authorization):
            request.setHeader("WWW-Authenticate", "Bearer")
            return self.answer(request, "this needs the token: Authorization: Bearer ...", 401)
        self._change()
        return self.answer(request, "ok")
