"""The contracts of the session layer: where sessions are kept, and how they are found and read."""

from __future__ import annotations

from abc import ABC, abstractmethod

__all__ = ["SessionHandlerInterface", "SessionsInterface"]


class SessionHandlerInterface(ABC):
    r"""Where a site keeps its sessions (PHP's ``\SessionHandlerInterface``, as far as it reads).

    Example:
        A store of your own::

            class MongoSessionHandler(SessionHandlerInterface):
                async def read(self, id):
                    found = await self.collection.find_one({"_id": id})
                    return None if found is None else found["data"]
    """

    @abstractmethod
    def read(self, id: str) -> object:
        """Read one session's data.

        It must not block; what blocks belongs into a thread (``deferToThread``). A
        ``SessionProvider`` has no more than ``Limits.sessionLookups`` of these going on.

        Args:
            id: The session's id: letters, digits, ``,`` and ``-`` only, whatever a client has sent.

        Returns:
            ``bytes``, or ``str`` to be taken for UTF-8; nothing of it (``b""``, None) if there is
            no such session, or it has expired. Or a Deferred of these, or it is ``async``.

        Raises:
            Exception: The store cannot be reached, or failed. Clients are answered with 503.
        """


class SessionsInterface(ABC):
    """How the sessions of a kind of site are found by the cookie, and read.

    Attributes:
        name: What the cookie is called.
    """

    name: str

    @abstractmethod
    def find(self, cookie: str) -> object:
        """Find a client's session.

        Args:
            cookie: The value of the cookie, as a client has sent it: anything.

        Returns:
            A :class:`~ratchet_py.session.Session`; None if there is none, also if the cookie is
            forged or has expired. Or a Deferred of these, or it is ``async``.

        Raises:
            MalformedSession: There is one, and it cannot be read. The client's session is empty,
                and the log says so.
            HttpError: The client is answered with that.
            Exception: The store cannot be reached, or failed. The client is answered with 503.
        """
