"""Users, what proves them, and who knows them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from abc import ABC, abstractmethod
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autobahn.wamp.auth import derive_key

from ratchet_py.dispatch import toDeferred
from ratchet_py.wamp.rules import Rule

__all__ = [
    "Accepted",
    "AuthStore",
    "CallableAuthStore",
    "StaticAuthStore",
    "User",
    "digest",
    "isSame",
]

_ITERATIONS = 10_000
_KEYLEN = 32


@dataclass(frozen=True, slots=True)
class Accepted:
    """The client is who it says it is, or may stay unknown.

    Attributes:
        authid: Names the user; None for an anonymous one.
        role: What he is.
        method: How it was proved: ``anonymous``, ``ticket``, ``wampcra``; ``http`` if the
            ``authenticate`` hook of ``WsServer`` has let a :class:`User` in.
        permissions: Rules for this user alone.
        extra: For version 2's WELCOME.
    """

    authid: str | None
    role: str
    method: str
    permissions: Sequence[Rule] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may come in, and what proves that it is he.

    Example:
        >>> User("joe", secret="geheim", role="frontend").role
        'frontend'
        >>> User.salted("ann", "a password").iterations
        10000

    Attributes:
        authid: Names the user.
        role: What he is, for rules; see :class:`~ratchet_py.wamp.Authorizer`.
        secret: The key of WAMP-CRA: a password, or if there is a ``salt`` the base64 text that was
            derived from one. None: he cannot come in that way.
        ticket: The ticket of version 2's method ``ticket``; None: likewise.
        salt: What was mixed into the key, or None if ``secret`` is the password itself.
        iterations: Of PBKDF2, if there is a salt.
        keylen: Bytes of the derived key, if there is a salt.
        permissions: Rules for this user alone; they go before the Authorizer's own.
        extra: Told to a client of version 2 in its WELCOME (``authextra``).
    """

    authid: str
    role: str = "user"
    secret: str | bytes | None = field(default=None, repr=False, kw_only=True)
    ticket: str | None = field(default=None, repr=False, kw_only=True)
    salt: str | None = field(default=None, repr=False, kw_only=True)
    iterations: int = field(default=_ITERATIONS, repr=False, kw_only=True)
    keylen: int = field(default=_KEYLEN, repr=False, kw_only=True)
    permissions: Sequence[Rule] = field(default=(), repr=False, kw_only=True)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, kw_only=True)

    @classmethod
    def salted(
        cls,
        authid: str,
        password: str,
        role: str = "user",
        *,
        salt: str | None = None,
        iterations: int = _ITERATIONS,
        keylen: int = _KEYLEN,
        **options: Any,
    ) -> User:
        """A user of whom only a salted key is kept, not the password.

        It takes some milliseconds. Whoever gets hold of the key can sign with it, but cannot tell
        the password.

        Args:
            authid: Names the user.
            password: What the user types; not kept.
            role: What he is.
            salt: Random if not given.
            iterations: How much work each guess of the password costs.
            keylen: Bytes of the key.
            options: The other fields of a user.
        """
        salt = secrets.token_urlsafe(12) if salt is None else salt
        key = derive_key(password, salt, iterations, keylen).decode("ascii")
        return cls(
            authid,
            role,
            secret=key,
            salt=salt,
            iterations=iterations,
            keylen=keylen,
            **options,
        )

    def accepted(self, method: str) -> Accepted:
        """What is known of a client that has proved to be this user.

        Args:
            method: How it has.
        """
        return Accepted(self.authid, self.role, method, self.permissions, self.extra)


class AuthStore(ABC):
    """Knows the users. Both methods may be async or return a Deferred."""

    @abstractmethod
    def find(self, authid: str) -> Any:
        """The :class:`User` of that name, or None."""

    def checkTicket(self, authid: str, ticket: str) -> Any:
        """The :class:`User` whom a ticket proves, or None.

        By default the one whom :meth:`find` finds, if it is his. A store whose tickets say
        themselves whom they prove overrides it.

        Args:
            authid: Whom the client says it is; empty if it does not say.
            ticket: As the client sent it.
        """
        found = self.find(authid)
        pending = toDeferred(found)
        if pending is None:
            return _ifHisTicket(found, ticket)
        return pending.addCallback(_ifHisTicket, ticket)

    def decoy(self, authid: str, key: bytes) -> User:
        """A user for a name that nobody has, for a challenge that nobody can meet.

        It is to look like a real one, and always alike for the same name.

        Args:
            authid: The name.
            key: A secret of the :class:`Authenticator`, to make unpredictable values from.
        """
        return User(authid, secret=key, salt=_salt(authid, key))


class StaticAuthStore(AuthStore):
    """Users who are known from the start.

    Example:
        >>> users = StaticAuthStore({
        ...     "ann": "her secret",
        ...     "joe": {"ticket": "t-0815", "role": "backend"},
        ...     "sue": User.salted("sue", "a password", salt="pepper"),
        ... })
        >>> users.find("joe").role
        'backend'

    Args:
        users: The users; or by name a user, the keywords of one, or his secret alone.
    """

    def __init__(
        self, users: Iterable[User] | Mapping[str, User | Mapping[str, Any] | str]
    ) -> None:
        if isinstance(users, Mapping):
            users = [_user(authid, entry) for authid, entry in users.items()]
        self._users = {user.authid: user for user in users}
        self._keyed = [user for user in self._users.values() if user.secret is not None]

    def find(self, authid: str) -> User | None:
        """The user of that name, or None."""
        return self._users.get(authid)

    def decoy(self, authid: str, key: bytes) -> User:
        """Like one of the users, each as likely as the other."""
        if not self._keyed:
            return super().decoy(authid, key)
        number = int.from_bytes(digest(key, "like whom", authid), "big")
        like = self._keyed[number % len(self._keyed)]
        salt = None if like.salt is None else _salt(authid, key, len(like.salt))
        return replace(like, authid=authid, secret=key, salt=salt)


class CallableAuthStore(AuthStore):
    """Asks a function for users.

    Args:
        find: Called with a name; gives a :class:`User` or None, may be async.
        salted: Whether the users' keys are salted: what challenges for nobody look like.
    """

    def __init__(self, find: Callable[[str], Any], salted: bool = True) -> None:
        self._find = find
        self._salted = salted

    def find(self, authid: str) -> Any:
        """What the function says."""
        return self._find(authid)

    def decoy(self, authid: str, key: bytes) -> User:
        """Salted with the usual parameters, or not at all."""
        user = super().decoy(authid, key)
        return user if self._salted else replace(user, salt=None)


def isSame(right: bytes, given: str) -> bool:
    """Compare a secret with what a client says, in a time that tells nothing."""
    # Of bytes, because compare_digest refuses text that is not ASCII.
    return hmac.compare_digest(right, given.encode("utf-8", "surrogatepass"))


def digest(key: bytes, *what: str) -> bytes:
    """Bytes that nobody can tell who has not the key, always the same for the same texts."""
    return hmac.digest(key, "\0".join(what).encode("utf-8", "surrogatepass"), hashlib.sha256)


def _ifHisTicket(user: User | None, ticket: str) -> User | None:
    # The comparison takes as long for nobody.
    right = None if user is None else user.ticket
    same = isSame((right or secrets.token_urlsafe(32)).encode(), ticket)
    return user if same and right else None


def _salt(authid: str, key: bytes, length: int = 16) -> str:
    """A salt for nobody, which looks like one of :meth:`User.salted`."""
    text = ""
    while len(text) < length:
        text += urlsafe_b64encode(digest(key, "salt", authid, text)[:30]).decode("ascii")
    return text[:length]


def _user(authid: str, entry: User | Mapping[str, Any] | str) -> User:
    if isinstance(entry, User):
        return entry
    if isinstance(entry, str):
        return User(authid, secret=entry)
    return User(authid, **entry)
