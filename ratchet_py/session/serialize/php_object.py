"""An object of PHP's, as a record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["PhpObject"]


class PhpObject(Mapping[Any, Any]):
    r"""What an object of PHP's had in it: a mapping from its properties to their values.

    Nothing is instantiated and nothing runs. Private and protected properties go by their plain
    names, as in PHP's source; of two with one name that of its own class counts, not a private one
    of a parent's. No encoder of JSON takes a record for a ``dict``, so an object's secrets do not
    leave by accident. Two records are equal only if they are the same.

    Example:
        >>> from ratchet_py.session.serialize import unserialize
        >>> user = unserialize('O:8:"App\\User":1:{s:4:"name";s:3:"Ann";}')
        >>> user.className, user["name"], "password" in user
        ('App\\User', 'Ann', False)

    Attributes:
        className: The name of its class. An enumeration has one property, ``name``.
        data: For a class that writes its own form (``Serializable``), those bytes: it has no
            properties then. Else None.
    """

    __slots__ = ("_properties", "className", "data")

    def __init__(
        self, className: str, properties: dict[Any, Any], data: bytes | None = None
    ) -> None:
        self.className = className
        self.data = data
        self._properties = properties

    def __getitem__(self, name: Any) -> Any:
        return self._properties[name]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._properties)

    def __len__(self) -> int:
        return len(self._properties)

    # Objects may refer to each other in circles.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<PhpObject {self.className} {list(self._properties)!r}>"
