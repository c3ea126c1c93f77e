"""Who is there: users, what proves them, and the one service that both versions of WAMP ask.

Version 1 calls two procedures (:mod:`~ratchet_py.wamp.wamp_cra`), version 2 has messages of its own
(CHALLENGE, AUTHENTICATE); both are two steps, and both take them here: :meth:`Authenticator.begin`
says what the client has to prove, :meth:`Authenticator.finish` whether it has. Nothing here does
I/O but what a store of users does; time comes from a clock that is handed in.

The arithmetic of WAMP-CRA is Autobahn's.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from abc import ABC, abstractmethod
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from autobahn.wamp.auth import compute_wcs, derive_key
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ratchet_py.dispatch import toDeferred
from ratchet_py.wamp import json_text
from ratchet_py.wamp.rules import Rule

__all__ = [
    "Accepted",
    "AuthSource",
    "AuthStore",
    "Authenticator",
    "CallableAuthStore",
    "Challenge",
    "Refused",
    "StaticAuthStore",
    "User",
    "Wording",
]

log = Logger()

_ITERATIONS = 10_000
_KEYLEN = 32
# A name that is longer is nobody's; it would come back in the challenge.
_MAX_AUTHID = 1_024


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
        number = int.from_bytes(_digest(key, "like whom", authid), "big")
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


AuthSource: TypeAlias = (
    "Authenticator | AuthStore | Iterable[User] | Mapping[str, User | Mapping[str, Any] | str]"
    " | Callable[[str], Any]"
)
"""What ``WampServer(auth=...)`` takes."""


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
class Refused:
    """The client may not come in.

    Attributes:
        reason: ``method``: it offers none that would do here; ``anonymous``: nobody comes in
            unnamed; ``denied``: it has not proved who it is (the answer is the same whether there
            is such a user or not); ``failed``: we could not tell, see the log.
        uri: The reason as an ABORT of version 2 gives it.
        message: The reason for people.
    """

    reason: Literal["method", "anonymous", "denied", "failed"]

    @property
    def uri(self) -> str:
        """The reason as an ABORT of version 2 gives it."""
        return _REASONS[self.reason][0]

    @property
    def message(self) -> str:
        """The reason for people."""
        return _REASONS[self.reason][1]


_REASONS = {
    "method": ("wamp.error.no_auth_method", "no authentication method of those offered will do"),
    "anonymous": ("wamp.error.no_auth_method", "anonymous sessions are not allowed"),
    "denied": ("wamp.error.authentication_failed", "that proves nobody we know"),
    "failed": ("wamp.error.authentication_failed", "the server could not authenticate anybody"),
}


class Challenge:
    """What the client has to answer; there is one try.

    Attributes:
        method: ``ticket`` or ``wampcra``.
        authid: Whom the client says it is.
        extra: What version 2's CHALLENGE carries: nothing for a ticket, for WAMP-CRA ``challenge``,
            the text to sign, and ``salt``, ``iterations``, ``keylen`` if the key is salted.
    """

    __slots__ = ("_isDecoy", "_signer", "_spent", "authid", "extra", "method")

    def __init__(
        self,
        method: str,
        authid: str,
        extra: dict[str, Any],
        signer: User | None = None,
        isDecoy: bool = False,
    ) -> None:
        self.method = method
        self.authid = authid
        self.extra = extra
        self._signer = signer
        self._isDecoy = isDecoy
        self._spent = False

    def spend(self) -> bool:
        """Take the one try; False if it is taken."""
        first = not self._spent
        self._spent = True
        return first

    def isMetBy(self, signature: str) -> User | None:
        """For WAMP-CRA: the user who has signed it, or None."""
        signer = self._signer
        if signer is None:
            return None
        # The work is the same for a decoy, whose key nobody has.
        right = compute_wcs(signer.secret, self.extra["challenge"])
        met = _isSame(right, signature)
        return signer if met and not self._isDecoy else None


Wording: TypeAlias = Callable[[str, str, User], dict[str, Any]]
"""What a challenge says, from the authid, the session id and the user or decoy."""


class Authenticator:
    """Decides who comes in: one service for all clients and both versions of WAMP.

    Example:
        ::

            WampServer(app, auth=Authenticator({"joe": "geheim"}, anonymous="guest"))

        What a version of the protocol does with it::

            step = yield authenticator.begin("joe", ["wampcra"], sessionId=id)
            if isinstance(step, Challenge):
                ...                                 # send step.method and step.extra
                step = yield authenticator.finish(step, signature, conn.reactor)
            if isinstance(step, Accepted):
                conn.WAMP.authenticated(step)
            else:
                ...                                 # send step.uri and step.message

    Neither how long it takes nor what a challenge looks like tells whether there is a user of some
    name; a store that takes longer to find somebody than nobody does.

    Args:
        store: Who knows the users: an :class:`AuthStore`, or what :class:`StaticAuthStore` or
            :class:`CallableAuthStore` takes.
        anonymous: The role of those who do not say who they are; None, and they stay outside.
        methods: The methods there are. Which one is taken depends on what the client offers alone,
            never on the user.
        delay: Seconds before a client learns that it is refused.
        decoyKey: A secret that challenges for unknown names are made from. Given, they look the
            same after a restart, and in all processes of a site.

    Attributes:
        anonymous: The role of those who do not say who they are, or None.
        methods: The methods there are, without ``anonymous``.
    """

    def __init__(
        self,
        store: AuthSource = (),
        *,
        anonymous: str | None = None,
        methods: Sequence[str] = ("wampcra", "ticket"),
        delay: float = 1.0,
        decoyKey: bytes | None = None,
    ) -> None:
        self.store = _store(store)
        self.anonymous = anonymous
        self.methods = tuple(methods)
        self._delay = delay
        self._decoyKey = secrets.token_bytes(32) if decoyKey is None else decoyKey

    @classmethod
    def of(cls, source: AuthSource) -> Authenticator:
        """What is given, if it is one; else one around the store that is given."""
        return source if isinstance(source, Authenticator) else cls(source)

    def begin(
        self,
        authid: str | None,
        methods: Sequence[str] = (),
        *,
        sessionId: str,
        wording: Wording | None = None,
    ) -> Deferred[Challenge | Accepted | Refused]:
        """A client says who it is, and how it can prove it.

        Args:
            authid: Whom it says it is; None or empty if it does not say.
            methods: The methods it offers, its favourite first (``authmethods`` of HELLO, of which
                what is no text is to be left out); none is ``anonymous``.
            sessionId: Its session, which a challenge names.
            wording: What a challenge of WAMP-CRA says; by default what version 2 says.

        Returns:
            A Deferred of what comes next, mostly fired already. It fails only if it is cancelled,
            as it may be when the client leaves meanwhile.
        """
        return Deferred.fromCoroutine(self._begin(authid or "", methods, sessionId, wording))

    def finish(
        self, challenge: Challenge, signature: object, clock: IReactorTime
    ) -> Deferred[Accepted | Refused]:
        """The client has answered a challenge.

        Args:
            challenge: What :meth:`begin` has given.
            signature: What the client says: the signature or ticket, or anything else.
            clock: Where the time before a refusal is spent: ``conn.reactor``.

        Returns:
            A Deferred of the outcome. It fails only if it is cancelled, as it is to be when the
            client leaves meanwhile: nobody need wait for the delay then.
        """
        return Deferred.fromCoroutine(self._finish(challenge, signature, clock))

    async def _begin(
        self, authid: str, methods: Sequence[str], sessionId: str, wording: Wording | None
    ) -> Challenge | Accepted | Refused:
        method = next((name for name in methods or ["anonymous"] if self._has(name)), None)
        if method is None:
            return Refused("anonymous" if "anonymous" in (methods or ["anonymous"]) else "method")
        if method == "anonymous":
            return Accepted(None, self.anonymous or "", method)
        if len(authid) > _MAX_AUTHID:
            return Refused("denied")
        if method == "ticket":
            return Challenge(method, authid, {})
        try:
            user = await _wait(self.store.find(authid))
        except CancelledError:
            raise
        except Exception:
            log.failure("the users cannot be asked")
            return Refused("failed")
        isDecoy = user is None or user.secret is None
        if isDecoy:
            user = self.store.decoy(authid, _digest(self._decoyKey, "decoy", authid))
        said = (wording or _wording)(authid, sessionId, user)
        extra: dict[str, Any] = {"challenge": json_text.encode(said)}
        if user.salt is not None:
            extra.update(salt=user.salt, iterations=user.iterations, keylen=user.keylen)
        return Challenge(method, authid, extra, user, isDecoy)

    async def _finish(
        self, challenge: Challenge, signature: object, clock: IReactorTime
    ) -> Accepted | Refused:
        outcome: Accepted | Refused = Refused("denied")
        if challenge.spend() and isinstance(signature, str):
            try:
                user = await self._prove(challenge, signature)
            except CancelledError:
                raise
            except Exception:
                log.failure("the users cannot be asked")
                outcome = Refused("failed")
            else:
                if user is not None:
                    return user.accepted(challenge.method)
        await deferLater(clock, self._delay)
        return outcome

    async def _prove(self, challenge: Challenge, signature: str) -> User | None:
        if challenge.method == "wampcra":
            return challenge.isMetBy(signature)
        user: User | None = await _wait(self.store.checkTicket(challenge.authid, signature))
        return user

    def _has(self, method: str) -> bool:
        if method == "anonymous":
            return self.anonymous is not None
        return method in self.methods


async def _wait(found: object) -> Any:
    pending = toDeferred(found)
    return found if pending is None else await pending


def _ifHisTicket(user: User | None, ticket: str) -> User | None:
    # The comparison takes as long for nobody.
    right = None if user is None else user.ticket
    same = _isSame((right or secrets.token_urlsafe(32)).encode(), ticket)
    return user if same and right else None


def _isSame(right: bytes, given: str) -> bool:
    # Of bytes, because compare_digest refuses text that is not ASCII.
    return hmac.compare_digest(right, given.encode("utf-8", "surrogatepass"))


def _digest(key: bytes, *what: str) -> bytes:
    return hmac.digest(key, "\0".join(what).encode("utf-8", "surrogatepass"), hashlib.sha256)


def _salt(authid: str, key: bytes, length: int = 16) -> str:
    """A salt for nobody, which looks like one of :meth:`User.salted`."""
    text = ""
    while len(text) < length:
        text += urlsafe_b64encode(_digest(key, "salt", authid, text)[:30]).decode("ascii")
    return text[:length]


def _wording(authid: str, sessionId: str, user: User) -> dict[str, Any]:
    """What a challenge of version 2 says: clients sign it as it is, and read nothing of it."""
    return {
        "authid": authid,
        "authmethod": "wampcra",
        "nonce": secrets.token_urlsafe(32),
        "session": sessionId,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }


def _user(authid: str, entry: User | Mapping[str, Any] | str) -> User:
    if isinstance(entry, User):
        return entry
    if isinstance(entry, str):
        return User(authid, secret=entry)
    return User(authid, **entry)


def _store(source: Any) -> AuthStore:
    if isinstance(source, AuthStore):
        return source
    if callable(source):
        return CallableAuthStore(source)
    return StaticAuthStore(source)
