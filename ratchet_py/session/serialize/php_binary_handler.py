r"""PHP's binary format of sessions (``Ratchet\Session\Serialize\PhpBinaryHandler``)."""

from __future__ import annotations

from typing import Any

from ratchet_py.session.serialize.interfaces import HandlerInterface
from ratchet_py.session.serialize.unserialize import Reader, text

__all__ = ["PhpBinaryHandler"]


class PhpBinaryHandler(HandlerInterface):
    r"""``session.serialize_handler = php_binary``: a name's length in a byte, the name, the value.

    Example:
        >>> PhpBinaryHandler().unserialize(b'\x04names:3:"Ann";')
        {'name': 'Ann'}
    """

    def unserialize(self, raw: bytes) -> dict[Any, Any]:
        """Read a session.

        Raises:
            MalformedSession: It is not in this format.
        """
        reader = Reader(raw)
        variables: dict[Any, Any] = {}
        while reader.at < len(raw):
            # The highest bit is not of the length: PHP 5 marked variables without a value by it.
            start = reader.at + 1
            reader.at = start + (raw[reader.at] & 0x7F)
            name = text(raw[start : reader.at])
            variables[name] = reader.value()
        return variables
