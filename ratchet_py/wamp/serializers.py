r"""The three forms in which version 2 of WAMP writes its messages: JSON, MessagePack and CBOR.

They hold the same values: what JSON has, and ``bytes``. Whatever else MessagePack and CBOR could
say (dates, sets, regular expressions, references, keys that are no text, ``NaN``) is refused in
both directions, so that an application need not know what its clients speak, and no client can
have us make objects of its choosing.

MessagePack is msgspec's: it reads and writes two to four times as fast as the ``msgpack`` package,
and does not trust the announced length of a list. CBOR is cbor2's, which Autobahn uses, too; every
tag but those of large integers and of JavaScript's bytes is switched off.
"""

from __future__ import annotations

import secrets
import sys
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Callable
from enum import Enum
from math import isfinite
from typing import Any, NoReturn
from uuid import UUID

import cbor2
import msgspec

from ratchet_py.errors import LocalError
from ratchet_py.wamp import json_text
from ratchet_py.websocket.interfaces import PreparedBytes, PreparedMessage

__all__ = ["Cbor", "Json", "MsgPack", "SerializerInterface"]

_SCALARS = frozenset({bool, bytes, int, str, type(None)})

_TOO_DEEP = "the message nests too deep"

# Half of what may go to a client as the reason of a close.
_REASON_LENGTH = 60

# Of the largest integer that json_text reads: 4,300 digits.
_INTEGER_BYTES = 1_785


class SerializerInterface(ABC):
    """One form of messages.

    Attributes:
        name: Its name in the subprotocol: ``json``, ``msgpack``, ``cbor``.
    """

    name: str

    @abstractmethod
    def decode(self, msg: str | bytes, maxDepth: int) -> Any:
        """Read one value.

        Args:
            msg: A message as it came in.
            maxDepth: How deep lists and maps may nest; ``[]`` is one level.

        Raises:
            ValueError: It is malformed, nests deeper, or is of the wrong kind, text or binary. The
                message names the fault in one short line.
        """

    @abstractmethod
    def encode(self, value: Any) -> Any:
        """Write one value.

        Raises:
            LocalError: It has no form.
        """

    @abstractmethod
    def prepare(self, value: Any) -> Any:
        """Write one value that goes to many clients.

        Raises:
            LocalError: It has no form.
        """


class Json(SerializerInterface):
    r"""JSON in text messages; bytes are ``"\u0000"`` and base64, as WAMP says.

    Example:
        >>> Json().encode([b"\x01\x02"])
        '["\\u0000AQI="]'
        >>> Json().decode('["\\u0000AQI="]', 511)
        [b'\x01\x02']
    """

    name = "json"

    def decode(self, msg: str | bytes, maxDepth: int) -> Any:
        """Read one value."""
        if type(msg) is not str:
            raise ValueError("a binary message, where JSON is text")
        value = json_text.decode(msg, maxDepth)
        # Only so can there be a null character in JSON.
        if r"\u0000" in msg and type(value) is list:
            _convert(value, str, _bytes)
        return value

    def encode(self, value: Any) -> str:
        """Write one value."""
        return json_text.encode(value)

    def prepare(self, value: Any) -> PreparedMessage:
        """Write one value that goes to many clients."""
        return PreparedMessage(json_text.encode(value))


class _Binary(SerializerInterface):
    """What the two have in common."""

    def decode(self, msg: str | bytes, maxDepth: int) -> Any:
        """Read one value."""
        if type(msg) is not bytes:
            raise ValueError("a text message, where a binary one is due")
        try:
            value = self._read(msg, maxDepth)
        except RecursionError:
            raise json_text.TooDeep(_TOO_DEEP) from None
        except Exception as exc:
            # Theirs are of many kinds; whatever it is, the client has sent it.
            fault = str(exc.__cause__ or exc)[:_REASON_LENGTH]
            # Only its words tell that cbor2 has counted the levels itself.
            kind = json_text.TooDeep if "nesting depth" in fault else ValueError
            raise kind(f"not {self.name}: {fault}") from None
        try:
            if type(value) not in _SCALARS:
                _check(value, maxDepth)
        except RecursionError:
            raise json_text.TooDeep(_TOO_DEEP) from None
        return value

    def encode(self, value: Any) -> bytes:
        """Write one value."""
        try:
            data = self._write(value)
        except Exception:
            plain = False
        else:
            # Of what is too deep, or contains itself, there is no data, so this ends.
            plain = _isPlain(value)
        if plain:
            return data
        try:
            return self._write(self._plain(value))
        except LocalError:
            raise
        except Exception as exc:
            raise LocalError(f"has no form in {self.name}: {exc}") from exc

    def prepare(self, value: Any) -> PreparedBytes:
        """Write one value that goes to many clients."""
        return PreparedBytes(self.encode(value))

    @abstractmethod
    def _read(self, msg: bytes, maxDepth: int) -> Any: ...

    @abstractmethod
    def _write(self, value: Any) -> bytes: ...

    def _plain(self, value: Any) -> Any:
        """The same value, of nothing but what there is in all forms."""
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, Enum):
            return self._plain(value.value)
        if isinstance(value, str):
            return str(value)
        if isinstance(value, int):
            return self._integer(int(value))
        if isinstance(value, float):
            if not isfinite(value):
                raise LocalError(f"{value} has no form in WAMP")
            return float(value)
        if isinstance(value, (bytes, bytearray)):
            return bytes(value)
        if isinstance(value, (list, tuple)):
            return [self._plain(each) for each in value]
        if isinstance(value, dict):
            return {_key(key): self._plain(each) for key, each in value.items()}
        if isinstance(value, UUID):
            return str(value)
        serialize = getattr(value, "jsonSerialize", None)
        if serialize is not None:
            return self._plain(serialize())
        raise LocalError(f"{type(value).__name__} has no form in WAMP")

    def _integer(self, value: int) -> Any:
        return value


class MsgPack(_Binary):
    """MessagePack in binary messages.

    It has no integers beyond 64 bits: larger ones go out as floating point numbers.

    Example:
        >>> MsgPack().encode([1, "a", b"b"]).hex()
        '9301a161c40162'
    """

    name = "msgpack"

    def __init__(self) -> None:
        self._decode = msgspec.msgpack.Decoder(ext_hook=_extension).decode
        self._encode = msgspec.msgpack.Encoder().encode

    def _read(self, msg: bytes, maxDepth: int) -> Any:
        return self._decode(msg)

    def _write(self, value: Any) -> bytes:
        return self._encode(value)

    def _integer(self, value: int) -> Any:
        return value if -(2**63) <= value < 2**64 else float(value)


class Cbor(_Binary):
    """CBOR (RFC 8949) in binary messages.

    Example:
        >>> Cbor().encode([1, "a", b"b"]).hex()
        '830161614162'
    """

    name = "cbor"

    def __init__(self) -> None:
        # cbor2 ignores what follows the first item. So the message is made the first of two in a
        # list, whose second is ours: if something stands between, ours is not the second.
        self._end = secrets.token_bytes(8)
        self._behind = cbor2.dumps(self._end)

    def _read(self, msg: bytes, maxDepth: int) -> Any:
        value, end = cbor2.loads(
            b"\x82" + msg + self._behind, semantic_decoders=_TAGS, max_depth=maxDepth + 1
        )
        if end != self._end:
            raise ValueError("more than one item")
        if b"\xf7" in msg and type(value) is list:
            # JavaScript's undefined, which in JSON is null.
            _convert(value, type(cbor2.undefined), lambda _: None)
        return value

    def _write(self, value: Any) -> bytes:
        return cbor2.dumps(value)


def _extension(code: int, data: memoryview) -> None:
    # How JavaScript's encoders write undefined, which in JSON is null.
    if code != 0 or bytes(data) != b"\0":
        raise ValueError(f"extension type {code}")


def _integer(content: object, immutable: bool) -> int:
    # Where JSON's integers end, too; see json_text.
    if type(content) is not bytes or len(content) > _INTEGER_BYTES:
        raise ValueError("no integer, or too large a one")
    return int.from_bytes(content, "big")


def _octets(content: object, immutable: bool) -> bytes:
    if type(content) is not bytes:
        raise ValueError("an array of bytes that holds none")
    return content


def _refuse(content: object, immutable: bool) -> NoReturn:
    raise ValueError("a tag")


class _Tags(dict[int, Callable[[Any, bool], Any]]):
    """Whatever tags cbor2 knows or may learn, but integers beyond 64 bits and arrays of bytes."""

    def __missing__(self, tag: int) -> Callable[[Any, bool], Any]:
        return _refuse


_TAGS = _Tags(
    {
        2: _integer,
        3: lambda content, immutable: -1 - _integer(content, immutable),
        # JavaScript's encoders write its Uint8Array and Uint8ClampedArray so (RFC 8746).
        64: _octets,
        68: _octets,
    }
)


def _check(value: Any, levels: int) -> None:
    """See that a value that is no scalar holds only what all forms have.

    Every message goes through here: the kinds are looked at before the call, and nothing is made.

    Args:
        value: The value.
        levels: How deep it may nest.
    """
    kind = type(value)
    if kind is dict:
        for key in value:
            if type(key) is not str:
                raise ValueError("a key that is no text")
        members = value.values()
    elif kind is list:
        members = value
    elif kind is not float:
        raise ValueError(f"a value that JSON has not: {kind.__name__}")
    elif isfinite(value):
        return
    else:
        raise ValueError("a number that is not finite")
    if not levels:
        raise json_text.TooDeep(_TOO_DEEP)
    for member in members:
        if type(member) not in _SCALARS:
            _check(member, levels - 1)


def _isPlain(value: Any) -> bool:
    try:
        if type(value) not in _SCALARS:
            _check(value, sys.maxsize)
    except (ValueError, RecursionError):
        return False
    return True


def _key(key: Any) -> str:
    """As in JSON, where a number may be a key."""
    if isinstance(key, str):
        return str(key)
    if isinstance(key, (bool, int, float)) or key is None:
        return json_text.encode(key)
    raise LocalError(f"a key of type {type(key).__name__} has no form in WAMP")


def _convert(message: Any, kind: type, convert: Callable[[Any], Any]) -> None:
    """Replace each member of a kind, in place."""
    todo = [message]
    while todo:
        outer = todo.pop()
        for key, member in enumerate(outer) if type(outer) is list else list(outer.items()):
            if type(member) is kind:
                outer[key] = convert(member)
            elif type(member) is list or type(member) is dict:
                todo.append(member)


def _bytes(text: str) -> bytes | str:
    if not text.startswith("\0"):
        return text
    try:
        return b64decode(text[1:], validate=True)
    except ValueError:
        return text
