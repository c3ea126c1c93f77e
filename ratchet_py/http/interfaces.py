r"""The contract between ``HttpServer`` and what it serves, as in ``Ratchet\Http``."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from ratchet_py.interfaces import ConnectionInterface, MessageInterface

if TYPE_CHECKING:
    from ratchet_py.http.request import Request

__all__ = ["HttpServerInterface"]


class HttpServerInterface(MessageInterface):
    r"""A component that is opened with a request (``Ratchet\Http\HttpServerInterface``).

    Attributes:
        serial: As in :class:`~ratchet_py.interfaces.ComponentInterface`.
    """

    serial: bool = False

    @abstractmethod
    def onOpen(self, conn: ConnectionInterface, request: Request) -> object:
        """A request's head is complete. Bytes that follow it wait until this has finished.

        Args:
            conn: The client.
            request: What it asks for; also ``conn.httpRequest``.

        Raises:
            HttpError: The request is answered with that status.
        """

    @abstractmethod
    def onClose(self, conn: ConnectionInterface) -> object:
        """The client is gone, or the connection is given back for another request.

        Called once for each call of ``onOpen``, after it has finished, also if that has refused the
        request.
        """

    @abstractmethod
    def onError(self, conn: ConnectionInterface, exc: Exception) -> object:
        """A callback of this component has failed."""
