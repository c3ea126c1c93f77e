"""A base for WAMP applications, and for layers between ``WampServer`` and an application."""

from __future__ import annotations

from typing import Any

from ratchet_py.errors import CallError
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.wamp.interfaces import WampServerInterface
from ratchet_py.wamp.topic import SessionDetails, Topic

__all__ = ["Component"]


class Component(WampServerInterface):
    """Does nothing, or with a component above passes every event on; override what you need.

    Without a component a call is answered with the error
    ``http://api.wamp.ws/error#NoSuchRPCEndpoint``, and a publication goes to nobody.

    Example:
        An application that answers one procedure::

            class Adder(Component):
                def onCall(self, conn, id, topic, params):
                    if str(topic) == "http://example.com/add":
                        return sum(params)
                    return super().onCall(conn, id, topic, params)

        A layer that keeps strangers out of some topics::

            class Members(Component):
                def onSubscribe(self, conn, topic):
                    if topic.getId().startswith("members.") and not conn.Session.get("member"):
                        raise NotAuthorized()
                    return super().onSubscribe(conn, topic)

    Args:
        component: The component above.
    """

    def __init__(self, component: WampServerInterface | None = None) -> None:
        self.component = component

    @property
    def serial(self) -> bool:  # type: ignore[override]
        """What the component above says."""
        return bool(getattr(self.component, "serial", False))

    def getSubProtocols(self) -> list[str]:
        """The WebSocket subprotocols of the component above."""
        inner = getattr(self.component, "getSubProtocols", None)
        return [] if inner is None else list(inner())

    def onOpen(self, conn: ConnectionInterface) -> object:
        """A client has connected."""
        return None if self.component is None else self.component.onOpen(conn)

    def onCall(self, conn: ConnectionInterface, id: Any, topic: Topic, params: Any) -> object:
        """A client calls a procedure."""
        if self.component is None:
            raise CallError("http://api.wamp.ws/error#NoSuchRPCEndpoint", f"no procedure {topic}")
        return self.component.onCall(conn, id, topic, params)

    def onSubscribe(self, conn: ConnectionInterface, topic: Topic) -> object:
        """A client has subscribed."""
        return None if self.component is None else self.component.onSubscribe(conn, topic)

    def onUnSubscribe(self, conn: ConnectionInterface, topic: Topic) -> object:
        """A client has unsubscribed."""
        return None if self.component is None else self.component.onUnSubscribe(conn, topic)

    def onPublish(
        self,
        conn: ConnectionInterface,
        topic: Topic,
        event: Any,
        exclude: list[str],
        eligible: list[str],
    ) -> object:
        """A client publishes."""
        if self.component is None:
            return None
        return self.component.onPublish(conn, topic, event, exclude, eligible)

    def onPresence(
        self, conn: ConnectionInterface, topic: Topic, event: str, session: SessionDetails
    ) -> object:
        """A client has come to a topic whose presence is watched, or left it."""
        inner = getattr(self.component, "onPresence", None)
        return None if inner is None else inner(conn, topic, event, session)

    def onPush(self, topic: Topic, event: Any) -> object:
        """An event comes from outside."""
        inner = getattr(self.component, "onPush", None)
        return None if inner is None else inner(topic, event)

    def onClose(self, conn: ConnectionInterface) -> object:
        """The client is gone."""
        return None if self.component is None else self.component.onClose(conn)

    def onError(self, conn: ConnectionInterface, exc: Exception) -> object:
        """A callback of the component above has failed."""
        return None if self.component is None else self.component.onError(conn, exc)
