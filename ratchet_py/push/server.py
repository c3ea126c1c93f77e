"""A server of its own for pushes."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.web.resource import Resource

from ratchet_py.app import App
from ratchet_py.http.http_server import HttpServer
from ratchet_py.http.resource import ResourceController
from ratchet_py.http.router import Route, RouteCollection, Router
from ratchet_py.limits import Limits
from ratchet_py.push.credentials import PushCredentials
from ratchet_py.push.resource import PushResource
from ratchet_py.server.io_server import IoServer

__all__ = ["PushServer", "pushRoute"]


class PushServer:
    """Takes pushes at ``POST /publish`` on endpoints of its own.

    Example:
        ::

            app = App("ws.example.com", 8080, "0.0.0.0")
            app.route("/pubsub", MyPubSub())
            PushServer(app, PushCredentials(secret="...")).listen("tcp:9200:interface=10.0.0.5")
            app.run()

    Args:
        app: Whose topics.
        credentials: Who may push: who knows a random token, if not given.
        limits: See :class:`~ratchet_py.push.PushResource`.

    Attributes:
        token: The random token, or None.
        resource: What takes the pushes.
        server: The bottom of the stack; a Twisted factory, for a port that listens already.
    """

    def __init__(
        self,
        app: App,
        credentials: PushCredentials | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._app = app
        self.token: str | None = None
        if credentials is None:
            self.token = secrets.token_urlsafe(18)
            credentials = PushCredentials(self.token)
        # Who keeps a connection for the next push shall not hold up the end of the process.
        limits = replace(limits or app.limits, closeTimeout=1.0)
        self.resource = PushResource(app, credentials, limits)
        routes = RouteCollection()
        routes.add("publish", pushRoute(self.resource, limits))
        self.server = IoServer(HttpServer(Router(routes), limits), limits=limits)
        # What is refused before it is read counts where the rest does.
        self.server.tally.refused = app.server.tally.refused
        self.server.tally.exceeded = app.server.tally.exceeded

    def listen(self, *endpoints: str | IStreamServerEndpoint) -> Deferred[list[IListeningPort]]:
        """Start to listen.

        Args:
            endpoints: Where, as Twisted's endpoints or their strings.

        Returns:
            A Deferred of the ports. It fails if one cannot be opened.
        """
        self.server.loop = self._app.loop
        return self.server.listen(*endpoints)

    def close(self) -> Deferred[Any]:
        """Take no more pushes, answer those before, and close the connections."""
        return self.resource.stop().addCallback(lambda _: self.server.close())

    def abort(self) -> None:
        """Drop all connections now."""
        self.server.abort()


def pushRoute(resource: Resource, limits: Limits) -> Route:
    """For an admin endpoint, too: ``/publish``, where what is too large is not even read."""
    limits = replace(limits, messageSize=limits.pushSize)
    return Route("/publish", ResourceController(resource, limits))
