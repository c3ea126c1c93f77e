"""Sessions of PHP's own, and those that Symfony keeps in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from twisted.internet.defer import Deferred

from ratchet_py.errors import LocalError
from ratchet_py.session.interfaces import SessionHandlerInterface, SessionsInterface
from ratchet_py.session.serialize.interfaces import HandlerInterface, MalformedSession
from ratchet_py.session.serialize.php_binary_handler import PhpBinaryHandler
from ratchet_py.session.serialize.php_handler import PhpHandler
from ratchet_py.session.serialize.php_serialize_handler import PhpSerializeHandler
from ratchet_py.session.session import Session
from ratchet_py.session.stored import readFrom

__all__ = ["PhpSessions"]

_ID = re.compile(r"[A-Za-z0-9,-]{1,256}")
_SERIALIZERS: dict[str, type[HandlerInterface]] = {
    "php": PhpHandler,
    "php_binary": PhpBinaryHandler,
    "php_serialize": PhpSerializeHandler,
}


class PhpSessions(SessionsInterface):
    """The sessions of a site in PHP, with or without Symfony.

    If it is Symfony's, the attributes are those that Symfony's ``Session`` has, and the rest is in
    ``data``; else they are ``$_SESSION``.

    An id has 1 to 256 letters, digits, commas and dashes, as PHP takes them; another one finds no
    session and touches no store.

    Args:
        handler: Where they are kept.
        name: PHP's ``session.name``.
        serializer: PHP's ``session.serialize_handler``.
    """

    def __init__(
        self,
        handler: SessionHandlerInterface,
        name: str = "PHPSESSID",
        serializer: HandlerInterface | None = None,
    ) -> None:
        self.name = name
        self._handler = handler
        self._serializer = PhpHandler() if serializer is None else serializer

    @classmethod
    def withOptions(
        cls,
        handler: SessionHandlerInterface,
        options: Mapping[str, Any],
        serializer: HandlerInterface | None = None,
    ) -> PhpSessions:
        """Make them of options as Ratchet's ``SessionProvider`` has them.

        Args:
            handler: Where they are kept.
            options: ``name`` and ``serialize_handler``; ``auto_start`` is always on.
            serializer: The format, instead of ``serialize_handler``.

        Raises:
            LocalError: There is another option, or no such format.
        """
        unknown = options.keys() - {"auto_start", "name", "serialize_handler"}
        if unknown:
            raise LocalError(
                f"options that mean nothing to who only reads: {', '.join(sorted(unknown))}"
            )
        if serializer is None:
            format = str(options.get("serialize_handler", "php"))
            if format not in _SERIALIZERS:
                raise LocalError(f"serialize_handler is one of {', '.join(_SERIALIZERS)}: {format}")
            serializer = _SERIALIZERS[format]()
        return cls(handler, str(options.get("name", "PHPSESSID")), serializer)

    def find(self, cookie: str) -> Deferred[Session | None] | None:
        """The session of that id."""
        id = unquote(cookie)
        if _ID.fullmatch(id) is None:
            return None
        return readFrom(self._handler, id, self._session)

    def _session(self, raw: bytes, id: str) -> Session:
        data = attributes = self._serializer.unserialize(raw)
        # Symfony leaves out a bag that is empty.
        if "_sf2_attributes" in data or "_sf2_meta" in data:
            bag = data.get("_sf2_attributes", [])
            attributes = dict(enumerate(bag)) if isinstance(bag, list) else bag
            if not isinstance(attributes, dict):
                raise MalformedSession("the attributes are no array")
        return Session(attributes, id, self.name, data)
