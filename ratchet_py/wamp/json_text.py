"""JSON that keeps every value as it is, or says that it cannot.

No single fast library does. Reading is msgspec's: it keeps integers beyond 64 bits (orjson makes
floats of them), and refuses ``NaN``, ``1e999`` and lone surrogates (the standard library and ujson
let them through). Writing is orjson's, as msgspec would take ``bytes``, sets and dates for
strings and lists. Both write ``NaN`` and infinity as ``null``, and orjson has no integers beyond 64
bits: wherever the one can be in doubt or the other occurs, the standard library writes, which is
exact and ten times slower.
"""

from __future__ import annotations

import re
from base64 import b64encode
from enum import Enum
from json import JSONEncoder
from typing import Any
from uuid import UUID

import msgspec
import orjson

from ratchet_py.errors import LocalError

__all__ = ["TooDeep", "decode", "encode"]

_read = msgspec.json.Decoder().decode

# Half of what may go to a client as the reason of a close (RFC 6455 section 5.5): a library's
# message can hold a path as long as the document is deep.
_REASON_LENGTH = 60

# Only to find the words for what the reader has refused: it calls this a truncated input.
_HALF_PAIR = re.compile(
    r"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]"
)


class TooDeep(ValueError):
    """A message nests deeper than ``Limits.jsonDepth``."""


def decode(text: str | bytes, maxDepth: int) -> Any:
    """Read one JSON value.

    Of the values of a repeated key the last one counts. Integers of up to 4,300 characters are
    kept, the bound of Python's own :func:`int`.

    Args:
        text: The text, or its UTF-8.
        maxDepth: How deep lists and objects may nest; ``[]`` is one level.

    Raises:
        ValueError: It is not JSON, nests deeper, or holds what no client could have meant: an
            infinite number, half a surrogate pair. The message names the fault in one short line.

    Example:
        >>> decode('[18446744073709551617, 1.0, {}]', 511)
        [18446744073709551617, 1.0, {}]
        >>> decode("[NaN]", 511)
        Traceback (most recent call last):
        ValueError: not JSON: JSON is malformed: invalid character (byte 1)
    """
    try:
        value = _read(text)
    except RecursionError:
        raise TooDeep("JSON nests too deep") from None
    except UnicodeError:
        raise ValueError("not JSON: invalid UTF-8") from None
    except ValueError as exc:
        fault = "half a surrogate pair" if _hasHalfPair(text) else str(exc)[:_REASON_LENGTH]
        raise ValueError(f"not JSON: {fault}") from None
    # Each level takes two characters, so most messages need no closer look.
    if len(text) > 2 * maxDepth and _nestsDeeper(text, value, maxDepth):
        raise TooDeep("JSON nests too deep")
    return value


def _hasHalfPair(text: str | bytes) -> bool:
    return _HALF_PAIR.search(text if isinstance(text, str) else text.decode("latin-1")) is not None


def _nestsDeeper(text: str | bytes, value: Any, maxDepth: int) -> bool:
    if _opened(text) <= maxDepth:
        return False
    level = [value]
    for _ in range(maxDepth):
        if not level:
            return False
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is list or type(inner) is dict
        ]
    return bool(level)


def _opened(text: str | bytes) -> int:
    if isinstance(text, str):
        return text.count("[") + text.count("{")
    return text.count(b"[") + text.count(b"{")


def encode(value: Any) -> str:
    r"""Write one JSON value, without spaces.

    Beyond what JSON has, it takes tuples, enumerations (their value), UUIDs (their text), numbers
    as keys, ``bytes`` (``"\u0000"`` and base64, as WAMP says), and whatever has a method
    ``jsonSerialize``, as in PHP.

    Raises:
        LocalError: The value holds ``NaN``, an infinity, half a surrogate pair, itself, or an
            object that has no form in JSON.

    Example:
        >>> encode({"a": (1, 2**64, 1.0)})
        '{"a":[1,18446744073709551616,1.0]}'
    """
    try:
        text = orjson.dumps(value, _plain, _OPTIONS).decode()
    except TypeError:
        return _encodeExactly(value)
    # Whether that is None, infinity, or part of a string, orjson does not tell.
    return _encodeExactly(value) if "null" in text else text


def _encodeExactly(value: Any) -> str:
    try:
        text = _write(value)
        text.encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise LocalError(f"not a JSON value: {exc}") from exc
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return "\0" + b64encode(value).decode()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    serialize = getattr(value, "jsonSerialize", None)
    if serialize is not None:
        return serialize()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


# What orjson would write and the standard library would not: both are to take the same values.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
_write = JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
).encode
