"""PHP's format of sessions that is one serialized array."""

from __future__ import annotations

from typing import Any

from ratchet_py.session.serialize.interfaces import HandlerInterface, MalformedSession
from ratchet_py.session.serialize.unserialize import unserialize

__all__ = ["PhpSerializeHandler"]


class PhpSerializeHandler(HandlerInterface):
    """``session.serialize_handler = php_serialize``: ``serialize($_SESSION)``; Ratchet has none.

    Example:
        >>> PhpSerializeHandler().unserialize(b'a:1:{s:4:"name";s:3:"Ann";}')
        {'name': 'Ann'}
    """

    def unserialize(self, raw: bytes) -> dict[Any, Any]:
        """Read a session.

        Raises:
            MalformedSession: It is not in this format.
        """
        variables = unserialize(raw) if raw else {}
        if isinstance(variables, list):
            return dict(enumerate(variables))
        if not isinstance(variables, dict):
            raise MalformedSession("no array")
        return variables
