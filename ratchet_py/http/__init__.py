r"""HTTP: from bytes to requests, and from a request to the component that serves it.

The namespace ``Ratchet\Http``: ``HttpServer`` reads the head of a request, ``Router`` finds who
serves it, ``OriginCheck`` keeps other sites' pages out. A ``twisted.web`` resource can be a route's
controller, too.
"""

from ratchet_py.http.http_server import HttpServer
from ratchet_py.http.interfaces import HttpServerInterface
from ratchet_py.http.origin_check import SAME_HOST, OriginCheck
from ratchet_py.http.request import Headers, Request, Uri
from ratchet_py.http.request_parser import RequestParser
from ratchet_py.http.resource import ResourceController
from ratchet_py.http.response import refuse, response
from ratchet_py.http.router import Route, RouteCollection, Router
from ratchet_py.http.trusted_proxies import TrustedProxies

__all__ = [
    "SAME_HOST",
    "Headers",
    "HttpServer",
    "HttpServerInterface",
    "OriginCheck",
    "Request",
    "RequestParser",
    "ResourceController",
    "Route",
    "RouteCollection",
    "Router",
    "TrustedProxies",
    "Uri",
    "refuse",
    "response",
]
