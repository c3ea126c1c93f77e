"""The three ways to expand a CURIE, ``name:rest``, into the URI that it is short for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ratchet_py.errors import LocalError

__all__ = ["Rule", "auto", "ratchet", "rule", "spec"]

Rule = Callable[[str, Mapping[str, str]], str]

_SEPARATORS = ("#", "/", ":", "?", "=")


def spec(uri: str, prefixes: Mapping[str, str]) -> str:
    """Join base and rest as they are, as the specification and its clients do.

    Example:
        >>> spec("ex:news", {"ex": "http://example.com/"})
        'http://example.com/news'
    """
    name, colon, rest = uri.partition(":")
    base = prefixes.get(name) if colon else None
    return uri if base is None else base + rest


def ratchet(uri: str, prefixes: Mapping[str, str]) -> str:
    """Join them with ``#``, losing what follows a second colon, as Ratchet does.

    Example:
        >>> ratchet("ex:news:today", {"ex": "http://example.com"})
        'http://example.com#news'
    """
    if "http://" in uri or "https://" in uri:
        return uri
    name, *rest = uri.split(":")
    base = prefixes.get(name) if rest else None
    return uri if base is None else f"{base}#{rest[0]}"


def auto(uri: str, prefixes: Mapping[str, str]) -> str:
    """Join as :func:`spec` if the base ends in a separator, else with ``#`` as Ratchet does.

    Example:
        >>> auto("ex:news", {"ex": "http://example.com/"})
        'http://example.com/news'
        >>> auto("ex:news", {"ex": "http://example.com"})
        'http://example.com#news'
    """
    name, colon, rest = uri.partition(":")
    base = prefixes.get(name) if colon else None
    if base is None:
        return uri
    return base + rest if base.endswith(_SEPARATORS) else f"{base}#{rest}"


_RULES: Mapping[str, Rule] = {"auto": auto, "spec": spec, "ratchet": ratchet}


def rule(name: str) -> Rule:
    """The rule of that name.

    Raises:
        LocalError: There is none.
    """
    try:
        return _RULES[name]
    except KeyError:
        raise LocalError(f"curie is one of {', '.join(_RULES)}, not {name!r}") from None
