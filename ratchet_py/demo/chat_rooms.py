"""A chat of several rooms, in the spirit of the one on Ratchet's site.

Who is on the page speaks to it in WAMP. Calls:

===================  =============================================================================
``hello(name)``      Say who one is; null asks for a name. Answers ``{"name", "limits"}``, with
                     another name if that one is taken or cannot be.
``setName(name)``    Take that name and no other. Answers ``{"name"}``.
``createRoom(title)``  Answers ``{"id", "title", "created"}``; a room of that title is found again.
===================  =============================================================================

Topics:

* ``rooms``: a subscriber gets the list, ``{"type": "rooms", "rooms": [...]}``, then each change,
  ``{"type": "room", "room": {"id", "title", "people"}}`` and ``{"type": "gone", "id"}``.
* ``room/ID``: who subscribes is in the room. They get ``{"type": "welcome", "room", "people",
  "history"}``, and everybody in it ``join``, ``leave``, ``name`` and ``message`` events. What is
  published there as a string is said in the room.
"""

from __future__ import annotations

import secrets
import time
import unicodedata
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from ratchet_py.errors import CallError
from ratchet_py.interfaces import ConnectionInterface
from ratchet_py.wamp.interfaces import WampServerInterface

if TYPE_CHECKING:
    from ratchet_py.wamp.topic import Topic

__all__ = ["ChatRooms"]

ROOMS = "rooms"
ROOM = "room/"

NAME_LENGTH = 24
TITLE_LENGTH = 32
MESSAGE_LENGTH = 500
HISTORY_LENGTH = 50
ROOMS_TOTAL = 100
ROOMS_PER_CLIENT = 5

_FINISHES = ("Amber", "Brass", "Chrome", "Cobalt", "Copper", "Golden", "Ivory", "Jade", "Silver")
_INVISIBLE = ("Cc", "Cf", "Cn", "Co", "Cs")  # Unicode categories
_PARTS = ("Bolt", "Cog", "Crank", "Flywheel", "Lever", "Pawl", "Piston", "Socket", "Spindle")


def _tidy(wish: object, length: int, *, lines: bool = False) -> str:
    """Text without what is invisible or turns other text around.

    Args:
        wish: What a client sent; nothing is left of what is no text.
        length: How long the text may be. The result can still be longer, so that the caller can
            tell, but not by much, so that nobody can make this slow.
        lines: Whether line breaks may stay.
    """
    if not isinstance(wish, str):
        return ""
    kept = []
    for char in unicodedata.normalize("NFC", wish[: length * 2]):
        if lines and char == "\n":
            kept.append(char)
        elif char.isspace():
            kept.append(" ")
        # Emoji are joined by U+200D, a format character.
        elif char == "\u200d" or unicodedata.category(char) not in _INVISIBLE:
            kept.append(char)
    text = "".join(kept).strip(" \n\u200d")
    return text if lines else " ".join(text.split())


def _key(text: str) -> str:
    """What is the same for two texts that people would take for the same."""
    return unicodedata.normalize("NFKC", text).replace("\u200d", "").casefold()


class _Person:
    """One client of the chat.

    Attributes:
        conn: The client.
        id: Its session id.
        name: What it is called, different from everybody else's name.
        created: The ids of the rooms that it has made and that are still there.
    """

    __slots__ = ("conn", "created", "id", "name")

    def __init__(self, conn: ConnectionInterface, name: str) -> None:
        self.conn = conn
        self.id: str = conn.WAMP.sessionId
        self.name = name
        self.created: set[str] = set()

    def toJson(self) -> dict[str, str]:
        """As it is sent to clients."""
        return {"id": self.id, "name": self.name}


class _Room:
    """A room, its people and what was said last.

    Attributes:
        id: Made from the title, so that a room has its id again after a restart.
        title: What people see.
        topic: Where its events go; None until somebody has been in it.
        people: Who is in it, in the order of their coming.
        history: The last messages, as they were sent.
        standing: Whether it stays when the last one leaves.
    """

    __slots__ = ("history", "id", "people", "standing", "title", "topic")

    def __init__(self, title: str, *, standing: bool = False) -> None:
        self.id = _key(title)
        self.title = title
        self.standing = standing
        self.topic: Topic | None = None
        self.people: dict[ConnectionInterface, _Person] = {}
        self.history: deque[dict[str, Any]] = deque(maxlen=HISTORY_LENGTH)

    def toJson(self) -> dict[str, Any]:
        """As it is sent to clients."""
        return {"id": self.id, "title": self.title, "people": len(self.people)}


class ChatRooms(WampServerInterface):
    """The chat, a WAMP application.

    Everything that people can make more of is bounded, by the numbers at the top of this module;
    ``hello`` tells them to the page. A room that somebody has made goes when the last one leaves.

    Example:
        >>> from ratchet_py import App
        >>> app = App("localhost")
        >>> _ = app.route("/chat", ChatRooms())

    Attributes:
        rooms: The rooms by their ids.
    """

    _log = Logger()

    def __init__(
        self,
        titles: tuple[str, ...] = ("Lobby", "Workshop", "Tea kitchen"),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make the chat.

        Args:
            titles: The rooms that are always there.
            clock: The time that messages are stamped with, in seconds since 1970.
        """
        self.rooms: dict[str, _Room] = {}
        for title in titles:
            room = _Room(title, standing=True)
            self.rooms[room.id] = room
        self._clock = clock
        self._people: dict[ConnectionInterface, _Person] = {}
        self._names: set[str] = set()
        # The topic of the list of the rooms, from its first subscriber on.
        self._list: Topic | None = None
        self._messages = 0

    # -------------------------------------------------------------------------- coming and going

    def onOpen(self, conn: ConnectionInterface) -> None:
        """Somebody has come; they get a name until they say theirs."""
        self._people[conn] = person = _Person(conn, "")
        name = f"{secrets.choice(_FINISHES)} {secrets.choice(_PARTS)}"
        self._take(person, self._free(name, person))

    def onClose(self, conn: ConnectionInterface) -> None:
        """Somebody is gone; the others in their rooms hear of it."""
        person = self._people.pop(conn)
        self._names.discard(_key(person.name))
        for room in list(self.rooms.values()):
            if conn in room.people:
                self._leave(room, conn)
        for id in person.created:
            made = self.rooms.get(id)
            if made is not None:
                self._sweep(made)

    def onError(self, conn: ConnectionInterface, exc: Exception) -> None:
        """A callback has failed: a fault of this class, so it is logged."""
        self._log.failure("a callback of the chat has failed", Failure(exc))

    # -------------------------------------------------------------------------- calls

    def onCall(self, conn: ConnectionInterface, id: Any, topic: Topic, params: Any) -> object:
        """Answer ``hello``, ``setName`` and ``createRoom``."""
        procedure = str(topic)
        person = self._people[conn]
        argument = params[0] if isinstance(params, list) and params else None
        if procedure == "hello":
            return self._hello(person, argument)
        if procedure == "setName":
            return self._setName(person, argument)
        if procedure == "createRoom":
            return self._createRoom(person, argument)
        raise CallError("http://api.wamp.ws/error#NoSuchRPCEndpoint", f"no procedure {procedure}")

    def _hello(self, person: _Person, wish: Any) -> dict[str, Any]:
        name = _tidy(wish, NAME_LENGTH)[:NAME_LENGTH].strip()
        if name:
            self._rename(person, self._free(name, person))
        return {
            "name": person.name,
            "limits": {"name": NAME_LENGTH, "title": TITLE_LENGTH, "message": MESSAGE_LENGTH},
        }

    def _setName(self, person: _Person, wish: Any) -> dict[str, str]:
        name = _tidy(wish, NAME_LENGTH)
        if not name or len(name) > NAME_LENGTH:
            raise CallError("chat/invalid-name", f"A name has 1 to {NAME_LENGTH} characters.")
        if self._free(name, person) != name:
            raise CallError("chat/name-taken", f"Somebody else is called {name}.")
        self._rename(person, name)
        return {"name": name}

    def _createRoom(self, person: _Person, wish: Any) -> dict[str, Any]:
        title = _tidy(wish, TITLE_LENGTH)
        if not title or len(title) > TITLE_LENGTH:
            raise CallError("chat/invalid-title", f"A title has 1 to {TITLE_LENGTH} characters.")
        room = self.rooms.get(_key(title))
        created = room is None
        if room is None:
            if len(self.rooms) >= ROOMS_TOTAL:
                raise CallError("chat/too-many-rooms", "There are too many rooms already.")
            person.created.intersection_update(self.rooms)
            if len(person.created) >= ROOMS_PER_CLIENT:
                raise CallError("chat/too-many-rooms", "You have made too many rooms already.")
            room = _Room(title)
            self.rooms[room.id] = room
            person.created.add(room.id)
            self._tellRooms({"type": "room", "room": room.toJson()})
        return {"id": room.id, "title": room.title, "created": created}

    # -------------------------------------------------------------------------- topics

    def onSubscribe(self, conn: ConnectionInterface, topic: Topic) -> None:
        """Somebody enters a room, or wants the list of the rooms."""
        if str(topic) == ROOMS:
            self._list = topic
            rooms = [room.toJson() for room in self.rooms.values()]
            conn.event(topic, {"type": "rooms", "rooms": rooms})
            return
        room = self._room(topic)
        if room is None:
            topic.remove(conn)
            conn.event(topic, {"type": "gone", "id": str(topic).removeprefix(ROOM)})
            return
        person = self._people[conn]
        room.topic = topic
        room.people[conn] = person
        conn.event(
            topic,
            {
                "type": "welcome",
                "room": room.toJson(),
                "people": [other.toJson() for other in room.people.values()],
                "history": list(room.history),
            },
        )
        topic.broadcast({"type": "join", "person": person.toJson()}, [person.id])
        self._tellRooms({"type": "room", "room": room.toJson()})

    def onUnSubscribe(self, conn: ConnectionInterface, topic: Topic) -> None:
        """Somebody leaves a room, or the list of the rooms."""
        room = self._room(topic)
        if room is not None and conn in room.people:
            self._leave(room, conn)

    def onPublish(
        self,
        conn: ConnectionInterface,
        topic: Topic,
        event: Any,
        exclude: list[str],
        eligible: list[str],
    ) -> None:
        """Somebody says something in a room that they are in; anything else is dropped."""
        room = self._room(topic)
        if room is None or conn not in room.people:
            return
        text = _tidy(event, MESSAGE_LENGTH, lines=True)[:MESSAGE_LENGTH]
        if not text:
            return
        self._messages += 1
        message = {
            "type": "message",
            "id": self._messages,
            "from": room.people[conn].toJson(),
            "text": text,
            "time": int(self._clock() * 1000),
        }
        room.history.append(message)
        topic.broadcast(message)

    # -------------------------------------------------------------------------- inside

    def _room(self, topic: Topic) -> _Room | None:
        id = str(topic)
        return self.rooms.get(id[len(ROOM) :]) if id.startswith(ROOM) else None

    def _leave(self, room: _Room, conn: ConnectionInterface) -> None:
        person = room.people.pop(conn)
        self._tell(room, {"type": "leave", "person": person.toJson()})
        if not self._sweep(room):
            self._tellRooms({"type": "room", "room": room.toJson()})

    def _sweep(self, room: _Room) -> bool:
        """Drop a room that nobody is in and that somebody made."""
        if room.people or room.standing:
            return False
        del self.rooms[room.id]
        self._tellRooms({"type": "gone", "id": room.id})
        return True

    def _tell(self, room: _Room, event: dict[str, Any]) -> None:
        if room.topic is not None:
            room.topic.broadcast(event)

    def _tellRooms(self, event: dict[str, Any]) -> None:
        if self._list is not None:
            self._list.broadcast(event)

    def _rename(self, person: _Person, name: str) -> None:
        old = person.name
        if name == old:
            return
        self._names.discard(_key(old))
        self._take(person, name)
        event = {"type": "name", "person": person.toJson(), "old": old}
        for room in self.rooms.values():
            if person.conn in room.people:
                self._tell(room, event)

    def _take(self, person: _Person, name: str) -> None:
        person.name = name
        self._names.add(_key(name))

    def _free(self, name: str, person: _Person) -> str:
        """That name, or with a number behind it if somebody else has it."""
        free = name
        number = 1
        while _key(free) in self._names and _key(free) != _key(person.name):
            # Counting on would take long where everybody wants the same name.
            number = number + 1 if number < 9 else secrets.randbelow(90_000) + 10
            ending = f" {number}"
            free = name[: NAME_LENGTH - len(ending)].rstrip() + ending
        return free
