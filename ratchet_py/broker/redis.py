r"""The broker of an application that lives in several processes, over Redis or Valkey.

Any language may take part: a publication is one JSON object (:mod:`ratchet_py.broker.envelope`)
on the channel ``PREFIX:SCOPE:TOPIC``. The prefix is ``ratchet``, in database 3 ``ratchet3``, as
the channels of Redis belong to no database. The scope is the path of the ``App``'s route,
percent-encoded as in a URL, or empty for a broker that was given to a ``WampServer``. The topic is
the topic's id as it is. Of the topic ``news`` of the route ``/pubsub``::

    redis-cli PUBLISH ratchet:/pubsub:news '{"event": "rain"}'

Whoever can publish to Redis can send any event to every client: see :doc:`/howto/scale`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from ratchet_py.broker.envelope import decode, encode
from ratchet_py.broker.interfaces import BrokerInterface, Publication, Reach, newPublicationId
from ratchet_py.broker.redis_address import RedisAddress
from ratchet_py.errors import LocalError

if TYPE_CHECKING:
    from ratchet_py.broker.redis_engine import RedisEngine, RedisTally

__all__ = ["RedisBroker"]

log = Logger()


class _Scope(BrokerInterface):
    """The topics of one WampServer."""

    def __init__(self, root: RedisBroker, path: tuple[str, ...]) -> None:
        self._root = root
        self._path = path
        # No scope has a colon, so a colon in a topic means nothing.
        scope = ";".join(quote(name, safe="/") for name in path)
        self._channelPrefix = f"{root.prefix}:{scope}:".encode()
        self._receiver: Callable[[str, Publication], object] | None = None
        self._topics: set[str] = set()

    def setReceiver(self, receiver: Callable[[str, Publication], object]) -> None:
        """Say who gets what is published here, and what arrives from elsewhere.

        Raises:
            LocalError: There is a receiver already: a broker serves one WampServer; also if it is
                another broker of the same scope in this process.
        """
        if self._channelPrefix in self._root.served:
            raise LocalError("this broker has a receiver: give each WampServer a broker of its own")
        self._root.served.add(self._channelPrefix)
        self._receiver = receiver
        # It connects when the reactor runs, so that the first event need not wait.
        self._root.engine()

    def scoped(self, name: str) -> BrokerInterface:
        """A broker over the same connections whose topics are apart."""
        return _Scope(self._root, (*self._path, name))

    def publish(self, topic: str, publication: Publication) -> None:
        """Call the receiver, if it has subscribed, and send the publication to Redis.

        Raises:
            LocalError: The event has no form in JSON. Nobody has got it.
        """
        self._publish(topic, publication, None)

    def publishConfirmed(self, topic: str, publication: Publication) -> Deferred[Reach]:
        """As :meth:`publish`; the Deferred fires when Redis has answered, or is lost.

        Raises:
            LocalError: The event has no form in JSON. Nobody has got it.
        """
        reached: Deferred[Reach] = Deferred()
        # Redis counts this process, too, unless it has only just subscribed.
        here = int(topic in self._topics)

        def told(nodes: int | None) -> None:
            reached.callback(Reach(here, False) if nodes is None else Reach(max(here, nodes)))

        self._publish(topic, publication, told)
        return reached

    def _publish(
        self, topic: str, publication: Publication, told: Callable[[int | None], object] | None
    ) -> None:
        if not publication.id:
            # For clients of different processes it is to be the same.
            publication = Publication(
                publication.event, publication.exclude, publication.eligible, newPublicationId()
            )
        engine = self._root.engine()
        message = encode(publication, engine.node)
        channel = self._channel(topic)
        if self._receiver is not None and topic in self._topics:
            self._receiver(topic, publication)
        engine.publish(channel, message, told)

    def subscribe(self, topic: str) -> None:
        """The receiver wants this topic."""
        self._topics.add(topic)
        engine = self._root.engine()
        channel = self._channel(topic)

        def deliver(message: bytes) -> None:
            try:
                publication = decode(message)
            except ValueError as exc:
                engine.malformed(channel, exc)
                return
            engine.tally.received += 1
            assert self._receiver is not None
            try:
                self._receiver(topic, publication)
            except LocalError as exc:
                engine.malformed(channel, exc)
            except Exception:
                log.failure("an event from another process could not be delivered")

        engine.subscribe(channel, deliver)

    def unsubscribe(self, topic: str) -> None:
        """The receiver does not want this topic any more."""
        if topic in self._topics:
            self._topics.discard(topic)
            self._root.engine().unsubscribe(self._channel(topic))

    def _channel(self, topic: str) -> bytes:
        return self._channelPrefix + topic.encode()


class RedisBroker(_Scope):
    """Carries events between processes through Redis or Valkey; the extra ``ratchet_py[redis]``.

    Who has subscribed in the same process gets an event in the same call, whether Redis is there or
    not; other processes get it at most once, in the order of its publisher. It connects when the
    reactor runs, and again with growing pauses whenever it loses Redis.

    Example:
        The same in every process::

            app = App("ws.example.com", broker=RedisBroker("redis://:secret@10.0.0.5"))
            app.route("/pubsub", MyPubSub())

    Args:
        url: Where Redis is: ``redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]``, ``rediss://``
            for TLS, ``unix://[[USER]:PASSWORD@]/PATH``, or who knows it:
            ``redis+sentinel://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]/MASTER[/DATABASE]``.
            See :meth:`~ratchet_py.broker.redis_address.RedisAddress.parse` for more.
        prefix: What all channels begin with: another one for each application in the same Redis.
            Without one, ``ratchet`` and the number of the database unless that is 0.
        reactor: Twisted's own if none is given.
        buffer: Bytes of publications that Redis may not have confirmed yet. What comes beyond that
            reaches this process only, and counts as lost.
        timeout: Seconds without a word from Redis after which it is asked, and again as many until
            it counts as lost.
        onEngineLost: Called with an exception when Redis is lost, or is not there at the start.
            Once, until it is back.
        onEngineBack: Called when it is there again and has all subscriptions.

    Attributes:
        prefix: What all channels begin with.
        served: For the scopes: what the channels of those begin with that have a receiver.

    Raises:
        ImportError: The extra is not installed.
        LocalError: The URL or the prefix cannot be used, or the file of the authorities.
    """

    def __init__(
        self,
        url: str = "redis://localhost",
        prefix: str | None = None,
        reactor: Any = None,
        buffer: int = 16 * 1024 * 1024,
        timeout: float = 10.0,
        onEngineLost: Callable[[BaseException], object] | None = None,
        onEngineBack: Callable[[], object] | None = None,
    ) -> None:
        if find_spec("txredisapi") is None:
            raise ImportError("RedisBroker needs txredisapi: pip install 'ratchet_py[redis]'")
        self._address = RedisAddress.parse(url)
        self._address.trusted()
        if prefix is None:
            prefix = f"ratchet{self._address.database or ''}"
        if not prefix or ":" in prefix:
            raise LocalError("the prefix of a broker is not empty and has no colon")
        self.prefix = prefix
        self.served: set[bytes] = set()
        self._reactor = reactor
        self._buffer = buffer
        self._timeout = timeout
        self._onLost = onEngineLost
        self._onBack = onEngineBack
        self._engine: RedisEngine | None = None
        super().__init__(self, ())

    @property
    def tally(self) -> RedisTally:
        """What has happened: publications confirmed, lost and received, and outages."""
        return self.engine().tally

    def onEngineLost(self, reason: BaseException) -> object:
        """Redis is lost; for a subclass, or for who has been given at the start."""
        return None if self._onLost is None else self._onLost(reason)

    def onEngineBack(self) -> object:
        """Redis is back and has all subscriptions."""
        return None if self._onBack is None else self._onBack()

    def settled(self) -> Deferred[None]:
        """Wait until Redis has confirmed every subscription and publication so far.

        Returns:
            A Deferred that fires when it has, however long Redis is away until then.
        """
        return self.engine().settled()

    def close(self) -> Deferred[Any]:
        """Send what waits and disconnect for good; what is published afterwards stays here.

        A process that ends need not call it.

        Returns:
            A Deferred that fires when it is done.
        """
        return succeed(None) if self._engine is None else self._engine.close()

    def engine(self) -> RedisEngine:
        """For the scopes: the connections that all of them share."""
        if self._engine is None:
            # Here, because both, and txredisapi too, choose Twisted's reactor.
            from ratchet_py.broker.redis_engine import RedisEngine

            if self._reactor is None:
                from twisted.internet import reactor

                self._reactor = reactor
            self._engine = RedisEngine(
                self._address,
                self._reactor,
                self._buffer,
                self._timeout,
                self.onEngineLost,
                self.onEngineBack,
            )
        return self._engine
