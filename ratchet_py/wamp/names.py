"""The names of topics, procedures and errors in both versions of WAMP."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from ratchet_py.errors import LocalError

__all__ = ["NameMap", "NamesInterface", "errorUri"]

_V1_ERRORS = "http://api.wamp.ws/error#"
_V2_ERRORS = {
    "generic": "wamp.error.runtime_error",
    "internal": "wamp.error.runtime_error",
    "NoSuchRPCEndpoint": "wamp.error.no_such_procedure",
    "no-such-authkey": "wamp.error.authentication_failed",
    "invalid-signature": "wamp.error.authentication_failed",
    "anonymous-auth-forbidden": "wamp.error.no_auth_method",
}


class NamesInterface(ABC):
    """Translates names, for an application whose version 2 clients use other names.

    The application sees one name of each topic, procedure and error, that of version 1.
    ``WampServer(app, names=...)`` takes one of these.
    """

    @abstractmethod
    def toV2(self, name: str) -> str:
        """The name that clients of version 2 use for one of the application's."""

    @abstractmethod
    def fromV2(self, name: str) -> str:
        """The application's name for one that a client of version 2 has used."""


class NameMap(NamesInterface):
    """Translates names by a table; what is not in it is the same in both versions.

    An entry is a name, or a beginning of names, which ends in ``*`` on both sides. Of several that
    fit, a whole name goes before a beginning, and a longer beginning before a shorter one.

    Example:
        >>> names = NameMap({
        ...     "http://example.com/simple#*": "com.example.simple.*",
        ...     "http://example.com/add": "com.example.add",
        ... })
        >>> names.toV2("http://example.com/simple#news")
        'com.example.simple.news'
        >>> names.fromV2("com.example.add")
        'http://example.com/add'
        >>> names.fromV2("something.else")
        'something.else'

    Args:
        table: By the application's name that of version 2.

    Raises:
        LocalError: Only one side ends in ``*``, or two names would become one.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        if len(set(table.values())) < len(table):
            raise LocalError("two names of the application have the same name in version 2")
        self._toV2 = _Table(table)
        self._fromV2 = _Table({theirs: ours for ours, theirs in table.items()})

    def toV2(self, name: str) -> str:
        """The name that clients of version 2 use."""
        return self._toV2.translate(name)

    def fromV2(self, name: str) -> str:
        """The application's name."""
        return self._fromV2.translate(name)


class _Table:
    """One direction."""

    __slots__ = ("_beginnings", "_names")

    def __init__(self, table: Mapping[str, str]) -> None:
        self._names: dict[str, str] = {}
        beginnings: list[tuple[str, str]] = []
        for source, target in table.items():
            if source.endswith("*") != target.endswith("*"):
                raise LocalError(f"{source!r} and {target!r}: both end in *, or neither")
            if source.endswith("*"):
                beginnings.append((source[:-1], target[:-1]))
            else:
                self._names[source] = target
        self._beginnings = sorted(beginnings, key=lambda entry: -len(entry[0]))

    def translate(self, name: str) -> str:
        found = self._names.get(name)
        if found is not None:
            return found
        for source, target in self._beginnings:
            if name.startswith(source):
                return target + name[len(source) :]
        return name


def errorUri(uri: str) -> str:
    """What version 2 calls an error of version 1's own; any other URI is the same.

    Example:
        >>> errorUri("http://api.wamp.ws/error#not-authorized")
        'wamp.error.not_authorized'
        >>> errorUri("http://api.wamp.ws/error#NoSuchRPCEndpoint")
        'wamp.error.no_such_procedure'
        >>> errorUri("http://example.com/error#full")
        'http://example.com/error#full'
    """
    if not uri.startswith(_V1_ERRORS):
        return uri
    name = uri[len(_V1_ERRORS) :]
    return _V2_ERRORS.get(name) or "wamp.error." + name.replace("-", "_")
