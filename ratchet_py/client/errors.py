"""What goes wrong between a client and its server."""

from __future__ import annotations

from collections.abc import Mapping

from ratchet_py.errors import RatchetError
from ratchet_py.rfc6455.close_code import CloseCode

__all__ = ["ConnectError", "ConnectionClosed", "HandshakeError", "SendBufferFull"]

_CLEAN = frozenset({CloseCode.NORMAL, CloseCode.GOING_AWAY, CloseCode.NO_STATUS})


class ConnectError(RatchetError):
    """There is no connection: the name, the network, TLS or a time limit is in the way.

    Where another exception says more, it is the ``__cause__``.
    """


class HandshakeError(ConnectError):
    """The server has answered, and not with a WebSocket.

    Example:
        >>> raise HandshakeError("no WebSocket here", 403, body=b"not you")
        Traceback (most recent call last):
        ratchet_py.client.errors.HandshakeError: no WebSocket here (403): not you

    Attributes:
        status: The HTTP status; None if the answer is no HTTP.
        headers: Its header fields, such as ``Location``, ``Retry-After`` or ``WWW-Authenticate``;
            names are compared without case.
        body: How its body begins, 1,024 bytes at most.
    """

    def __init__(
        self,
        reason: str,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> None:
        said = " ".join(body[:200].decode("utf-8", "replace").split())
        shown = reason if status is None else f"{reason} ({status})"
        super().__init__(f"{shown}: {said}" if said else shown)
        self.status = status
        self.headers = {} if headers is None else headers
        self.body = body


class ConnectionClosed(RatchetError):
    """The connection is closed, so nothing is sent or received any more.

    Example:
        >>> str(ConnectionClosed(1001, "restart")), str(ConnectionClosed(1006))
        ('1001: restart', '1006')

    Attributes:
        code: The close code: the server's, or ours if the server broke the protocol; 1005 if there
            was none in the close frame, 1006 if there was no close frame.
        reason: Words for it, or the empty string.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"{int(code)}: {reason}" if reason else str(int(code)))
        self.code = int(code)
        self.reason = reason

    @property
    def isClean(self) -> bool:
        """Whether the server has said goodbye, and named no error."""
        return self.code in _CLEAN


class SendBufferFull(RatchetError):
    """More than ``Limits.sendBuffer`` waits to be sent already; the message was not taken."""
