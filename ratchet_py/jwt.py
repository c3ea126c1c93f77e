"""JSON Web Tokens (RFC 7519) as a way in: for HTTP requests, and as tickets of WAMP version 2.

It needs PyJWT: ``pip install ratchet_py[jwt]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet_py.errors import HttpError
from ratchet_py.http.request import Request
from ratchet_py.wamp.users import AuthStore, User

try:
    import jwt
except ImportError as error:
    raise ImportError("ratchet_py.jwt needs PyJWT: pip install ratchet_py[jwt]") from error

__all__ = ["JwtAuth"]

# A ticket can be as long as a message; no token is.
_MAX_LENGTH = 16 * 1024


class JwtAuth(AuthStore):
    """Lets in who brings a token that the site has signed.

    The algorithm is pinned: what a token says about it does not count. A token must expire and must
    name its user, in ``exp`` and ``sub``; it is looked at when the client comes, and who is in
    stays in when it expires.

    Example:
        ::

            tokens = JwtAuth(key, audience="chat", cookie="session")
            app.route("/chat", Chat(), authenticate=tokens.authenticate)

            # or as tickets of WAMP version 2
            app.route("/ws", PubSub(), auth=Authenticator(tokens, methods=["ticket"]))

    Args:
        key: The secret that the site signs with, or its public key.
        audience: What ``aud`` must name; None, and a token must not have one.
        algorithm: The one algorithm, as in RFC 7518: ``HS256``, ``RS256``, ``ES256``, ``EdDSA``.
        issuer: What ``iss`` must be, if given.
        leeway: Seconds by which the clocks may differ.
        roleClaim: The claim that is the user's role; without it in a token that is ``user``.
        cookie: The cookie that may carry a token. A browser sends cookies whoever's page connects:
            keep the check of the origin.
        query: The field of the query that may carry a token. It is read by whoever reads the logs
            of a proxy: let such tokens expire within a minute.

    Raises:
        ValueError: There is no such algorithm, or it is ``none``.
    """

    def __init__(
        self,
        key: Any,
        *,
        audience: str | None,
        algorithm: str = "HS256",
        issuer: str | None = None,
        leeway: float = 0,
        roleClaim: str = "role",
        cookie: str | None = None,
        query: str | None = None,
    ) -> None:
        if algorithm == "none" or algorithm not in jwt.algorithms.get_default_algorithms():
            raise ValueError(f"tokens cannot be signed with {algorithm!r}")
        self._key = key
        self._audience = audience
        self._algorithm = algorithm
        self._issuer = issuer
        self._leeway = leeway
        self._roleClaim = roleClaim
        self._cookie = cookie
        self._query = query

    def authenticate(self, request: Request) -> User:
        """For ``WsServer(authenticate=...)``: the user whom a request's token names.

        The token is looked for in ``Authorization: Bearer``, then in the cookie, then in the query;
        the first that is there counts.

        Raises:
            HttpError: 401, there is none, or it is not valid (RFC 6750 section 3).
        """
        token = self._find(request)
        if token is None:
            raise HttpError(401, "a token is needed", {"WWW-Authenticate": "Bearer"})
        user = self._check(token)
        if user is None:
            challenge = 'Bearer error="invalid_token"'
            raise HttpError(401, "the token is not valid", {"WWW-Authenticate": challenge})
        return user

    def find(self, authid: str) -> None:
        """Nobody: the site knows the users, and signs tokens."""

    def checkTicket(self, authid: str, ticket: str) -> User | None:
        """The user whom a token names, if the client does not say that it is another."""
        user = self._check(ticket)
        return user if user is not None and authid in ("", user.authid) else None

    def user(self, claims: Mapping[str, Any]) -> User | None:
        """The user whom a valid token names; override it to say more about him, or None.

        Args:
            claims: What the token says.
        """
        authid, role = claims["sub"], claims.get(self._roleClaim, "user")
        isSound = isinstance(authid, str) and isinstance(role, str)
        return User(authid, role) if isSound else None

    def _find(self, request: Request) -> str | None:
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return credentials.strip()
        if self._cookie is not None and self._cookie in request.cookies:
            return request.cookies[self._cookie]
        return None if self._query is None else request.query.get(self._query)

    def _check(self, token: str) -> User | None:
        if len(token) > _MAX_LENGTH:
            return None
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[self._algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options={"require": ["exp", "sub"]},
            )
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            # PyJWT's own, and what its JSON parser makes of a header that nobody has signed.
            return None
        return self.user(claims)
