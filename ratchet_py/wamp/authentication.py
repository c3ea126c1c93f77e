"""Who is there: the one service that both versions of WAMP ask.

Version 1 calls two procedures (:mod:`~ratchet_py.wamp.wamp_cra`), version 2 has messages of its own
(CHALLENGE, AUTHENTICATE); both are two steps, and both take them here: :meth:`Authenticator.begin`
says what the client has to prove, :meth:`Authenticator.finish` whether it has. Nothing here does
I/O but what a store of users does; time comes from a clock that is handed in.

The arithmetic of WAMP-CRA is Autobahn's.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from autobahn.wamp.auth import compute_wcs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ratchet_py.dispatch import toDeferred
from ratchet_py.wamp import json_text
from ratchet_py.wamp.users import (
    Accepted,
    AuthStore,
    CallableAuthStore,
    StaticAuthStore,
    User,
    digest,
    isSame,
)

__all__ = [
    "AuthSource",
    "Authenticator",
    "Challenge",
    "Refused",
    "Wording",
]

log = Logger()

# A name that is longer is nobody's; it would come back in the challenge.
_MAX_AUTHID = 1_024


AuthSource: TypeAlias = (
    "Authenticator | AuthStore | Iterable[User] | Mapping[str, User | Mapping[str, Any] | str]"
    " | Callable[[str], Any]"
)
"""What ``WampServer(auth=...)`` takes."""


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
        met = isSame(right, signature)
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
            user = self.store.decoy(authid, digest(self._decoyKey, "decoy", authid))
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


def _wording(authid: str, sessionId: str, user: User) -> dict[str, Any]:
    """What a challenge of version 2 says: clients sign it as it is, and read nothing of it."""
    return {
        "authid": authid,
        "authmethod": "wampcra",
        "nonce": secrets.token_urlsafe(32),
        "session": sessionId,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }


def _store(source: Any) -> AuthStore:
    if isinstance(source, AuthStore):
        return source
    if callable(source):
        return CallableAuthStore(source)
    return StaticAuthStore(source)
