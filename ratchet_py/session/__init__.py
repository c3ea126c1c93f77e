r"""The sessions of a site that is there already, as in Ratchet's namespace ``Session``.

``SessionProvider`` stands below ``WsServer`` and gives each client the session that the site knows
it by. Where the site keeps them, a handler knows; how they are found and read, one of
``PhpSessions`` (also Symfony's), ``LaravelSessions``, ``DjangoSessions``, ``DjangoCookieSessions``
and ``FlaskSessions``. Redis needs the extra ``ratchet_py[redis]``, Django and Flask
``ratchet_py[sessions]``.
"""

from ratchet_py.session.django_sessions import DjangoCookieSessions, DjangoSessions
from ratchet_py.session.flask_sessions import FlaskSessions
from ratchet_py.session.handlers.laravel_handlers import (
    LaravelDatabaseSessionHandler,
    LaravelFileSessionHandler,
)
from ratchet_py.session.handlers.memcached_session_handler import MemcachedSessionHandler
from ratchet_py.session.handlers.native_file_session_handler import NativeFileSessionHandler
from ratchet_py.session.handlers.pdo_session_handler import PdoSessionHandler
from ratchet_py.session.handlers.redis_session_handler import RedisSessionHandler
from ratchet_py.session.interfaces import SessionHandlerInterface, SessionsInterface
from ratchet_py.session.laravel_sessions import LaravelSessions
from ratchet_py.session.php_sessions import PhpSessions
from ratchet_py.session.serialize.interfaces import MalformedSession
from ratchet_py.session.session import Session
from ratchet_py.session.session_provider import SessionProvider

__all__ = [
    "DjangoCookieSessions",
    "DjangoSessions",
    "FlaskSessions",
    "LaravelDatabaseSessionHandler",
    "LaravelFileSessionHandler",
    "LaravelSessions",
    "MalformedSession",
    "MemcachedSessionHandler",
    "NativeFileSessionHandler",
    "PdoSessionHandler",
    "PhpSessions",
    "RedisSessionHandler",
    "Session",
    "SessionHandlerInterface",
    "SessionProvider",
    "SessionsInterface",
]
