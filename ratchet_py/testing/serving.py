"""From whatever is to be tested to a client that speaks with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from twisted.internet.task import Clock

from ratchet_py.app import App
from ratchet_py.http.http_server import HttpServer
from ratchet_py.http.interfaces import HttpServerInterface
from ratchet_py.http.router import Router
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.server.io_server import IoServer
from ratchet_py.testing.failures import keepFailures
from ratchet_py.testing.raw_client import RawClient
from ratchet_py.testing.wamp2_client import SERIALIZERS, Wamp2Client
from ratchet_py.testing.wamp_client import WampClient
from ratchet_py.testing.web_socket_client import WebSocketClient
from ratchet_py.wamp.wamp_server import WampServer
from ratchet_py.websocket.ws_server import WsServer

__all__ = ["connect", "connectRaw"]


def connect(
    served: Any,
    path: str = "/",
    clock: Clock | None = None,
    limits: Limits = DEFAULT_LIMITS,
    *,
    raiseErrors: bool = True,
    subProtocols: Iterable[str] = (),
    **options: Any,
) -> Any:
    """Connect a client that speaks what is served.

    Args:
        served: An application, or a class of one, which is served as ``App.route`` would serve it;
            a component of any layer above the bytes (``WsServer``, ``OriginCheck``, ``Router``,
            ``HttpServer``, what is around that); a whole stack (:class:`~ratchet_py.App`,
            ``IoServer``) whose reactor is a clock; or the ``server`` of another client, to join it.
        path: Where the application is, or is to be; the client's may go on with a query.
        clock: The time of the stack; one is made if none is given.
        limits: The limits of a stack that is made here.
        raiseErrors: Whether what a callback raises is raised by what the client did to cause it,
            after ``onError`` has been called. False for the test of an ``onError``. An answer is no
            error: ``CallError``, ``NotAuthorized``, ``HttpError``. The first client of an
            ``IoServer`` decides for those that join it.
        subProtocols: What the client offers. If it is WAMP, the client speaks that version of it.
        options: What :class:`WebSocketClient` takes: ``headers``, ``address``; and for WAMP 2 what
            :class:`Wamp2Client` takes.

    Returns:
        A :class:`Wamp2Client` if it offers a form of WAMP 2 alone, a :class:`WampClient` for any
        other client of a WAMP application, else a :class:`WebSocketClient`.
    """
    server = _serve(served, path.partition("?")[0], clock, limits)
    keepFailures(server, raiseErrors, join=server is served)
    offered = [options.pop("subProtocol")] if "subProtocol" in options else list(subProtocols)
    if len(offered) == 1 and offered[0] in SERIALIZERS:
        return Wamp2Client(server, path, offered[0], **options)
    if offered == ["wamp"] or (not offered and _isWamp(server, path)):
        return WampClient(server, path, **options)
    return WebSocketClient(server, path, subProtocols=offered, **options)


def connectRaw(
    served: Any,
    clock: Clock | None = None,
    limits: Limits = DEFAULT_LIMITS,
    *,
    raiseErrors: bool = True,
    **options: Any,
) -> RawClient:
    """Connect a client that sends bytes to a component that takes bytes.

    Args:
        served: The component, or the ``server`` of another client.
        clock: The time of the stack; one is made if none is given.
        limits: The limits of a stack that is made here.
        raiseErrors: As in :func:`connect`.
        options: What :class:`RawClient` takes: ``address``.
    """
    joins = isinstance(served, IoServer)
    server = served if joins else IoServer(served, clock or Clock(), limits)
    keepFailures(server, raiseErrors, join=joins)
    return RawClient(server, **options)


def _serve(served: Any, path: str, clock: Clock | None, limits: Limits) -> IoServer:
    if isinstance(served, IoServer):
        return served
    if isinstance(served, App):
        if clock is not None or not isinstance(served.loop, Clock):
            served.server.loop = clock or Clock()
        return served.server
    if isinstance(served, type):
        served = served()
    if isinstance(served, HttpServerInterface):
        served = HttpServer(served, limits)
    if any(isinstance(layer, HttpServer) for layer in _layers(served, path)):
        return IoServer(served, clock or Clock(), limits)
    app = App(None, reactor=clock or Clock(), limits=limits)
    app.route(path, served, ["*"])
    return app.server


def _isWamp(server: IoServer, path: str) -> bool:
    layers = _layers(server, path.partition("?")[0])
    return any(isinstance(layer, WampServer) for layer in layers)


def _layers(component: Any, path: str) -> Iterator[Any]:
    """A component, and what is above it on the way to a path."""
    while component is not None:
        yield component
        if isinstance(component, IoServer):
            component = component.app
        elif isinstance(component, WsServer):
            component = component.delegate
        elif isinstance(component, Router):
            routes = (route for route in component.routes if route.match(path) is not None)
            component = next((route.controller for route in routes), None)
        else:
            component = getattr(component, "component", None)
