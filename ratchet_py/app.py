r"""The facade: a server in three lines, as in ``Ratchet\App``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import quoteStringArgument
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import IResource

from ratchet_py.broker.interfaces import BrokerInterface, Reach
from ratchet_py.errors import LocalError
from ratchet_py.http.http_server import HttpServer
from ratchet_py.http.interfaces import HttpServerInterface
from ratchet_py.http.origin_check import SAME_HOST, OriginCheck
from ratchet_py.http.request import Request
from ratchet_py.http.router import Route, RouteCollection, Router
from ratchet_py.interfaces import MessageComponentInterface
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.server.console_log import showWarnings
from ratchet_py.server.flash_policy import FlashPolicy
from ratchet_py.server.io_server import BACKLOG, DRAIN_SECONDS, IoServer
from ratchet_py.server.marking import marking, marks
from ratchet_py.server.shutdown import closeOnShutdown
from ratchet_py.session.interfaces import SessionHandlerInterface, SessionsInterface
from ratchet_py.session.session_provider import SessionProvider
from ratchet_py.wamp.authentication import AuthSource
from ratchet_py.wamp.interfaces import WampServerInterface
from ratchet_py.wamp.topic import Topic
from ratchet_py.wamp.wamp_server import WampServer
from ratchet_py.websocket.interfaces import MessageComponentInterface as WsMessageComponentInterface
from ratchet_py.websocket.interfaces import WsServerInterface
from ratchet_py.websocket.ws_server import WsServer

if TYPE_CHECKING:
    # Not needed to run, because it needs an extra.
    from ratchet_py.metrics import Metrics

__all__ = ["App"]

log = Logger()


class App:
    r"""A server of WebSocket applications at paths (``Ratchet\App``).

    Example:
        ::

            app = App("localhost", 8080)
            app.route("/chat", Chat())
            app.route("/echo", EchoServer(), ["*"])
            app.run()

    Args:
        httpHost: The host that requests must name, and whose pages may connect; None for any host,
            and then a page may connect to the host it came from.
        port: The TCP port; 0 for a free one.
        address: The address to listen on: ``127.0.0.1`` for this machine alone, ``0.0.0.0`` or
            ``::`` for all.
        reactor: Twisted's own if none is given.
        limits: What bounds each client.
        broker: Carries topics beyond this process, those of each route apart from the others'; if
            none is given they stay in this process.
        flashPolicyPort: Where to serve the Flash policy file; nowhere if not given.
        authenticate: Called with each request of a WebSocket client before it is answered, and lets
            it in or not; see :class:`~ratchet_py.websocket.WsServer`. A route may have its own.
        drainSeconds: How long :meth:`close`, and a signal, waits for the clients.
        trustedProxies: Addresses and networks of proxies, and ``unix`` for one that comes over a
            UNIX socket: what they say of a client's address and scheme is believed.
        metrics: Counts and times what happens; nothing does if not given.

    Attributes:
        routes: The routes, in the order in which they are tried.
        server: The bottom of the stack.
        trustedProxies: The proxies whose word counts; ``add`` adds some.
        broker: What carries topics beyond this process, or None.
        flashServer: The server of the policy file, or None.
        metrics: What counts, or None.
    """

    # While tap makes or imports Apps, the broker of those that are given none.
    _lent: ClassVar[BrokerInterface | None] = None

    def __init__(
        self,
        httpHost: str | None = "localhost",
        port: int = 8080,
        address: str = "127.0.0.1",
        reactor: Any = None,
        limits: Limits = DEFAULT_LIMITS,
        broker: BrokerInterface | None = None,
        flashPolicyPort: int | None = None,
        authenticate: Callable[[Request], object] | None = None,
        drainSeconds: float = DRAIN_SECONDS,
        trustedProxies: Iterable[str] = (),
        metrics: Metrics | None = None,
    ) -> None:
        self.httpHost = httpHost
        self.port = port
        self.address = address
        self.limits = limits
        self.routes = RouteCollection()
        self.flashServer: IoServer | None = None
        self.broker = App._lent if broker is None else broker
        self._flashPolicyPort = flashPolicyPort
        self._authenticate = authenticate
        self._policy = FlashPolicy()
        self._routeNumbers = count(1)
        httpServer = HttpServer(Router(self.routes), limits, trustedProxies=trustedProxies)
        self.trustedProxies = httpServer.trustedProxies
        self.server = IoServer(httpServer, reactor, limits)
        self.server.drainSeconds = drainSeconds
        self._wampServers: dict[str, WampServer] = {}
        self._wsServers: list[tuple[str, WsServer]] = []
        self.metrics: Metrics | None = None
        if metrics is not None:
            self.measure(metrics)
        if flashPolicyPort is not None:
            self.flashServer = IoServer(self._policy, reactor, limits)
            for allowed in {80, port}:
                self._policy.addAllowedAccess(httpHost or "*", allowed)

    @property
    def loop(self) -> Any:
        """The reactor."""
        return self.server.loop

    def route(
        self,
        path: str,
        controller: Any,
        allowedOrigins: Iterable[str] = (),
        httpHost: str | None = None,
        *,
        authenticate: Callable[[Request], object] | None = None,
        auth: AuthSource | None = None,
        session: SessionHandlerInterface | SessionsInterface | None = None,
    ) -> Any:
        """Serve something at a path.

        Args:
            path: The path, with placeholders if you like: ``/chat/{room}``.
            controller: An application (a ``WampServerInterface``, one of the two
                ``MessageComponentInterface``), an ``HttpServerInterface`` such as a ``WsServer`` of
                your own, or an ``IResource`` of ``twisted.web``; an object, or a class to make one.
            allowedOrigins: Whose pages may connect: hosts or full origins, or ``["*"]`` for
                everybody, also for clients that are no browsers and send no origin. If empty, the
                host alone. An ``IResource`` is never checked: it serves the pages.
            httpHost: A host for this route alone.
            authenticate: As the App's own, for this route alone.
            auth: For a ``WampServerInterface``: who may come in, as
                :class:`~ratchet_py.wamp.WampServer` takes it.
            session: The site's sessions, for ``conn.Session``; as
                :class:`~ratchet_py.session.SessionProvider` takes it.

        Returns:
            What was built around the controller.

        Raises:
            TypeError: The controller is of no known kind, or of one that cannot take
                ``authenticate`` or ``auth``: a ``WsServer`` of your own has them itself.
        """
        if isinstance(controller, type):
            controller = controller()
        host = self.httpHost if httpHost is None else httpHost
        decorated = controller
        isResource = IResource.providedBy(controller)
        if authenticate is not None and (isResource or isinstance(controller, HttpServerInterface)):
            raise TypeError(f"{type(controller).__name__} takes no authenticate")
        if auth is not None and not isinstance(controller, WampServerInterface):
            raise TypeError(f"{type(controller).__name__} takes no auth")
        if session is not None and isResource:
            raise TypeError(f"{type(controller).__name__} takes no session")
        if isResource:
            allowedOrigins = ["*"]
        else:
            decorated = self._decorate(path, host, controller, authenticate, auth)
        if session is not None:
            decorated = SessionProvider(decorated, session, limits=self.limits)
        origins = list(allowedOrigins) or [SAME_HOST if host is None else host]
        if "*" not in origins:
            decorated = OriginCheck(decorated, origins)
        if self.flashServer is not None:
            for origin in origins:
                self._policy.addAllowedAccess("*" if origin == SAME_HOST else origin, self.port)
        self.routes.add(f"rr-{next(self._routeNumbers)}", Route(path, decorated, host))
        return decorated

    def measure(self, metrics: Metrics) -> None:
        """Have what happens counted and timed, from now on.

        Raises:
            LocalError: Something counts already.
        """
        if self.metrics is not None:
            raise LocalError("this App has metrics already")
        self.metrics = metrics
        metrics.watch(self.server)
        metrics.broker = getattr(self.broker, "tally", None)
        for path, server in self._wsServers:
            metrics.measure(server, path)
        if self.server.ports:
            metrics.start(self.loop)

    def topic(self, path: str, name: str) -> Topic:
        """A topic of a route, for code that has no client in hand: timers, pushes.

        Example:
            ::

                app.topic("/pubsub", "news").broadcast({"title": "It works"})

        Args:
            path: The route's path, as it was given to :meth:`route`. Where several routes have one
                path, for different hosts, all but the first are ``//HOST/PATH``.
            name: The topic's id.

        Raises:
            LookupError: No WAMP application is routed at the path.
        """
        return self.wampServer(path).topic(name)

    def push(
        self,
        topic: str,
        event: Any,
        exclude: Sequence[str] = (),
        eligible: Sequence[str] = (),
        path: str | None = None,
    ) -> Deferred[Reach]:
        """Send an event that comes from outside, and say how many processes were told.

        Unlike a broadcast it is shown to the application's ``onPush`` first; see
        :meth:`WampServer.push <ratchet_py.wamp.WampServer.push>`. To have other programs push over
        HTTP there are :class:`~ratchet_py.push.PushServer` and
        :class:`~ratchet_py.push.PushResource`.

        Args:
            topic: The topic's id.
            event: Any JSON value.
            exclude: Session ids that are not to get it.
            eligible: The only session ids that are to get it; empty for everybody.
            path: The route's path, as for :meth:`topic`; where there is but one with a WAMP
                application, it need not be said.

        Raises:
            LookupError: No WAMP application is routed there, or it is not clear which one.
        """
        return self.wampServer(path).push(topic, event, exclude, eligible)

    def wampServer(self, path: str | None = None) -> WampServer:
        """The server of a WAMP application.

        Args:
            path: The route's path, as for :meth:`topic`; None for the only one.

        Raises:
            LookupError: No WAMP application is routed there, or it is not clear which one.
        """
        servers = self._wampServers
        if path is None and len(servers) > 1:
            raise LookupError(f"several WAMP applications; say which: {', '.join(servers)}")
        if path is None and servers:
            (path,) = servers
        if path is None or path not in servers:
            raise LookupError("no WAMP application" + (f" at {path!r}" if path else ""))
        return servers[path]

    def isWamp(self, path: str) -> bool:
        """Whether a WAMP application is routed at a path."""
        return path in self._wampServers

    @property
    def wampPaths(self) -> list[str]:
        """The paths where a WAMP application is routed."""
        return list(self._wampServers)

    @property
    def endpoint(self) -> str:
        """Where it listens if nothing else is said, as Twisted's endpoint string."""
        return f"tcp:{self.port}:interface={quoteStringArgument(self.address)}:backlog={BACKLOG}"

    @property
    def flashEndpoint(self) -> str | None:
        """Where the Flash policy file is served, or None."""
        if self._flashPolicyPort is None:
            return None
        return f"tcp:{self._flashPolicyPort}:interface={quoteStringArgument(self.address)}"

    def listen(self, *endpoints: str | IStreamServerEndpoint) -> Deferred[list[IListeningPort]]:
        """Start to listen.

        Args:
            endpoints: Where, as Twisted's endpoints or their strings (``"tcp:8080"``,
                ``"ssl:..."``, ``"unix:..."``); the port and address of the constructor if there
                are none.

        Returns:
            A Deferred of the ports that are open now. It fails, and nothing stays open, if one
            cannot be opened.
        """
        listening = self.server.listen(*endpoints or (self.endpoint,))
        flash = self.flashEndpoint
        if flash is not None and self.flashServer is not None and not self.flashServer.ports:
            listening.addCallback(self._listenForFlash, flash)
        if self.metrics is not None:
            listening.addCallback(self._startMetrics, self.metrics)
        return listening

    def close(self) -> Deferred[Any]:
        """Stop listening and close every client with 1001 (going away), many of them bit by bit.

        Each gets first what waits for it. Who is still there after ``drainSeconds`` is dropped.

        Returns:
            A Deferred that fires when the last one is gone.
        """
        if self.metrics is not None:
            self.metrics.closing()
        closing = [self.server.close()]
        if self.flashServer is not None:
            closing.append(self.flashServer.close())
        return DeferredList(closing).addCallback(self._closed)

    def abort(self) -> None:
        """Drop every client now."""
        self.server.abort()
        if self.flashServer is not None:
            self.flashServer.abort()

    def run(self, *endpoints: str | IStreamServerEndpoint) -> None:
        """Listen and serve until SIGINT or SIGTERM; then close every client and return.

        In a module that ``twistd ratchet --app`` imports it only says that this App is the one to
        serve; where, ``--listen`` says.

        Args:
            endpoints: Where to listen, as :meth:`listen` takes it.

        Raises:
            SystemExit: A port cannot be opened; the message says why.
        """
        if marks(self):
            return
        failed: list[Failure] = []
        self.listen(*endpoints).addErrback(failed.append)
        if failed:
            raise SystemExit(f"ratchet: {failed[0].getErrorMessage()}")
        showWarnings()
        self.server.prepare()
        closeOnShutdown(self.loop, self.close, self.abort)
        self.loop.run()

    marking = staticmethod(marking)
    """While the context lasts, :meth:`run` serves nothing but adds its App to the list."""

    @staticmethod
    @contextmanager
    def lending(broker: BrokerInterface | None) -> Iterator[None]:
        """While the context lasts, an App that is made and given no broker has this one."""
        before, App._lent = App._lent, broker
        try:
            yield
        finally:
            App._lent = before

    def _decorate(
        self,
        path: str,
        host: str | None,
        controller: Any,
        authenticate: Callable[[Request], object] | None,
        auth: AuthSource | None,
    ) -> HttpServerInterface:
        # Two routes may have one path, for different hosts.
        name = path if path not in self._wampServers else f"//{host}{path}"
        if isinstance(controller, HttpServerInterface):
            server = _wsServerOn(controller)
            if server is not None:
                self._add(path, server)
                if isinstance(server.delegate, WampServer):
                    self._wampServers[name] = server.delegate
            return controller
        if isinstance(controller, WampServerInterface):
            broker = None if self.broker is None else self.broker.scoped(name)
            controller = WampServer(controller, limits=self.limits, broker=broker, auth=auth)
        elif not isinstance(controller, (MessageComponentInterface, WsMessageComponentInterface)):
            raise TypeError(f"{type(controller).__name__} is nothing that a route can serve")
        if not isinstance(controller, WsServerInterface):
            log.info(
                "{path} speaks no subprotocol: a client that offers some is refused with 426, "
                "unless setStrictSubProtocolCheck(False) is called on what route() returns",
                path=path,
            )
        if isinstance(controller, WampServer):
            self._wampServers[name] = controller
        server = WsServer(controller, self.limits, authenticate=authenticate or self._authenticate)
        server.enableKeepAlive(interval=self.limits.keepAlive)
        self._add(path, server)
        return server

    def _add(self, path: str, server: WsServer) -> None:
        self._wsServers.append((path, server))
        if self.metrics is not None:
            self.metrics.measure(server, path)

    def _startMetrics(self, ports: list[IListeningPort], metrics: Metrics) -> list[IListeningPort]:
        metrics.start(self.loop)
        return ports

    def _closed(self, _: object) -> None:
        if self.metrics is not None:
            self.metrics.stop()

    def _listenForFlash(self, ports: list[IListeningPort], endpoint: str) -> Deferred[Any]:
        assert self.flashServer is not None
        listening: Deferred[Any] = self.flashServer.listen(endpoint)
        return listening.addCallbacks(lambda _: ports, self._withoutFlash, errbackArgs=(ports,))

    def _withoutFlash(self, failure: Failure, ports: list[IListeningPort]) -> Failure:
        # Without the policy the App is not what it was asked to be: all of this call or nothing.
        # What an earlier one has opened goes on.
        for port in ports:
            self.server.ports.remove(port)
            port.stopListening()
        return failure


def _wsServerOn(component: Any) -> WsServer | None:
    """The ``WsServer`` that stands on a layer, or on one that stands there, if any does."""
    while component is not None and not isinstance(component, WsServer):
        component = getattr(component, "component", None)
    return component
