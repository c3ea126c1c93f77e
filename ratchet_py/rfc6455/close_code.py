"""The close codes of WebSocket, and which of them a frame may carry (RFC 6455 section 7.4)."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["CloseCode", "isSendable"]


class CloseCode(IntEnum):
    """Why a connection was closed (RFC 6455 section 7.4.1 and the IANA registry).

    Codes from 3000 to 4999 are free for libraries and applications; they have no name here.

    Example:
        >>> CloseCode(1009).name
        'TOO_BIG'
    """

    # The application closed the connection, or answers a client that did.
    NORMAL = 1000
    # The server shuts down.
    GOING_AWAY = 1001
    # The client broke a rule of framing.
    PROTOCOL = 1002
    # Nothing of ours issues it: an application that takes only text, say, may.
    BAD_DATA = 1003
    # The other side's close frame was empty. Never on the wire.
    NO_STATUS = 1005
    # The connection ended without a close frame. Never on the wire.
    ABNORMAL = 1006
    # Text that is not UTF-8, corrupt compressed data, a malformed WAMP message.
    BAD_PAYLOAD = 1007
    # A limit of the application's protocol is used up: subscriptions, prefixes, rate.
    POLICY = 1008
    # A frame or message over its limit.
    TOO_BIG = 1009
    # A client's code: the server did not agree to an extension that the client needs.
    MISSING_EXTENSION = 1010
    # Nothing of ours issues it: an exception in a callback leaves the connection open.
    INTERNAL = 1011
    # An application's code: come back when the restart is over.
    SERVICE_RESTART = 1012
    # A slow consumer: too much waits to be sent to it.
    TRY_AGAIN = 1013
    # A gateway's code: the server behind it gave a bad answer.
    BAD_GATEWAY = 1014
    # TLS could not be set up. Never on the wire.
    TLS = 1015


def isSendable(code: int) -> bool:
    """Whether a close frame may carry the code, sent or received.

    Args:
        code: Any number.

    Returns:
        True for 1000 to 1003, 1007 to 1014 and 3000 to 4999.

    Example:
        >>> isSendable(1000), isSendable(1005), isSendable(4000)
        (True, False, True)
    """
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
