r"""The contract between ``WampServer`` and its application, as in ``Ratchet\Wamp``."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from ratchet_py.interfaces import ComponentInterface, ConnectionInterface

if TYPE_CHECKING:
    from ratchet_py.wamp.commands import Command
    from ratchet_py.wamp.topic import Topic

__all__ = ["NO_ANSWER", "CodecInterface", "WampServerInterface"]

NO_ANSWER = object()
"""For a layer whose ``onCall`` waits for something, and whose component above then gives no result:
the result of the layer's Deferred, which says that the answer comes by hand or never."""


class WampServerInterface(ComponentInterface):
    r"""A WAMP application (``Ratchet\Wamp\WampServerInterface``).

    Every ``conn`` is a :class:`~ratchet_py.wamp.WampConnection`. The client has had its welcome
    before ``onOpen``.
    """

    @abstractmethod
    def onCall(self, conn: ConnectionInterface, id: Any, topic: Topic, params: Any) -> object:
        """A client calls a procedure.

        Answer by hand (``conn.callResult``, ``conn.callError``), or return the result (anything but
        None or a connection), or raise :class:`~ratchet_py.errors.CallError`. A coroutine that ends
        without an answer answers null. The first answer counts. If a client of version 2 cancels
        the call, a coroutine or Deferred is cancelled.

        Args:
            conn: Who calls.
            id: The call's id, for the answer; a string or a number.
            topic: The procedure; ``str(topic)`` is its URI.
            params: The list of arguments; if there is one alone, a list or an object, that one.
        """

    @abstractmethod
    def onSubscribe(self, conn: ConnectionInterface, topic: Topic) -> object:
        """A client has subscribed; the topic holds the connection already."""

    @abstractmethod
    def onUnSubscribe(self, conn: ConnectionInterface, topic: Topic) -> object:
        """A client has unsubscribed; not called when it disconnects."""

    @abstractmethod
    def onPublish(
        self,
        conn: ConnectionInterface,
        topic: Topic,
        event: Any,
        exclude: list[str],
        eligible: list[str],
    ) -> object:
        """A client publishes; nothing is sent unless this calls ``topic.broadcast``.

        Args:
            conn: Who publishes.
            topic: Where to.
            event: Any JSON value.
            exclude: Session ids that are not to get it.
            eligible: The only session ids that are to get it; empty for everybody.
        """


class CodecInterface(ABC):
    """One version of WAMP on one kind of wire; it does no I/O and serves every connection.

    The subprotocol that a client has negotiated picks its codec. What goes in becomes one of the
    :mod:`~ratchet_py.wamp.commands`, which know no version; what goes out comes as what
    ``conn.send`` takes. Any of the latter may raise :class:`~ratchet_py.errors.LocalError`, if what
    the application wants to say cannot be said.

    Attributes:
        name: The WebSocket subprotocol.
        version: Of WAMP.
        internalError: The error URI for a call whose handler has failed.
    """

    name: str
    version: int = 1
    internalError: str

    @abstractmethod
    def decode(self, msg: str | bytes) -> Command:
        """Read one message of a client.

        Raises:
            ProtocolError: The message is malformed; the reason names the fault.
        """

    def newSessionId(self) -> str:
        """Name a session, so that nobody can guess it."""
        return secrets.token_urlsafe(12)

    @abstractmethod
    def welcome(self, sessionId: str) -> Any:
        """The first message to a client."""

    @abstractmethod
    def prefix(self, name: str, uri: str) -> Any:
        """The server will use a prefix."""

    @abstractmethod
    def result(self, id: Any, data: Any) -> Any:
        """A call has succeeded."""

    @abstractmethod
    def error(self, id: Any, uri: str, desc: str, details: Any) -> Any:
        """A call has failed; ``details`` of None are none."""

    @abstractmethod
    def event(self, topic: str, event: Any, publication: int) -> Any:
        """An event of a topic; made once for all subscribers who share this codec.

        Args:
            topic: The topic's id.
            event: What the application has broadcast.
            publication: Its id, the same in every form of the same event; 0 for any.
        """
