"""The component that most WAMP applications are wrapped in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from twisted.internet.defer import Deferred

from ratchet_py.broker.interfaces import BrokerInterface, Reach
from ratchet_py.limits import DEFAULT_LIMITS, Limits
from ratchet_py.meter import Meter
from ratchet_py.wamp.authentication import Authenticator, AuthSource
from ratchet_py.wamp.component import Component
from ratchet_py.wamp.interfaces import WampServerInterface
from ratchet_py.wamp.names import NamesInterface
from ratchet_py.wamp.server_protocol import ServerProtocol
from ratchet_py.wamp.topic import Topic
from ratchet_py.wamp.topic_manager import TopicManager
from ratchet_py.wamp.wamp_cra import WampCra

__all__ = ["WampServer"]


class WampServer(ServerProtocol):
    r"""Serves a WAMP application (``Ratchet\Wamp\WampServer``).

    It is a :class:`~ratchet_py.wamp.ServerProtocol` around a
    :class:`~ratchet_py.wamp.TopicManager` around the application.

    Example:
        A stack by hand; ``App.route`` builds the same::

            HttpServer(WsServer(WampServer(MyPubSub())))

    Args:
        app: The application.
        limits: See :class:`~ratchet_py.limits.Limits`.
        broker: What carries broadcasts; without one, they stay in this process. A broker serves
            one WampServer.
        curie: How CURIEs are expanded; see :class:`~ratchet_py.wamp.ServerProtocol`.
        auth: Who may come in: an :class:`~ratchet_py.wamp.Authenticator`, or the users for one.
            The application hears only of clients that are authenticated, or anonymous where that
            is allowed. Without it everybody comes in.
        names: How topics, procedures and errors are called in version 2, by the application's name;
            a :class:`~ratchet_py.wamp.NameMap` or what one is made of. The same if not given.
        realms: The realms that clients of version 2 may join; any if not given.

    Attributes:
        authenticator: Decides who comes in, or None.
        topicManager: The topics and who has subscribed to them.
    """

    def __init__(
        self,
        app: WampServerInterface,
        limits: Limits = DEFAULT_LIMITS,
        broker: BrokerInterface | None = None,
        curie: Literal["auto", "spec", "ratchet"] = "auto",
        auth: AuthSource | None = None,
        names: NamesInterface | Mapping[str, str] | None = None,
        realms: Collection[str] | None = None,
    ) -> None:
        self.topicManager = TopicManager(app, limits, broker)
        self.authenticator = None if auth is None else Authenticator.of(auth)
        component: WampServerInterface = self.topicManager
        if self.authenticator is not None:
            component = WampCra(component, self.authenticator, limits)
        super().__init__(
            component,
            limits,
            curie,
            names=names,
            realms=realms,
            authenticator=self.authenticator,
        )

    @property
    def applicationName(self) -> str:
        """What the application is called where it is measured."""
        application: WampServerInterface = self.topicManager.app
        while isinstance(application, Component) and application.component is not None:
            application = application.component
        return type(application).__name__

    def measure(self, meter: Meter) -> None:
        """Count and time the calls of the clients that come from now on, and all broadcasts."""
        super().measure(meter)
        self.topicManager.measure(meter)

    def topic(self, name: str) -> Topic:
        """A topic, for code that has no client in hand: a timer, a push from elsewhere.

        Example:
            >>> from ratchet_py.wamp import Component
            >>> server = WampServer(Component())
            >>> server.topic("http://example.com/news").broadcast({"headline": "rain"})
            <Topic 'http://example.com/news'>

        Args:
            name: The topic's URI.
        """
        return self.topicManager.getTopic(name)

    def push(
        self, topic: str, event: Any, exclude: Sequence[str] = (), eligible: Sequence[str] = ()
    ) -> Deferred[Reach]:
        """Send an event that comes from outside: a POST, a queue, another program.

        Unlike a broadcast it is shown to the application first, if that has a method
        ``onPush(topic, event)``, plain or async. What ``onPush`` returns takes the place of the
        event, unless it is None. If it raises :class:`~ratchet_py.errors.NotAuthorized`, or another
        :class:`~ratchet_py.errors.CallError`, nobody gets the event.

        Where ``onPush`` waits for something, a later push may overtake an earlier one.

        Example:
            >>> from ratchet_py.wamp import Component
            >>> server = WampServer(Component())
            >>> server.push("news", {"headline": "rain"})
            <Deferred at ... current result: Reach(nodes=0, isConfirmed=True)>

        Args:
            topic: The topic's URI.
            event: Any JSON value.
            exclude: Session ids that are not to get it.
            eligible: The only session ids that are to get it; empty for everybody.

        Returns:
            A Deferred that fires with whom it has reached. It fails with what ``onPush`` raises,
            and with a :class:`~ratchet_py.errors.LocalError` if the event has no form in JSON.
        """
        return Deferred.fromCoroutine(self._push(topic, event, exclude, eligible))

    async def _push(
        self, topic: str, event: Any, exclude: Sequence[str], eligible: Sequence[str]
    ) -> Reach:
        event = await self.topicManager.admit(topic, event)
        return await self.topicManager.push(topic, event, exclude, eligible)
