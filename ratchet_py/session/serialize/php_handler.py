r"""PHP's default format of sessions (``Ratchet\Session\Serialize\PhpHandler``)."""

from __future__ import annotations

from typing import Any

from ratchet_py.session.serialize.interfaces import HandlerInterface, MalformedSession
from ratchet_py.session.serialize.unserialize import Reader, text

__all__ = ["PhpHandler"]


class PhpHandler(HandlerInterface):
    r"""``session.serialize_handler = php``: ``name|value`` and so on.

    References reach from one variable to another, as in PHP and other than in Ratchet.

    Example:
        >>> PhpHandler().unserialize(b'name|s:3:"Ann";visits|i:7;')
        {'name': 'Ann', 'visits': 7}
    """

    def unserialize(self, raw: bytes) -> dict[Any, Any]:
        """Read a session.

        Raises:
            MalformedSession: It is not in this format.
        """
        reader = Reader(raw)
        variables: dict[Any, Any] = {}
        while reader.at < len(raw):
            end = raw.find(b"|", reader.at)
            if end < 0:
                raise MalformedSession(f"no name, at {reader.at}")
            name = text(raw[reader.at : end])
            reader.at = end + 1
            variables[name] = reader.value()
        return variables
