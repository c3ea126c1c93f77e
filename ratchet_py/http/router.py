r"""Which component serves which path (``Ratchet\Http\Router``, and what it takes from Symfony)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import IResource

from ratchet_py.errors import HttpError
from ratchet_py.http.interfaces import HttpServerInterface
from ratchet_py.http.refusal_log import RefusalLog
from ratchet_py.http.request import Request, splitAuthority
from ratchet_py.http.resource import ResourceController
from ratchet_py.http.response import refuse
from ratchet_py.interfaces import ConnectionInterface

__all__ = ["Route", "RouteCollection", "Router"]

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")

log = Logger()


class Route:
    r"""A path, and who serves it (``Symfony\Component\Routing\Route``).

    ``{name}`` in the path stands for one or more characters other than ``/`` and than the character
    that follows the placeholder; ``requirements`` gives it a regular expression instead. At the end
    of the path a placeholder that has a default may be missing, with the slash before it.

    The path of an ``IResource`` is where its tree is mounted: it serves what lies below, too, and
    any method.

    A regular expression of yours runs on what strangers send: nested repetitions, as in ``(a+)+``,
    can take for ever.

    Example:
        >>> from ratchet_py.http import Router, RouteCollection
        >>> route = Route("/chat/{room}", Router(RouteCollection()), defaults={"room": "lobby"})
        >>> route.match("/chat/python"), route.match("/chat"), route.match("/chat/a/b")
        ({'room': 'python'}, {'room': 'lobby'}, None)
        >>> route = Route("/log/{year}", route.controller, requirements={"year": "[0-9]{4}"})
        >>> route.match("/log/2024"), route.match("/log/x")
        ({'year': '2024'}, None)

    Attributes:
        path: The pattern.
        controller: What serves it, as an ``HttpServerInterface``.
        host: The only host it is served on, in lower case and without port; None for any.
        defaults: What goes into the query when the path does not give it.
        methods: The methods it takes; None for any.
        isMount: Whether it takes what lies below the path.
    """

    def __init__(
        self,
        path: str,
        controller: Any,
        host: str | None = None,
        requirements: Mapping[str, str] | None = None,
        defaults: Mapping[str, str] | None = None,
        methods: Sequence[str] | None = None,
    ) -> None:
        """Describe a route.

        Args:
            path: Begins with a slash; may have placeholders.
            controller: An ``HttpServerInterface``, or an ``IResource`` of ``twisted.web``.
            host: The only host it is served on; the port is ignored. None for any.
            requirements: A regular expression for each placeholder that wants one.
            defaults: What goes into the query when the path does not give it.
            methods: The methods it takes; if not given, ``GET``, and any for an ``IResource``.

        Raises:
            ValueError: The path, the host or a requirement makes no sense.
            TypeError: The controller is neither of the two.
        """
        if IResource.providedBy(controller):
            controller = ResourceController(controller)
        if not isinstance(controller, HttpServerInterface):
            raise TypeError(
                f"a route's controller is an HttpServerInterface or an IResource: {controller!r}"
            )
        self.isMount = isinstance(controller, ResourceController)
        self.path = "/" + path.strip("/") if self.isMount else "/" + path.lstrip("/")
        self.controller: HttpServerInterface = controller
        self.host = None if host is None else _hostName(host)
        self.defaults = dict(defaults or {})
        if methods is None and not self.isMount:
            methods = ("GET",)
        self.methods = None if methods is None else tuple(method.upper() for method in methods)
        self._names = _PLACEHOLDER.findall(self.path)
        self._regex = _compile(self.path, requirements or {}, self.defaults, self.isMount)

    def match(self, path: str) -> dict[str, str] | None:
        """Compare a decoded path.

        Args:
            path: ``Request.path``.

        Returns:
            The defaults and what the placeholders stand for, or None if it is another path.
        """
        found = self._regex.fullmatch(path)
        return None if found is None else self._values(found)

    def matchRequest(self, request: Request) -> bool:
        """Compare a request's path, and put into the request what follows from a match.

        Args:
            request: Its ``query`` gets the placeholders and defaults; ``scriptName`` is set if this
                route is a mount.

        Returns:
            Whether it is this route's.
        """
        found = self._regex.fullmatch(request.path)
        if found is None:
            return False
        values = self._values(found)
        if values:
            request.query.update(values)
        if self.isMount:
            request.scriptName = found["_mount"]
        return True

    def _values(self, found: re.Match[str]) -> dict[str, str]:
        given = {name: found[name] for name in self._names if found[name] is not None}
        return self.defaults | given


def _hostName(host: str) -> str:
    try:
        return splitAuthority(host)[0]
    except ValueError:
        if host.count(":") > 1:  # an IPv6 address without its brackets
            return splitAuthority(f"[{host}]")[0]
        raise


def _compile(
    path: str, requirements: Mapping[str, str], defaults: Mapping[str, str], isMount: bool
) -> re.Pattern[str]:
    # Literal text and names in turn: "/chat/{room}/x" is ["/chat/", "room", "/x"].
    parts = _PLACEHOLDER.split(path)
    names = parts[1::2]
    if len(set(names)) < len(names):
        raise ValueError(f"a placeholder stands twice in {path!r}")
    unknown = set(requirements) - set(names)
    if unknown:
        raise ValueError(f"{path!r} has no placeholder {', '.join(sorted(unknown))}")
    pattern = re.escape(parts[0])
    optional = 0
    for index, name in enumerate(names):
        after = parts[2 * index + 2]
        isLast = index == len(names) - 1
        requirement = requirements.get(name)
        if requirement is None:
            if not after and not isLast:
                raise ValueError(f"{path!r}: nothing parts {name} from the next placeholder")
            # What follows cannot be part of it, so the match never has to go back.
            requirement = "[^/" + re.escape(after[:1].replace("/", "")) + "]++"
        else:
            requirement = requirement.removeprefix("^").removesuffix("$")
        group = f"(?P<{name}>{requirement})"
        if name in defaults and _isTrailing(parts[2 * index + 2 :], defaults):
            # The slash before it may be missing with it, but for the one that begins the path.
            slash = ""
            if pattern.endswith("/") and len(pattern) > 1:
                pattern, slash = pattern[:-1], "/"
            pattern += f"(?:{slash}{group}"
            optional += 1
        else:
            pattern += group
        pattern += re.escape(after)
    pattern += ")?" * optional
    if isMount:
        pattern = f"(?P<_mount>{pattern.removesuffix('/')})(?:/.*+)?"
    return re.compile(pattern, re.DOTALL)


def _isTrailing(rest: Sequence[str], defaults: Mapping[str, str]) -> bool:
    """Whether nothing but slashes and placeholders with defaults follow."""
    return all(
        part in defaults if index % 2 else part.strip("/") == "" for index, part in enumerate(rest)
    )


class RouteCollection:
    r"""The routes in their order (``Symfony\Component\Routing\RouteCollection``).

    Example:
        >>> routes = RouteCollection()
        >>> routes.add("chat", Route("/chat", Router(routes)))
        >>> len(routes), [route.path for route in routes]
        (1, ['/chat'])
    """

    def __init__(self) -> None:
        self._routes: dict[str, Route] = {}

    def add(self, name: str, route: Route) -> None:
        """Add a route at the end; one that had the name is gone."""
        self._routes.pop(name, None)
        self._routes[name] = route

    def get(self, name: str) -> Route | None:
        """The route of that name."""
        return self._routes.get(name)

    def remove(self, name: str) -> None:
        """Take a route out, if it is there."""
        self._routes.pop(name, None)

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes.values())

    def __len__(self) -> int:
        return len(self._routes)


class Router(HttpServerInterface):
    r"""Hands each request to the first route that fits (``Ratchet\Http\Router``).

    A path or a host that no route has is answered with 404, a method with 405. The path is compared
    with its percent-encoding undone, and what placeholders stand for is in ``request.query``.

    Example:
        ::

            routes = RouteCollection()
            routes.add("chat", Route("/chat/{room}", WsServer(Chat())))
            routes.add("site", Route("/", File("www")))
            IoServer(HttpServer(Router(routes)))

    Attributes:
        routes: May be changed while the server runs.
    """

    def __init__(self, routes: RouteCollection) -> None:
        self.routes = routes
        self._controllers: dict[ConnectionInterface, HttpServerInterface] = {}
        self._refusals = RefusalLog(log)

    @property
    def serial(self) -> bool:  # type: ignore[override]
        """Whether any controller wants its messages one by one."""
        return any(route.controller.serial for route in self.routes)

    def onOpen(self, conn: ConnectionInterface, request: Request) -> object:
        """Find the route and open its controller."""
        controller = self._controllers[conn] = self._find(request)
        return controller.onOpen(conn, request)

    def onMessage(self, conn: ConnectionInterface, msg: bytes) -> object:
        """Pass on to the connection's controller."""
        return self._controllers[conn].onMessage(conn, msg)

    def onClose(self, conn: ConnectionInterface) -> object:
        """Pass on to the connection's controller, if it has one."""
        controller = self._controllers.pop(conn, None)
        return None if controller is None else controller.onClose(conn)

    def onError(self, conn: ConnectionInterface, exc: Exception) -> object:
        """Pass on to the connection's controller; without one, answer 500."""
        controller = self._controllers.get(conn)
        if controller is not None:
            return controller.onError(conn, exc)
        log.failure("a request could not be routed", Failure(exc))
        refuse(conn, HttpError(500, "internal server error"))
        return None

    def _find(self, request: Request) -> HttpServerInterface:
        method, path = request.method, request.path
        allowed: list[str] = []
        otherHosts: list[str] = []
        for route in self.routes:
            if route.host is not None and route.host != request.host:
                if route.match(path) is not None:
                    otherHosts.append(route.host)
            elif route.methods is not None and method not in route.methods:
                if route.match(path) is not None:
                    allowed += (name for name in route.methods if name not in allowed)
            elif route.matchRequest(request):
                return route.controller
        if allowed:
            raise HttpError(405, "method not allowed", {"Allow": ", ".join(allowed)})
        self._logNotFound(request.host, path, otherHosts)
        raise HttpError(404, "not found")

    def _logNotFound(self, host: str, path: str, otherHosts: list[str]) -> None:
        if otherHosts:
            self._refusals.warn(
                host,
                "404: {path!r} is served on {hosts}, not on {host!r}; "
                "httpHost (--host) says on which host a route is served",
                path=path,
                hosts=", ".join(sorted(set(otherHosts))),
                host=host,
            )
        else:
            self._refusals.warn(
                (host, path),
                "404: no route for {path!r} (host {host!r}); App.route (--route) adds one",
                path=path,
                host=host,
            )
