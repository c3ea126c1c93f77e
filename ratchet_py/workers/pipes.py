"""The pipes between a worker and its parent, and the lines that go through them."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["COMMANDS", "LOADS", "LOG", "PUBLISH", "PUSH", "REPORTS", "SOCKETS", "Lines"]

COMMANDS = 3
"""Descriptor in a worker: what its parent tells it, JSON by lines, the configuration first."""

REPORTS = 4
"""Descriptor in a worker: what it tells its parent, JSON by lines."""

LOG = 5
"""Descriptor in a worker: what it logs, JSON by lines: level, namespace, text."""

LOADS = 6
"""Descriptor in a worker: the file of :class:`~ratchet_py.workers.loads.Loads`."""

SOCKETS = 7
"""Descriptor in a worker: the first of the sockets that all of them accept from."""


PUSH = "push"
"""What a socket is for: pushes, which one worker takes at a time, to keep their order."""

PUBLISH = "publish"
"""What a socket is for: pushes that come to the parent, at its admin endpoint."""


class Lines:
    r"""Cuts what comes through a pipe into lines.

    Example:
        >>> lines = Lines()
        >>> list(lines.add(b"one\ntw")), list(lines.add(b"o\n")), list(lines.end())
        ([b'one'], [b'two'], [])

    Args:
        longest: What is longer is cut, so that who never ends a line costs no more than this.
    """

    def __init__(self, longest: int = 64 * 1024 * 1024) -> None:
        self._data = bytearray()
        self._longest = longest

    def add(self, data: bytes) -> Iterator[bytes]:
        """The lines that have come to their end."""
        seen = len(self._data)
        self._data += data
        begin = 0
        while True:
            end = self._data.find(b"\n", max(begin, seen))
            if end < 0:
                break
            yield bytes(self._data[begin:end])
            begin = end + 1
        del self._data[:begin]
        if len(self._data) > self._longest:
            yield from self.end()

    def end(self) -> Iterator[bytes]:
        """What has come without an end, if anything."""
        rest, self._data = bytes(self._data), bytearray()
        if rest:
            yield rest
