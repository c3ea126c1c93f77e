"""Sessions that PHP keeps in Redis."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from ratchet_py.broker.redis_address import RedisAddress
from ratchet_py.session.interfaces import SessionHandlerInterface

if TYPE_CHECKING:
    from txredisapi import RedisFactory

__all__ = ["RedisSessionHandler"]


class RedisSessionHandler(SessionHandlerInterface):
    r"""``session.save_handler = redis`` (PhpRedis); the extra ``ratchet_py[redis]``.

    It connects when it is asked first, and again whenever it loses Redis. Sessions that have
    expired are none of Redis's any more.

    Args:
        url: As for :class:`~ratchet_py.broker.RedisBroker`: ``redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]``,
            ``rediss://`` with TLS, ``unix:///PATH``.
        prefix: What a key has before the id: PhpRedis's own if not given, ``sf_s`` for Symfony's
            ``RedisSessionHandler``; Laravel's is said in :doc:`/howto/sessions`.
        timeout: Seconds until Redis counts as lost, when it does not answer or connect.

    Raises:
        LocalError: The URL is none.
        ImportError: The extra is missing.
    """

    def __init__(
        self,
        url: str = "redis://localhost",
        prefix: str = "PHPREDIS_SESSION:",
        timeout: float = 5.0,
    ) -> None:
        # Looked for and not imported: it installs the reactor.
        if find_spec("txredisapi") is None:
            raise ImportError(
                "RedisSessionHandler needs txredisapi: pip install 'ratchet_py[redis]'"
            )
        self._address = RedisAddress.parse(url)
        self._prefix = prefix
        self._timeout = timeout
        self._factory: RedisFactory | None = None
        # Why nobody needs to wait for it; None while there is hope.
        self._fault: str | None = None

    def read(self, id: str) -> Deferred[bytes | None]:
        """Ask Redis."""
        from twisted.internet import reactor

        # txredisapi gives up for ever when Redis has not let it in; an operator may mend that.
        if self._factory is None or self._factory.stopped:
            self._factory = self._connect(reactor)
        if self._factory.size:
            self._fault = None
        elif self._fault is not None:
            # One has waited in vain already; the others need not.
            raise ConnectionError(self._fault)
        answer: Deferred[bytes | None] = self._factory.handler.get(self._prefix + id)
        return answer.addTimeout(self._timeout, reactor, self._timedOut)

    def close(self) -> Deferred[None]:
        """Disconnect, until it is asked again."""
        factory, self._factory = self._factory, None
        closed: Deferred[None] = succeed(None) if factory is None else factory.disconnect()
        return closed

    def _timedOut(self, *_: object) -> None:
        self._fault = self._fault or f"{self._address} does not answer"
        raise ConnectionError(self._fault)

    def _refused(self, failure: Failure) -> None:
        self._fault = failure.getErrorMessage()

    def _connect(self, reactor: Any) -> RedisFactory:
        from txredisapi import RedisFactory

        address = self._address
        # charset and convertNumbers: a session is bytes, also one that looks like a number.
        factory = RedisFactory(
            str(address),
            address.database or None,
            1,
            isLazy=True,
            charset=None,
            password=address.password,
            replyTimeout=self._timeout,
            convertNumbers=False,
            username=address.username,
        )
        factory.deferred.addErrback(self._refused)
        factory.startConnecting(address.endpoint(reactor, self._timeout))
        return factory
