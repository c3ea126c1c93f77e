"""Who may do what: a rule for names of topics and procedures, and how a list of rules is read."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ["ACTIONS", "Action", "Match", "Rule", "permissions"]

Action: TypeAlias = Literal["call", "subscribe", "publish"]
"""What a client can ask for. Leaving a topic is always allowed."""

Match: TypeAlias = Literal["exact", "prefix", "wildcard", "glob"]
"""How a rule's ``uri`` is compared; see :class:`Rule`."""

ACTIONS: frozenset[Action] = frozenset({"call", "subscribe", "publish"})
"""All there are."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Allows some actions on some names to some users, or forbids them.

    How ``uri`` is compared with the full name of a topic or procedure, always with case:

    ``exact``
        They are the same.
    ``prefix``
        The name begins with it. End it with a separator, or ``com.shop`` takes ``com.shopping``.
    ``wildcard``
        Part for part between dots, where an empty part takes any one that is not empty:
        ``com..created`` takes ``com.order.created`` (WAMP version 2's own wildcard).
    ``glob``
        As file names in a shell: ``*`` takes any run of characters, also of separators and none,
        ``?`` any one, ``[abc]`` one of these.

    Example:
        >>> Rule("com.chat.", match="prefix", role="guest", actions={"subscribe"})
        Rule(uri='com.chat.', match='prefix', actions={'subscribe'}, role='guest')
        >>> rule = Rule("http://example.com/room/*/log", match="glob")
        >>> bool(rule.matches("http://example.com/room/blue/log"))
        True

    Attributes:
        uri: The name or pattern.
        match: How it is compared.
        actions: ``call``, ``subscribe``, ``publish``; all of them unless given.
        role: Whom it is for; everybody unless given. ``None`` cannot be a client's role where
            somebody must be authenticated.
        authid: Likewise, one user.
        allow: Whether it allows or forbids.
        matches: Whether it is about a name: a function of that name.

    Raises:
        ValueError: There is no such action, or no such way to match.
    """

    uri: str
    match: Match = "exact"
    actions: Collection[Action] = field(default=ACTIONS)
    role: str | None = None
    authid: str | None = None
    allow: bool = True
    matches: Callable[[str], object] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.actions, str) or not ACTIONS.issuperset(self.actions):
            raise ValueError(f"actions are some of {sorted(ACTIONS)}, not {self.actions!r}")
        matcher = _MATCHERS.get(self.match)
        if matcher is None:
            raise ValueError(f"there is no match {self.match!r}")
        object.__setattr__(self, "matches", matcher(self.uri))

    def __repr__(self) -> str:
        said = [f"uri={self.uri!r}"]
        if self.match != "exact":
            said.append(f"match={self.match!r}")
        if self.actions != ACTIONS:
            said.append(f"actions={{{', '.join(repr(each) for each in sorted(self.actions))}}}")
        said += [
            f"{name}={getattr(self, name)!r}"
            for name in ("role", "authid")
            if getattr(self, name) is not None
        ]
        if not self.allow:
            said.append("allow=False")
        return f"Rule({', '.join(said)})"

    def isFor(self, role: str | None, authid: str | None) -> bool:
        """Whether it is about a user."""
        return self.role in (None, role) and self.authid in (None, authid)


def _exact(uri: str) -> Callable[[str], object]:
    return uri.__eq__


def _prefix(uri: str) -> Callable[[str], object]:
    return lambda name: name.startswith(uri)


def _wildcard(uri: str) -> Callable[[str], object]:
    parts = (re.escape(part) if part else r"[^.]+" for part in uri.split("."))
    return re.compile(r"\.".join(parts)).fullmatch


def _glob(uri: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(uri)).fullmatch


_MATCHERS: dict[str, Callable[[str], Callable[[str], object]]] = {
    "exact": _exact,
    "prefix": _prefix,
    "wildcard": _wildcard,
    "glob": _glob,
}


def permissions(rules: Iterable[Rule]) -> dict[str, list[dict[str, object]]]:
    """Rules as version 1 tells a client its permissions; they bind nobody.

    What version 1 cannot say (wildcards, globs, prefixes of procedures) is left out.

    Example:
        >>> said = permissions([Rule("com.news", actions={"subscribe"}), Rule("com.add")])
        >>> said["pubsub"][0]
        {'uri': 'com.news', 'prefix': False, 'pub': False, 'sub': True}
        >>> said["rpc"]
        [{'uri': 'com.add', 'call': True}]
    """
    pubsub: list[dict[str, object]] = []
    rpc: list[dict[str, object]] = []
    for rule in rules:
        if rule.match not in ("exact", "prefix"):
            continue
        may = {action: rule.allow and action in rule.actions for action in ACTIONS}
        if rule.actions != {"call"}:
            pubsub.append(
                {
                    "uri": rule.uri,
                    "prefix": rule.match == "prefix",
                    "pub": may["publish"],
                    "sub": may["subscribe"],
                }
            )
        if rule.match == "exact" and "call" in rule.actions:
            rpc.append({"uri": rule.uri, "call": may["call"]})
    return {"pubsub": pubsub, "rpc": rpc}
