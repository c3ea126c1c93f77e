r"""PHP's formats of sessions, read and never written (``Ratchet\Session\Serialize``).

Each of them is named as ``session.serialize_handler`` names it. What they are made of,
:func:`unserialize` reads alone.
"""

from ratchet_py.session.serialize.interfaces import HandlerInterface, MalformedSession
from ratchet_py.session.serialize.php_binary_handler import PhpBinaryHandler
from ratchet_py.session.serialize.php_handler import PhpHandler
from ratchet_py.session.serialize.php_object import PhpObject
from ratchet_py.session.serialize.php_serialize_handler import PhpSerializeHandler
from ratchet_py.session.serialize.unserialize import unserialize

__all__ = [
    "HandlerInterface",
    "MalformedSession",
    "PhpBinaryHandler",
    "PhpHandler",
    "PhpObject",
    "PhpSerializeHandler",
    "unserialize",
]
