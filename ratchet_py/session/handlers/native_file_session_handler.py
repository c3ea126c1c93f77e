"""The files of PHP's own session handler."""

from __future__ import annotations

import os
import re
import tempfile

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from ratchet_py.errors import LocalError
from ratchet_py.session.handlers.session_file import ownerId, readSessionFile
from ratchet_py.session.interfaces import SessionHandlerInterface

__all__ = ["NativeFileSessionHandler"]

_ID = re.compile(r"[A-Za-z0-9,-]{1,256}")


class NativeFileSessionHandler(SessionHandlerInterface):
    r"""``session.save_handler = files`` (``Symfony\...\NativeFileSessionHandler``).

    PHP makes its files readable for their owner alone: serve as the same user. A file counts if it
    is our own, root's, or ``owner``'s, as in a directory that all may write to anybody could make
    up a session; it may be no symbolic link. As in PHP, a file counts until PHP has removed it.

    Files are read in the threads of the reactor.

    Args:
        savePath: PHP's ``session.save_path``, also with depth and mode before it:
            ``"2;0600;/var/lib/php/sessions"``. The system's folder for temporary files if empty.
        owner: Whose files count, too: a name or a number.

    Raises:
        LocalError: The path makes no sense, or there is no such user.
    """

    def __init__(self, savePath: str = "", owner: str | int | None = None) -> None:
        *parameters, folder = savePath.split(";", 2)
        if not all(parameter.isascii() and parameter.isdigit() for parameter in parameters):
            raise LocalError(f"no session.save_path: {savePath!r}")
        self._depth = int(parameters[0]) if parameters else 0
        self._folder = folder or tempfile.gettempdir()
        try:
            self._owner = ownerId(owner)
        except LookupError:
            raise LocalError(f"there is no user {owner!r}") from None

    def read(self, id: str) -> Deferred[bytes] | bytes:
        """Read a session's file in a thread."""
        # Looked at again, whoever calls: no id may leave the folder.
        if _ID.fullmatch(id) is None or len(id) <= self._depth:
            return b""
        name = os.path.join(*id[: self._depth], f"sess_{id}")
        return deferToThread(readSessionFile, self._folder, name, self._owner)
