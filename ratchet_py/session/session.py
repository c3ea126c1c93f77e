r"""What a site knows of a client (``Symfony\...\Session``, as Ratchet hands it out)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from ratchet_py.errors import LocalError

__all__ = ["Session"]


class Session(Mapping[Any, Any]):
    r"""A client's session on the site, as it was when the client came; read-only.

    It has the names of Symfony's ``Session``, and is a mapping. What changes on the site later is
    not seen here, and what would change the session raises
    :class:`~ratchet_py.errors.LocalError`.

    Example:
        >>> session = Session({"name": "Ann"}, id="cbd2c8b5", name="PHPSESSID")
        >>> session.get("name"), session.get("cart", []), session.has("cart")
        ('Ann', [], False)
        >>> session.getId(), "name" in session, len(session)
        ('cbd2c8b5', True, 1)
        >>> session.set("name", "Joe")
        Traceback (most recent call last):
        ratchet_py.errors.LocalError: the session is the site's and cannot be changed here

    Attributes:
        data: All that the store has. Of a Symfony site that is the attributes and more, such as
            ``_symfony_flashes`` and ``_sf2_meta``; of others the attributes.
    """

    __slots__ = ("_attributes", "_id", "_name", "data")

    def __init__(
        self,
        attributes: Mapping[Any, Any] | None = None,
        id: str = "",
        name: str = "",
        data: Mapping[Any, Any] | None = None,
    ) -> None:
        self._attributes = {} if attributes is None else attributes
        self._id = id
        self._name = name
        self.data = self._attributes if data is None else data

    def has(self, name: Any) -> bool:
        """Whether there is an attribute of this name, also one that is None."""
        return name in self._attributes

    def all(self) -> dict[Any, Any]:
        """All attributes."""
        return dict(self._attributes)

    def getId(self) -> str:
        """The session's id.

        It is empty if the client has no session, whatever it has sent, and if the site keeps
        sessions in the cookie itself.
        """
        return self._id

    def getName(self) -> str:
        """The cookie's name."""
        return self._name

    def start(self) -> bool:
        """Do nothing: it is there from the start."""
        return True

    def isStarted(self) -> bool:
        """True: it is there from the start."""
        return True

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        """Raise :class:`~ratchet_py.errors.LocalError`: the session cannot be changed here."""
        raise LocalError("the session is the site's and cannot be changed here")

    set = replace = remove = clear = save = invalidate = migrate = setId = setName = _refuse
    __setitem__ = __delitem__ = _refuse

    def __getitem__(self, name: Any) -> Any:
        return self._attributes[name]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._attributes)

    def __len__(self) -> int:
        return len(self._attributes)

    def __repr__(self) -> str:
        # Neither the id, which opens the site's doors, nor what it says of a person.
        return f"<Session {self._name} {list(self._attributes)!r}>"
