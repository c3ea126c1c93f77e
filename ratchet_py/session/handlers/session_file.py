"""Reading a file that another program writes, perhaps at this moment."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable

from ratchet_py.session.stored import MAX_SIZE

if sys.platform != "win32":
    import fcntl
    import pwd

__all__ = ["ownerId", "readSessionFile"]

# How often, and after how many seconds, what is perhaps being written is looked at again.
_LOOKS = 200
_PAUSE = 0.005


def ownerId(owner: str | int | None) -> int | None:
    """The number of a user.

    Raises:
        LookupError: There is no such user.
    """
    if sys.platform == "win32" or owner is None or isinstance(owner, int):
        return owner if isinstance(owner, int) else None
    return pwd.getpwnam(owner).pw_uid


def readSessionFile(
    folder: str, name: str, owner: int | None, isFresh: Callable[[float], bool] | None = None
) -> bytes:
    """Read a session's file; it blocks.

    Args:
        folder: Where all of them are.
        name: Where it is in there.
        owner: Whose files count beside our own and root's.
        isFresh: Tells by the time when it was written last whether it counts.

    Returns:
        What is in it; nothing if there is none.

    Raises:
        PermissionError: It may not be read, or is somebody else's.
        OSError: It cannot be read, or there is no such folder.
    """
    path = os.path.join(folder, name)
    # No symbolic link: in a directory that all may write to, anybody could lay one.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    # A pipe of that name would hold up who opens it.
    flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"{folder} is not there") from None
        return b""
    except OSError as exc:
        # Without the name, which ends in logs: who knows a session's id has the session.
        raise OSError(exc.errno, exc.strerror, folder) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PermissionError(f"something in {folder} is no file")
        if sys.platform != "win32":
            if status.st_uid not in (0, os.geteuid(), owner):
                # Otherwise whoever may write to the directory could make up a session.
                raise PermissionError(
                    f"a file in {folder} belongs to user {status.st_uid}, who is neither us nor "
                    "the owner that was given"
                )
        if isFresh is not None and not isFresh(status.st_mtime):
            return b""
        return _settled(descriptor)
    finally:
        os.close(descriptor)


def _settled(descriptor: int) -> bytes:
    """What is in a file, as it is before somebody writes it, or after.

    PHP writes within its lock, and has it for all of a request, most of which writes nothing: who
    does not get the lock reads what was there before. But PHP also empties the file before it
    writes it, so that counts only if it is there, and still the same a moment later. Whoever is in
    a new session's first request is waited for a second.
    """
    before = b""
    for _ in range(_LOOKS):
        isLocked = _lock(descriptor)
        os.lseek(descriptor, 0, os.SEEK_SET)
        data = os.read(descriptor, MAX_SIZE + 1)
        if isLocked or (data and data == before):
            return data
        before = data or before
        time.sleep(_PAUSE)
    return before


def _lock(descriptor: int) -> bool:
    """Keep writers away, if none is there."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
