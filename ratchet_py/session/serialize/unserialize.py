"""What PHP's ``serialize`` has written.

PyPI's ``phpserialize`` is of 2012, knows no references, enumerations or objects that write their
own form, and recurses as deep as its input tells it to; so this is our own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ratchet_py.session.serialize.interfaces import MalformedSession
from ratchet_py.session.serialize.php_object import PhpObject

__all__ = ["MAX_DEPTH", "Reader", "text", "unserialize"]

MAX_DEPTH = 200
"""How deep arrays and objects may nest."""

_SCALAR = re.compile(
    rb"(?:N|b:([01])|i:([+-]?[0-9]{1,20})"
    rb"|d:([+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?"
    rb"|NAN|-?INF));"
)
_REFERENCE = re.compile(rb"[Rr]:([0-9]{1,10});")
_STRING = re.compile(rb's:([0-9]{1,10}):"')
_ARRAY = re.compile(rb"a:([0-9]{1,10}):\{")
_CLASS = re.compile(rb'[OCE]:([0-9]{1,10}):"')
_SIZE = re.compile(rb":([0-9]{1,10}):\{")


def text(data: bytes) -> str | bytes:
    """A string of PHP's: ``str`` if it is UTF-8, else the ``bytes``."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def unserialize(data: str | bytes) -> Any:
    r"""Read what PHP's ``serialize`` has written.

    An array is what ``json_encode`` would make of it: a list if its keys are 0, 1, 2 and so on (the
    empty one is a list), else a dict; one that contains itself is always a dict. A string is a
    ``str`` if it is UTF-8, else ``bytes``. An object or an enumeration is a
    :class:`~ratchet_py.session.serialize.PhpObject`.

    Args:
        data: The whole of it. Text within a session, such as Symfony's security token, is a
            ``str`` there; it is taken for UTF-8.

    Raises:
        MalformedSession: It is something else, or nests deeper than 200.

    Example:
        >>> unserialize(b'a:2:{s:4:"name";s:3:"Ann";s:5:"roles";a:1:{i:0;s:5:"admin";}}')
        {'name': 'Ann', 'roles': ['admin']}
    """
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    reader = Reader(data)
    value = reader.value()
    if reader.at != len(data):
        raise MalformedSession(f"something follows the value, at {reader.at}")
    return value


class Reader:
    """Reads values one after the other; those before count for references.

    Args:
        data: What to read from.

    Attributes:
        at: Where the next value begins.
    """

    def __init__(self, data: bytes) -> None:
        self.at = 0
        self._data = data
        # Every value in the order in which PHP counts them; references are numbers, from 1.
        self._values: list[Any] = []
        # The places of those that have been referred to.
        self._referred: set[int] = set()
        # How many of them are counted as PHP does; None if all are.
        self._certain: int | None = None

    def value(self, depth: int = 0) -> Any:
        """The next value.

        Raises:
            MalformedSession: There is none.
        """
        found = _SCALAR.match(self._data, self.at)
        if found is not None:
            self.at = found.end()
            return self._keep(_scalar(found))
        kind = self._data[self.at : self.at + 1]
        if kind == b"s":
            return self._keep(text(self._string(_STRING, b'";')))
        if depth >= MAX_DEPTH:
            raise MalformedSession(f"it nests deeper than {MAX_DEPTH}")
        read = _COMPOUND.get(kind)
        if read is None:
            raise self._fault("no value")
        return read(self, depth)

    def _keep(self, value: Any) -> Any:
        self._values.append(value)
        return value

    def _match(self, pattern: re.Pattern[bytes]) -> int:
        found = pattern.match(self._data, self.at)
        if found is None:
            raise self._fault("no value")
        self.at = found.end()
        return int(found[1])

    def _string(self, opening: re.Pattern[bytes], closing: bytes) -> bytes:
        end = self._match(opening)
        end += self.at
        string = self._data[self.at : end]
        self.at = end
        self._expect(closing)
        return string

    def _expect(self, literal: bytes) -> None:
        if not self._data.startswith(literal, self.at):
            raise self._fault(f"no {literal.decode()}")
        self.at += len(literal)

    def _reference(self, depth: int) -> Any:
        isAlias = self._data[self.at] == ord("R")
        number = self._match(_REFERENCE)
        certain = len(self._values) if self._certain is None else self._certain
        if not 0 < number <= certain:
            raise self._fault("a reference to nothing that is known")
        self._referred.add(number - 1)
        value = self._values[number - 1]
        # PHP counts another name of one object, but not another name of one variable.
        return value if isAlias else self._keep(value)

    def _array(self, depth: int) -> Any:
        place = len(self._values)
        items: dict[Any, Any] = self._keep({})
        self._readItems(items, self._match(_ARRAY), depth)
        # Whatever has referred to it until now, from within, has got the dict.
        if place in self._referred or any(key != index for index, key in enumerate(items)):
            return items
        value = self._values[place] = list(items.values())
        return value

    def _object(self, depth: int) -> PhpObject:
        className = self._className()
        properties: dict[Any, Any] = {}
        record: PhpObject = self._keep(PhpObject(className, properties))
        own = f"\0{className}\0"
        items: dict[Any, Any] = {}
        self._readItems(items, self._match(_SIZE), depth)
        for name, value in items.items():
            # The names that are not public: NUL, the class or an asterisk, NUL, the name.
            if not isinstance(name, str) or not name.startswith("\0"):
                properties[name] = value
            elif name.startswith((own, "\0*\0")):
                properties[name.rpartition("\0")[2]] = value
            else:
                properties.setdefault(name.rpartition("\0")[2], value)
        return record

    def _custom(self, depth: int) -> PhpObject:
        className = self._className()
        size = self._match(_SIZE)
        data = self._data[self.at : self.at + size]
        self.at += size
        self._expect(b"}")
        record: PhpObject = self._keep(PhpObject(className, {}, data))
        self._countWithin(data, depth)
        return record

    def _countWithin(self, data: bytes, depth: int) -> None:
        """Count what a class has put into its own form.

        Most call ``serialize`` themselves, and PHP goes on counting there.
        """
        count = len(self._values)
        outer = self._data, self.at
        self._data, self.at = data, 0
        try:
            while self.at < len(data):
                self.value(depth + 1)
            isCounted = True
        except MalformedSession:
            isCounted = False
        self._data, self.at = outer
        if not isCounted:
            self._referred.difference_update(range(count, len(self._values)))
            del self._values[count:]
            self._certain = count if self._certain is None else min(self._certain, count)

    def _enumeration(self, depth: int) -> PhpObject:
        className, colon, case = str(text(self._string(_CLASS, b'";'))).rpartition(":")
        if not colon:
            raise self._fault("an enumeration without a case")
        record: PhpObject = self._keep(PhpObject(className, {"name": case}))
        return record

    def _className(self) -> str:
        return self._string(_CLASS, b'"').decode("utf-8", "backslashreplace")

    def _readItems(self, items: dict[Any, Any], count: int, depth: int) -> None:
        for _ in range(count):
            kind = self._data[self.at : self.at + 1]
            if kind == b"s":
                key: Any = text(self._string(_STRING, b'";'))
            else:
                found = _SCALAR.match(self._data, self.at) if kind == b"i" else None
                if found is None:
                    raise self._fault("no key")
                self.at = found.end()
                key = int(found[2])
            items[key] = self.value(depth + 1)
        self._expect(b"}")

    def _fault(self, what: str) -> MalformedSession:
        return MalformedSession(f"{what}, at {self.at}")


_COMPOUND: dict[bytes, Callable[[Reader, int], Any]] = {
    b"a": Reader._array,
    b"O": Reader._object,
    b"C": Reader._custom,
    b"E": Reader._enumeration,
    b"R": Reader._reference,
    b"r": Reader._reference,
}


def _scalar(found: re.Match[bytes]) -> Any:
    flag, integer, number = found.groups()
    if integer is not None:
        return int(integer)
    if flag is not None:
        return flag == b"1"
    return None if number is None else float(number)
