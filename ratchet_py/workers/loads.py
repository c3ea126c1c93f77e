"""How many clients each worker has, where all of them can see it."""

from __future__ import annotations

import mmap
import os
from tempfile import TemporaryFile

__all__ = ["Loads"]

# Of a worker that is not there, or takes nobody any more.
_AWAY = 2**32 - 1


class Loads:
    """A number for each worker, in memory that the processes share: a file without a name.

    Each worker writes its own and reads the others', so that a client is accepted by who has the
    fewest; nobody has to ask anybody.

    Example:
        >>> fd = Loads.create(2)
        >>> one, two = Loads(fd, 2), Loads(fd, 2)
        >>> os.close(fd)
        >>> one.put(0, 5)
        >>> two.put(1, 3)
        >>> one.least(), two.leave(1), one.least()
        (3, None, 5)

    Args:
        fd: The file's descriptor.
        count: How many workers there are.
    """

    def __init__(self, fd: int, count: int) -> None:
        self._numbers = memoryview(mmap.mmap(fd, 4 * count)).cast("I")

    @staticmethod
    def create(count: int) -> int:
        """Make the file for so many workers, none of which is there yet.

        Returns:
            Its descriptor.
        """
        with TemporaryFile() as file:
            file.write(_AWAY.to_bytes(4, "little") * count)
            file.flush()
            return os.dup(file.fileno())

    def put(self, worker: int, clients: int) -> None:
        """Say how many clients a worker has; it counts from 0."""
        self._numbers[worker] = clients

    def leave(self, worker: int) -> None:
        """A worker is gone, or takes nobody any more."""
        self._numbers[worker] = _AWAY

    def least(self) -> int:
        """How many clients the worker has that has the fewest."""
        return min(self._numbers)
