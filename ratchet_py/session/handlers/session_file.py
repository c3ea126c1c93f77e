"""Reading a file that another program writes, perhaps at this moment."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress

from ratchet_py.session.stored import MAX_SIZE

if sys.platform != "win32":
    import fcntl
    import pwd

__all__ = ["ownerId", "readSessionFile"]


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
            # PHP writes within its lock. It has it for all of a request, so who does not get it
            # reads what was there before that.
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if isFresh is not None and not isFresh(status.st_mtime):
            return b""
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_SIZE + 1)
    finally:
        os.close(descriptor)
