r"""Answers that this library gives itself (``Ratchet\Http\CloseResponseTrait``)."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from ratchet_py import __version__
from ratchet_py.errors import HttpError, LocalError
from ratchet_py.interfaces import ConnectionInterface

__all__ = ["POWERED_BY", "refuse", "response"]

POWERED_BY = f"Ratchet_py/{__version__}"
"""The value of the ``X-Powered-By`` header."""

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}


def response(
    status: int, headers: Iterable[tuple[str, str]], body: bytes = b"", poweredBy: bool = True
) -> bytes:
    r"""Put a response together (RFC 7230 section 3).

    Args:
        status: The status code.
        headers: Names and values, in the order they are sent. Nothing but ``X-Powered-By`` is
            added, not even a ``Content-Length``.
        body: What follows the head.
        poweredBy: Whether to name this library.

    Returns:
        The bytes to send.

    Raises:
        LocalError: A header has a line break in it, or what is not ISO 8859-1.

    Example:
        >>> response(101, [("Upgrade", "websocket")], poweredBy=False)
        b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n'
    """
    fields = [f"{name}: {value}" for name, value in headers]
    if poweredBy:
        fields.append(f"X-Powered-By: {POWERED_BY}")
    if any("\r" in field or "\n" in field for field in fields):
        raise LocalError("line break in a response header")
    line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"
    try:
        return (line + "\r\n".join([*fields, "\r\n"])).encode("latin-1") + body
    except UnicodeEncodeError:
        raise LocalError("a response header is not ISO 8859-1") from None


def refuse(
    conn: ConnectionInterface, error: HttpError, poweredBy: bool = True, withBody: bool = True
) -> None:
    """Answer a request with an error, and close.

    Args:
        conn: Who asked.
        error: The status, one line for the body, and headers that belong to the answer. They
            replace what is sent otherwise: a ``Content-Type`` of text, and ``Connection: close``.
        poweredBy: Whether to name this library.
        withBody: False in answer to ``HEAD``: the headers are the same.
    """
    tally = conn.serverTally
    tally.refused[error.status] += 1
    if error.limit is not None:
        tally.exceeded[error.limit] += 1
    body = (" ".join(error.reason.split()) + "\n").encode("utf-8", "backslashreplace")
    own = {name.lower() for name in error.headers}
    defaults = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    headers = [item for item in defaults.items() if item[0].lower() not in own]
    headers.extend(error.headers.items())
    conn.send(response(error.status, headers, body if withBody else b"", poweredBy))
    conn.close()
