"""The command ``twistd ratchet``, also ``twist ratchet``: its options, and what they make."""

from __future__ import annotations

import os
import re
import runpy
import secrets
import sys
from functools import reduce
from importlib import import_module
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService
from twisted.internet.error import CannotListenError
from twisted.python.usage import Options as BaseOptions
from twisted.python.usage import UsageError

from ratchet_py import demo
from ratchet_py.app import App
from ratchet_py.broker.redis import RedisBroker
from ratchet_py.component import Component
from ratchet_py.errors import LocalError
from ratchet_py.http.http_server import HttpServer
from ratchet_py.interfaces import ComponentInterface
from ratchet_py.push.credentials import PushCredentials
from ratchet_py.push.server import PushServer
from ratchet_py.server.flash_policy import FlashPolicy
from ratchet_py.server.io_server import IoServer
from ratchet_py.service import RatchetService
from ratchet_py.workers import PUBLISH, Plan, SharedPush, Workers, checkEndpoint

if TYPE_CHECKING:
    from ratchet_py.admin import Admin

__all__ = ["Options", "makeService"]

# A file or a module, and a name in it. A Windows path has a colon, too, but no name after it.
_NAME = re.compile(r"(.*?)(?::([A-Za-z_][\w.]*))?")

_NOT_THE_OPERATORS = ("<", os.path.dirname(__file__), os.path.dirname(os.__file__))

# Between a parent and its workers.
_INTERNAL_ENDPOINT = "tcp:0:interface=127.0.0.1"

# A browser's localhost may be either; a machine without IPv6 has only the other.
_LOCALHOST_6 = "tcp6:8080:interface=\\:\\:1"


class Options(BaseOptions):
    """What can stand behind ``twistd ratchet``."""

    synopsis = "[options]"
    longdesc = (
        "Serve WebSocket and WAMP applications with Ratchet. "
        "Without --app and --route the demo is served: open its page in a browser."
    )
    optParameters = [
        [
            "app",
            "a",
            None,
            "What to serve: package.module:name, or a file. An App, a component, "
            "or a callable that returns one.",
        ],
        ["host", None, None, "The host that requests must name. [default: any]"],
        [
            "drain-seconds",
            None,
            None,
            "How long to wait for the clients at the end. [default: as the App says, or 9]",
            float,
        ],
        [
            "broker",
            None,
            None,
            "Where the topics of several processes meet: redis://HOST, rediss://HOST, "
            "unix:///PATH or redis+sentinel://HOST,HOST/MASTER. [default: they stay in the "
            "process]",
        ],
        [
            "workers",
            "w",
            1,
            "How many processes serve; more than one needs a broker.",
            int,
        ],
        [
            "admin",
            None,
            None,
            "An endpoint for the operator, such as tcp:9100:interface=127.0.0.1: /metrics, "
            "/healthz and a live page. [default: none]",
        ],
        [
            "admin-token",
            None,
            None,
            "What it takes to change something there. [default: random, see the log]",
        ],
        [
            "push",
            None,
            None,
            "An endpoint where other programs push events to topics, such as "
            "tcp:9200:interface=127.0.0.1: POST /publish. [default: none]",
        ],
        [
            "push-token",
            None,
            None,
            "What it takes to push, also at --admin. [default: random, see the log; "
            "at --admin its token]",
        ],
        ["push-secret", None, None, "What pushes are signed with, instead of a token."],
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["endpoints"] = []
        self["routes"] = []
        self["origins"] = []
        self["proxies"] = []
        self["admin-hosts"] = []

    def opt_listen(self, endpoint: str) -> None:
        """An endpoint to listen on; repeatable. [default: tcp:8080:interface=127.0.0.1]"""  # noqa: D415
        self["endpoints"].append(endpoint)

    def opt_route(self, route: str) -> None:
        """PATH=package.module:Class, an application at a path; repeatable."""
        path, _, name = route.partition("=")
        if not name or not path.startswith("/"):
            raise UsageError(f"--route {route}: it has the form /path=package.module:Class")
        self["routes"].append((path, name))

    def opt_origin(self, origin: str) -> None:
        """Whose pages may connect: a host, an origin, or *; repeatable. [default: our own]"""  # noqa: D415
        self["origins"].append(origin)

    def opt_admin_host(self, host: str) -> None:
        """A name under which the admin endpoint is reached, beyond localhost and IP addresses."""
        self["admin-hosts"].append(host)

    def opt_trusted_proxy(self, network: str) -> None:
        """Whose X-Forwarded-For counts: address, network, unix; repeatable. [default: none]"""  # noqa: D415
        self["proxies"].append(network)

    opt_l = opt_listen
    opt_r = opt_route

    def parseOptions(self, options: Any = None) -> None:
        """Read the command line.

        Raises:
            SystemExit: It cannot be followed; the message is one line.
        """
        try:
            super().parseOptions(options)  # type: ignore[no-untyped-call]
        except UsageError as exc:
            raise SystemExit(f"ratchet: {exc}; --help lists the options") from None

    def postOptions(self) -> None:
        """Check what does not go together.

        Raises:
            UsageError: An option cannot be followed.
        """
        if self["app"] is not None and self["routes"]:
            raise UsageError("--app and --route exclude each other: an App has its own routes")
        self._checkWorkers()
        if self["admin"] is None and (self["admin-token"] or self["admin-hosts"]):
            raise UsageError("--admin-token and --admin-host need --admin")
        seconds = self["drain-seconds"]
        if seconds is not None and not 0 <= seconds < float("inf"):
            raise UsageError(f"--drain-seconds {seconds}: it is a number of seconds from 0 on")
        if self["push"] is None and self["admin"] is None and _hasCredentials(self):
            raise UsageError("--push-token and --push-secret need --push or --admin")

    def _checkWorkers(self) -> None:
        if self["workers"] < 1:
            raise UsageError("--workers: at least 1")
        if self["workers"] > 1 and os.name != "posix":
            raise UsageError("--workers: this system cannot share sockets between processes")


def makeService(options: Options) -> IService:
    """Build what the options ask for (IServiceMaker).

    Raises:
        SystemExit: It cannot be built; the message is one line.
    """
    if os.getcwd() not in sys.path:
        # twistd, unlike python, does not look for modules in the current folder.
        sys.path.insert(0, os.getcwd())
    try:
        if options["workers"] > 1:
            return _workersOf(options)
        server = _connected(options)
        if options["drain-seconds"] is not None:
            bottom = server.server if isinstance(server, App) else server
            bottom.drainSeconds = options["drain-seconds"]
        _trust(server, options["proxies"])
        credentials = _credentialsOf(options)
        admin = None if options["admin"] is None else _adminOf(server, options, credentials)
        push = None if options["push"] is None else _pushOf(server, credentials)
        isDemo = not (options["app"] or options["routes"] or options["endpoints"])
        return RatchetService(
            server,
            options["endpoints"],
            admin,
            options["admin"] or "",
            [_LOCALHOST_6] if isDemo else (),
            push,
            options["push"] or "",
        )
    except UsageError as exc:
        raise SystemExit(f"ratchet: {exc}") from None


def _workersOf(options: Options) -> RatchetService:
    """The parent of several processes, each of which serves what the other options say."""
    count = options["workers"]
    given = {**options, "workers": 1, "admin": None, "admin-token": None, "admin-hosts": []}
    token = None
    if options["push"] is not None and not _hasCredentials(options):
        # One for all of them.
        token = given["push-token"] = secrets.token_urlsafe(18)
    try:
        for endpoint in filter(None, [*options["endpoints"], options["push"]]):
            checkEndpoint(endpoint)
        plan = Plan.ask(given)
    except LocalError as exc:
        raise UsageError(str(exc)) from None
    if not plan.isCarried:
        raise UsageError(
            f"--workers {count}: without a broker its topics would end at each process; "
            "--broker names one"
        )
    if options["admin"] is not None and plan.pushSize:
        plan.others[PUBLISH] = [_INTERNAL_ENDPOINT]
    workers = Workers(plan, count, given, isWatched=options["admin"] is not None)
    credentials = _credentialsOf(options)
    return RatchetService(
        workers,
        plan.clients,
        None if options["admin"] is None else _adminOf(workers, options, credentials),
        options["admin"] or "",
        plan.ifPossible,
        None if options["push"] is None else SharedPush(workers, token),
        options["push"] or "",
    )


def _connected(options: Options) -> App | IoServer:
    """The server, with its topics carried by what the options name."""
    broker = None if options["broker"] is None else _brokerOf(options["broker"])
    with App.lending(broker):
        server = _serverOf(options)
    if broker is not None and (not isinstance(server, App) or server.broker is not broker):
        raise UsageError("--broker: what is served says itself what carries its topics")
    return server


def _brokerOf(url: str) -> RedisBroker:
    try:
        return RedisBroker(url)
    except (ImportError, LocalError) as exc:
        raise UsageError(f"--broker: {exc}") from None


def _hasCredentials(options: Options) -> bool:
    return options["push-token"] is not None or options["push-secret"] is not None


def _credentialsOf(options: Options) -> PushCredentials | None:
    if not _hasCredentials(options):
        return None
    try:
        return PushCredentials(options["push-token"], options["push-secret"])
    except LocalError as exc:
        raise UsageError(f"--push-token, --push-secret: {exc}") from None


def _pushOf(server: App | IoServer, credentials: PushCredentials | None) -> PushServer:
    if not isinstance(server, App) or not server.wampPaths:
        raise UsageError("--push: there is no WAMP application in what is served")
    return PushServer(server, credentials)


def _adminOf(
    server: App | IoServer | Workers, options: Options, pushCredentials: PushCredentials | None
) -> Admin:
    try:
        # Here, because it needs an extra that most do not have.
        from ratchet_py.admin import Admin
        from ratchet_py.workers.figures import WorkersFigures
    except ImportError as exc:
        raise UsageError(f"--admin: {exc}; pip install 'ratchet_py[metrics]'") from None
    figures = WorkersFigures(server) if isinstance(server, Workers) else server
    return Admin(figures, options["admin-token"], options["admin-hosts"], pushCredentials)


def _trust(server: App | IoServer, proxies: list[str]) -> None:
    if not proxies:
        return
    thing: Any = server.server.app if isinstance(server, App) else server.app
    while thing is not None and not isinstance(thing, HttpServer):
        thing = getattr(thing, "component", None)
    if thing is None:
        raise UsageError("--trusted-proxy: there is no HTTP in what is served")
    try:
        thing.trustedProxies.add(proxies)
    except ValueError as exc:
        raise UsageError(f"--trusted-proxy: {exc}") from None


def _serverOf(options: Options) -> App | IoServer:
    if options["app"] is not None:
        return _serverNamed(options["app"], options)
    app = App(options["host"])
    for path, name in options["routes"]:
        _route(app, path, _load(name), name, options["origins"])
    if not options["routes"]:
        demo.mount(app, options["origins"])
    return app


def _serverNamed(name: str, options: Options) -> App | IoServer:
    thing = _load(name)
    if isinstance(thing, (App, IoServer)):
        if options["host"] is not None or options["origins"]:
            raise UsageError(f"{name}: an App says itself which hosts and origins it serves")
        return thing
    bottom = thing
    while isinstance(bottom, Component):
        bottom = bottom.component
    if isinstance(bottom, (HttpServer, FlashPolicy)):
        return IoServer(thing)
    app = App(options["host"])
    _route(app, "/", thing, name, options["origins"])
    return app


def _route(app: App, path: str, controller: Any, name: str, origins: list[str]) -> None:
    try:
        app.route(path, controller, origins)
    except (TypeError, ValueError) as exc:
        raise UsageError(f"{name}: {exc}") from None


def _load(name: str) -> Any:
    """The object that ``package.module:name``, a module or a file stands for.

    Raises:
        UsageError: There is no such thing, or its module fails.
    """
    place, attribute = _NAME.fullmatch(name).groups()  # type: ignore[union-attr]
    try:
        with App.marking() as marked:
            names = _namesOf(place)
            if attribute is not None:
                thing = _lookUp(names, attribute)
            elif marked:
                thing = marked[-1]
            else:
                thing = _onlyApp(names)
            if callable(thing) and not isinstance(thing, ComponentInterface):
                thing = thing()
    except (UsageError, CannotListenError) as exc:
        raise UsageError(f"{name}: {exc}") from None
    except Exception as exc:
        raise UsageError(f"{name}: {_inOneLine(exc)}") from None
    return thing


def _namesOf(place: str) -> dict[str, Any]:
    if place.endswith(".py") or os.path.isfile(place):
        if not os.path.isfile(place):
            raise UsageError("no such file")
        sys.path.insert(0, os.path.dirname(os.path.abspath(place)))
        return runpy.run_path(place, run_name="__main__")
    return vars(import_module(place))


def _lookUp(names: dict[str, Any], attribute: str) -> Any:
    first, *rest = attribute.split(".")
    if first not in names:
        raise UsageError(f"there is no {first} in it")
    return reduce(getattr, rest, names[first])


def _onlyApp(names: dict[str, Any]) -> Any:
    apps = {id(value): value for value in names.values() if isinstance(value, (App, IoServer))}
    if len(apps) != 1:
        found = "no App" if not apps else f"{len(apps)} Apps"
        raise UsageError(f"there is {found} in it; say which object to serve, as in module:name")
    return next(iter(apps.values()))


def _inOneLine(exc: Exception) -> str:
    """What went wrong, and in which line of the operator's own code."""
    where = ""
    for frame in extract_tb(exc.__traceback__):
        if not frame.filename.startswith(_NOT_THE_OPERATORS):
            where = f" ({frame.filename}, line {frame.lineno})"
    return f"{type(exc).__name__}: {' '.join(str(exc).split())}{where}"
