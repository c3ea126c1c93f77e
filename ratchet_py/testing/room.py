"""Several clients, one clock, and nothing that fails unseen."""

from __future__ import annotations

from typing import Any, Self

from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from ratchet_py.testing.failures import raiseAll, takeFailures
from ratchet_py.testing.raw_client import RawClient
from ratchet_py.testing.serving import connect, connectRaw

__all__ = ["Room"]


class Room:
    """The clients of one test; pytest's fixture ``ratchet`` is one.

    Its clients go by one clock. Those of one application meet: they are clients of one server. At
    the end all of them leave, and what has failed and nobody has seen yet is raised: exceptions of
    callbacks, and failures that were logged.

    Example:
        >>> from ratchet_py.wamp import Component
        >>> class PubSub(Component):
        ...     def onPublish(self, conn, topic, event, exclude, eligible):
        ...         topic.broadcast(event)
        >>> with Room() as room:
        ...     application = PubSub()
        ...     ann, bob = room.connect(application), room.connect(application)
        ...     ann.subscribe("news")
        ...     bob.publish("news", "It works")
        ...     ann.received
        [('news', 'It works')]

    Attributes:
        clock: The time of all stacks in here.
        clients: All clients, in the order in which they have come.
        logged: The exceptions that were logged; take out those that you expect.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.clients: list[RawClient] = []
        self.logged: list[BaseException] = []
        # What is served, which must live as long as its id is the key, and the server.
        self._served: dict[tuple[int, str], tuple[object, Any]] = {}

    def connect(self, served: Any, path: str = "/", **options: Any) -> Any:
        """As :func:`~ratchet_py.testing.connect`; what was served at the path before is joined."""
        return self._connect(connect, served, path=path, **options)

    def connectRaw(self, served: Any, **options: Any) -> RawClient:
        """As :func:`~ratchet_py.testing.connectRaw`; what was served before is joined."""
        client: RawClient = self._connect(connectRaw, served, **options)
        return client

    def advance(self, seconds: float) -> None:
        """Let time pass, and raise what has failed meanwhile."""
        self.clock.advance(seconds)
        raiseAll(self._failures())

    def close(self) -> None:
        """Let all clients go, and raise what has failed and was not raised yet."""
        for client in self.clients:
            client.transport.end(half=False)
        raiseAll([*self._failures(), *self.logged])

    def _connect(self, how: Any, served: Any, **options: Any) -> Any:
        key = (id(served), options.get("path", "").partition("?")[0])
        if key in self._served:
            client = how(self._served[key][1], **options)
        else:
            client = how(served, clock=self.clock, **options)
            self._served[key] = (served, client.server)
        self.clients.append(client)
        return client

    def _failures(self) -> list[BaseException]:
        servers = {client.server for client in self.clients}
        return [failure for server in servers for failure in takeFailures(server)]

    def _observe(self, event: Any) -> None:
        if event.get("log_failure") is not None:
            self.logged.append(event["log_failure"].value)

    def __enter__(self) -> Self:
        globalLogPublisher.addObserver(self._observe)  # type: ignore[arg-type]
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            self.close()
        except BaseException:
            # The test has failed already, and better says of what.
            if kind is None:
                raise
        finally:
            globalLogPublisher.removeObserver(self._observe)  # type: ignore[arg-type]
