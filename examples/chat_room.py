"""The chat of Ratchet's own site: rooms that people make, and a bot for who is alone.

Start it with ``python chat_room.py``; the page speaks WAMP on ``ws://localhost:8080/chat``:

* the call ``createRoom`` with a title gives the room's ``id`` and ``display``;
* a subscription to ``ctrl:rooms`` tells which rooms there are, ``[id, title, 1]``, and which are
  gone, ``[id, 0]``;
* a subscription to a room's id enters it: ``["joinRoom", who, name]``, ``["leftRoom", who]`` and
  ``["message", who, text, time]``. What is published there is said.

A cookie ``name`` says what one is called.
"""

import secrets
from datetime import UTC, datetime
from html import escape
from types import SimpleNamespace

from ratchet_py import App, CallError, ConnectionInterface
from ratchet_py.wamp import Component, WampServerInterface


def now():
    return datetime.now(UTC).isoformat(timespec="seconds")


class Room:
    def __init__(self, title):
        self.title = title
        self.patrons = set()

    def tell(self, id, event, exclude=None):
        for patron in list(self.patrons):
            if patron is not exclude:
                patron.event(id, event)


class ChatRoom(WampServerInterface):
    ROOMS = "ctrl:rooms"
    MOST_ROOMS = 100

    def __init__(self):
        self.rooms = {}
        self.watchers = set()

    def onOpen(self, conn):
        # Escaped, because the page puts it into its HTML.
        name = escape(conn.httpRequest.cookies.get("name", "")[:40])
        conn.Chat = SimpleNamespace(name=name or f"Anonymous {conn.resourceId}")

    def onClose(self, conn):
        self.watchers.discard(conn)
        for id in [id for id, room in self.rooms.items() if conn in room.patrons]:
            self.leave(conn, id)

    def onCall(self, conn, id, topic, params):
        if str(topic) == "setName":
            return None
        if str(topic) != "createRoom":
            raise CallError("Unknown call")
        title = escape(str(params[0])[:40])
        if not title:
            raise CallError("Room name can not be empty")
        for roomId, room in self.rooms.items():
            if room.title == title:
                raise CallError("Room exists", details={"id": roomId, "display": title})
        if len(self.rooms) >= self.MOST_ROOMS:
            raise CallError("There are too many rooms")
        roomId = f"room-{secrets.token_hex(8)}"
        self.rooms[roomId] = Room(title)
        self.announce([roomId, title, 1])
        return {"id": roomId, "display": title}

    def onSubscribe(self, conn, topic):
        id = str(topic)
        if id == self.ROOMS:
            self.watchers.add(conn)
            for roomId, room in self.rooms.items():
                conn.event(topic, [roomId, room.title, 1])
        if id not in self.rooms:
            return
        room = self.rooms[id]
        room.tell(id, ["joinRoom", conn.WAMP.sessionId, conn.Chat.name])
        for patron in room.patrons:
            conn.event(topic, ["joinRoom", patron.WAMP.sessionId, patron.Chat.name])
        room.patrons.add(conn)

    def onUnSubscribe(self, conn, topic):
        if str(topic) == self.ROOMS:
            self.watchers.discard(conn)
        elif str(topic) in self.rooms:
            self.leave(conn, str(topic))

    def onPublish(self, conn, topic, event, exclude, eligible):
        room = self.rooms.get(str(topic))
        if room is None or conn not in room.patrons or not event:
            return
        room.tell(str(topic), ["message", conn.WAMP.sessionId, escape(str(event)), now()])

    def onError(self, conn, exc):
        conn.close()

    def leave(self, conn, id):
        room = self.rooms[id]
        room.patrons.discard(conn)
        if room.patrons:
            room.tell(id, ["leftRoom", conn.WAMP.sessionId])
        else:
            del self.rooms[id]
            self.announce([id, 0])

    def announce(self, event):
        for watcher in self.watchers:
            watcher.event(self.ROOMS, event)


class BotConnection(ConnectionInterface):
    """The bot is a client without a wire: what it would be sent goes nowhere."""

    def __init__(self):
        self.WAMP = SimpleNamespace(sessionId="1")
        self.Chat = SimpleNamespace(name="Lonely Bot")

    def send(self, data):
        return self

    def event(self, topic, msg):
        return self

    def close(self, code=None, reason=""):
        """It stays."""


class Bot(Component):
    """A layer around the chat: it sits in a room of its own and greets who comes."""

    def __init__(self, chat):
        super().__init__(chat)
        self.me = BotConnection()
        self.room = chat.onCall(self.me, "1", "createRoom", ["General"])["id"]
        self.people = set()
        chat.onSubscribe(self.me, self.room)

    def onSubscribe(self, conn, topic):
        super().onSubscribe(conn, topic)
        if str(topic) != self.room:
            return
        self.people.add(conn)
        name = conn.Chat.name
        greeting = "Greetings" if name.startswith("Anonymous") else f"Hi {name}"
        text = f"{greeting}! This is an IRC-like chatroom powered by Ratchet."
        if len(self.people) == 1:
            text += " You are alone with me: I say what you say until somebody comes."
        self.say(conn, topic, text)

    def onUnSubscribe(self, conn, topic):
        super().onUnSubscribe(conn, topic)
        if str(topic) == self.room:
            self.people.discard(conn)

    def onClose(self, conn):
        self.people.discard(conn)
        super().onClose(conn)

    def onPublish(self, conn, topic, event, exclude, eligible):
        super().onPublish(conn, topic, event, exclude, eligible)
        if conn not in self.people or str(topic) != self.room:
            return
        if event == "test":
            self.say(conn, topic, "pass")
        elif event in ("help", "!help"):
            self.say(conn, topic, "No one can hear you scream in /dev/null")
        elif len(self.people) == 1:
            self.say(conn, topic, event)

    def say(self, conn, topic, text):
        conn.event(topic, ["message", self.me.WAMP.sessionId, text, now()])


if __name__ == "__main__":
    app = App("localhost")
    app.route("/chat", Bot(ChatRoom()))
    app.run()
