r"""WAMP, publish/subscribe and remote calls over WebSocket: ``Ratchet\Wamp``."""

from ratchet_py.errors import CallError, NotAuthorized
from ratchet_py.wamp.authentication import Authenticator
from ratchet_py.wamp.authorizer import Authorizer
from ratchet_py.wamp.component import Component
from ratchet_py.wamp.interfaces import WampServerInterface
from ratchet_py.wamp.names import NameMap, NamesInterface
from ratchet_py.wamp.payload import Params, Payload
from ratchet_py.wamp.rules import Rule
from ratchet_py.wamp.server_protocol import ServerProtocol
from ratchet_py.wamp.topic import Topic
from ratchet_py.wamp.topic_manager import TopicManager
from ratchet_py.wamp.users import AuthStore, CallableAuthStore, StaticAuthStore, User
from ratchet_py.wamp.wamp_connection import WampConnection
from ratchet_py.wamp.wamp_server import WampServer

__all__ = [
    "AuthStore",
    "Authenticator",
    "Authorizer",
    "CallError",
    "CallableAuthStore",
    "Component",
    "NameMap",
    "NamesInterface",
    "NotAuthorized",
    "Params",
    "Payload",
    "Rule",
    "ServerProtocol",
    "StaticAuthStore",
    "Topic",
    "TopicManager",
    "User",
    "WampConnection",
    "WampServer",
    "WampServerInterface",
]
