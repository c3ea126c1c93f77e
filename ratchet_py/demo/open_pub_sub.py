"""A WAMP application that anybody may subscribe and publish to, on any topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from ratchet_py.errors import CallError
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.wamp.interfaces import WampServerInterface

if TYPE_CHECKING:
    from ratchet_py.wamp.topic import Topic

__all__ = ["OpenPubSub"]


class OpenPubSub(WampServerInterface):
    """Passes what is published on to the subscribers; a call is answered with an error.

    Example:
        >>> from ratchet_py import App
        >>> app = App("localhost")
        >>> _ = app.route("/pubsub", OpenPubSub())
    """

    _log = Logger()

    def onOpen(self, conn: ConnectionInterface) -> None:
        """Nothing to do."""

    def onClose(self, conn: ConnectionInterface) -> None:
        """Nothing to do: the topics let go by themselves."""

    def onError(self, conn: ConnectionInterface, exc: Exception) -> None:
        """A callback has failed: a fault of this class, so it is logged."""
        self._log.failure("a callback of the pub/sub has failed", Failure(exc))

    def onCall(self, conn: ConnectionInterface, id: Any, topic: Topic, params: Any) -> object:
        """There are no procedures here."""
        raise CallError(
            "http://api.wamp.ws/error#NoSuchRPCEndpoint", f"no procedure {topic}: topics only"
        )

    def onSubscribe(self, conn: ConnectionInterface, topic: Topic) -> None:
        """Everybody may."""

    def onUnSubscribe(self, conn: ConnectionInterface, topic: Topic) -> None:
        """Everybody may."""

    def onPublish(
        self,
        conn: ConnectionInterface,
        topic: Topic,
        event: Any,
        exclude: list[str],
        eligible: list[str],
    ) -> None:
        """Pass it on to whom the publisher means."""
        topic.broadcast(event, exclude, eligible)
