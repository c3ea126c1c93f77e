r"""How a publication is written where other processes read it: one JSON object in UTF-8.

========== ============================================================================
member     what
========== ============================================================================
`event`    any JSON value; bytes are ``"\u0000"`` and base64, as WAMP says
`args`     instead of `event`: the positional arguments of a ``Payload``, a list
`kwargs`   beside `args`: its keywords, an object
`exclude`  session ids that are not to get it, a list; may be absent
`eligible` the only session ids that are to get it, a list; absent or empty for everybody
`id`       the publication's id, from 1 to 2 to the power of 53; who leaves it out gives none
`node`     which node has published it. Nodes write it first; nobody else writes it
========== ============================================================================

Whatever else there is in the object is left alone.

Example:
    >>> encode(Publication("rain", exclude=["a1"], id=7), "node 1")
    b'{"node":"node 1","id":7,"event":"rain","exclude":["a1"]}'
    >>> decode(b'{"event": "sun"}')
    Publication(event='sun', exclude=[], eligible=[], id=0)
"""

from __future__ import annotations

from base64 import b64decode
from contextlib import suppress
from typing import Any

from ratchet_py.broker.interfaces import Publication
from ratchet_py.limits import DEFAULT_LIMITS
from ratchet_py.wamp import json_text
from ratchet_py.wamp.payload import Payload

__all__ = ["decode", "encode", "signature"]

# The envelope is a level of its own, and what was within a message may be within `args`.
_DEPTH = DEFAULT_LIMITS.jsonDepth + 2

_MAX_ID = 2**53


def signature(node: str) -> bytes:
    """What every envelope of a node begins with, and none of another node."""
    return f'{{"node":{json_text.encode(node)},'.encode()


def encode(publication: Publication, node: str) -> bytes:
    """Write a publication.

    Args:
        publication: What to write.
        node: Who publishes it.

    Raises:
        LocalError: The event has no form in JSON.
    """
    event = publication.event
    members: dict[str, Any] = {"node": node, "id": publication.id}
    if event.__class__ is Payload:
        members["args"] = event.args
        members["kwargs"] = event.kwargs
    else:
        members["event"] = event
    if publication.exclude:
        members["exclude"] = list(publication.exclude)
    if publication.eligible:
        members["eligible"] = list(publication.eligible)
    return json_text.encode(members).encode()


def decode(message: bytes) -> Publication:
    """Read a publication.

    Raises:
        ValueError: It is none; the message says why, in one short line.
    """
    members = json_text.decode(message, _DEPTH)
    if type(members) is not dict:
        raise ValueError("not an object")
    # Only so can there be a null character in JSON.
    if rb"\u0000" in message:
        _restoreBytes(members)
    exclude = members.get("exclude", [])
    eligible = members.get("eligible", [])
    if type(exclude) is not list or type(eligible) is not list:
        raise ValueError("exclude and eligible are lists")
    id = members.get("id", 0)
    if type(id) is not int or not 0 <= id <= _MAX_ID:
        raise ValueError("the id is not one")
    return Publication(_eventOf(members), exclude, eligible, id)


def _eventOf(members: dict[str, Any]) -> Any:
    if "event" in members:
        return members["event"]
    args, kwargs = members.get("args"), members.get("kwargs", {})
    if type(args) is not list or type(kwargs) is not dict:
        raise ValueError("no event")
    return Payload(args, kwargs)


def _restoreBytes(members: dict[str, Any]) -> None:
    # Not by recursion: what somebody publishes may be deeper than Python's stack.
    left: list[Any] = [members]
    while left:
        outer = left.pop()
        pairs = outer.items() if type(outer) is dict else enumerate(outer)
        for key, inner in pairs:
            kind = type(inner)
            if kind is list or kind is dict:
                left.append(inner)
            elif kind is str and inner.startswith("\0"):
                # A client of version 1 may say such a thing and mean nothing by it.
                with suppress(ValueError):
                    outer[key] = b64decode(inner[1:], validate=True)
