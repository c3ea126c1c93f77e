"""Keeps other people's web pages away from what is meant for the operator."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from ratchet_py.errors import HttpError
from ratchet_py.http.request import Request
from ratchet_py.http.router import RouteCollection, Router
from ratchet_py.interfaces import ConnectionInterface

__all__ = ["LocalRouter"]


class LocalRouter(Router):
    """A router that a page of another site cannot reach through the operator's browser.

    A browser on the operator's machine reaches what listens on its loopback, and runs pages of
    strangers. Two checks keep those out, whatever the path:

    - The host that the request names is an IP address, ``localhost``, or one of ``hosts``. A
      stranger can have a name of theirs resolve to 127.0.0.1 (DNS rebinding), and then the browser
      takes this server for theirs; but it still names their host.
    - A request with an ``Origin`` comes from a page of this very host and port. Browsers send it
      with each WebSocket and with each request that changes something; other programs need none.

    Args:
        routes: The routes.
        hosts: Further names of this server.
    """

    def __init__(self, routes: RouteCollection, hosts: Iterable[str] = ()) -> None:
        super().__init__(routes)
        self._hosts = {"localhost", *(host.lower() for host in hosts)}

    def onOpen(self, conn: ConnectionInterface, request: Request) -> object:
        """Check, then find the route.

        Raises:
            HttpError: It is somebody else's page; or there is no such route.
        """
        if request.host not in self._hosts and not _isAddress(request.host):
            raise HttpError(403, "not served under this name; --admin-host allows one")
        origins = request.headers.getAll("Origin")
        own = (request.headers.get("Host") or "").lower()
        if any(origin.lower() not in (f"http://{own}", f"https://{own}") for origin in origins):
            raise HttpError(403, "origin not allowed")
        return super().onOpen(conn, request)


def _isAddress(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
