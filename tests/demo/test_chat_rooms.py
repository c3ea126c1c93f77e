"""The chat: names, rooms, who is in a room, what is said, and that nothing grows for ever."""

from __future__ import annotations

import pytest

from ratchet_py.demo import ChatRooms
from ratchet_py.demo import chat_rooms as module
from ratchet_py.testing import connect


@pytest.fixture
def chat():
    return ChatRooms(clock=lambda: 1234.5678)


@pytest.fixture
def ada(chat):
    return named(connect(chat), "Ada")


@pytest.fixture
def grace(ada):
    return named(ada.another(), "Grace")


def named(client, name):
    result(client, "hello", name)
    return client


def result(client, procedure, *args):
    return client.results[client.call(procedure, *args)]


def error(client, procedure, *args):
    uri, desc = client.errors[client.call(procedure, *args)]
    assert desc
    return uri


def take(client, topic):
    """What the client has got on a topic since the last time."""
    events = [event for name, event in client.received if name == topic]
    client.received = [event for event in client.received if event[0] != topic]
    return events


def kinds(events):
    return [event["type"] for event in events]


def enter(client, title):
    id = result(client, "createRoom", title)["id"]
    client.subscribe(f"room/{id}")
    return f"room/{id}"


class TestNames:
    def test_hello_takes_the_name(self, ada):
        assert result(ada, "hello", "Ada Lovelace") == {
            "name": "Ada Lovelace",
            "limits": {"name": 24, "title": 32, "message": 500},
        }

    def test_hello_without_a_name_gives_one(self, chat):
        client = connect(chat)
        name = result(client, "hello", None)["name"]
        assert 0 < len(name) <= module.NAME_LENGTH
        assert result(client, "hello")["name"] == name

    def test_hello_numbers_a_name_that_is_taken(self, ada):
        names = [result(ada.another(), "hello", "Ada")["name"] for _ in range(12)]
        assert names[:3] == ["Ada 2", "Ada 3", "Ada 4"]
        assert len(set(names)) == 12

    def test_a_numbered_name_is_not_too_long(self, ada):
        long = "x" * module.NAME_LENGTH
        assert result(ada, "hello", long)["name"] == long
        other = result(ada.another(), "hello", long)["name"]
        assert other == long[:-2] + " 2"

    def test_a_name_is_free_again_when_its_owner_has_gone(self, ada, grace):
        grace.disconnect()
        assert result(ada, "setName", "Grace") == {"name": "Grace"}

    @pytest.mark.parametrize("name", ["ada", "ADA", "\uff21da", " Ada ", "A\u200dda", "A\u202eda"])
    def test_a_name_that_looks_like_another_is_taken(self, ada, grace, name):
        assert error(grace, "setName", name) == "chat/name-taken"

    def test_a_name_of_ones_own_can_be_spelt_anew(self, ada):
        assert result(ada, "setName", "ADA") == {"name": "ADA"}

    @pytest.mark.parametrize(
        "name", ["", "  \n ", "\u200d", "\u202e", 5, None, "x" * 25, "x" * 100_000, ["", 1]]
    )
    def test_what_is_no_name(self, ada, name):
        assert error(ada, "setName", name) == "chat/invalid-name"

    def test_a_missing_name(self, ada):
        assert error(ada, "setName") == "chat/invalid-name"

    def test_a_name_is_tidied(self, ada):
        name = result(ada, "setName", " A\tB\x00\u202e  C\n")["name"]
        assert name == "A B C"

    def test_the_room_hears_of_a_new_name(self, ada, grace):
        topic = enter(ada, "Lobby")
        enter(grace, "Lobby")
        take(ada, topic)
        result(grace, "setName", "Hopper")
        person = {"id": grace.sessionId, "name": "Hopper"}
        assert take(ada, topic) == [{"type": "name", "person": person, "old": "Grace"}]

    def test_the_same_name_is_no_news(self, ada):
        topic = enter(ada, "Lobby")
        take(ada, topic)
        result(ada, "setName", "Ada")
        assert take(ada, topic) == []


class TestRooms:
    def test_the_list_comes_with_the_subscription(self, ada):
        ada.subscribe("rooms")
        assert take(ada, "rooms") == [
            {
                "type": "rooms",
                "rooms": [
                    {"id": "lobby", "title": "Lobby", "people": 0},
                    {"id": "workshop", "title": "Workshop", "people": 0},
                    {"id": "tea kitchen", "title": "Tea kitchen", "people": 0},
                ],
            }
        ]

    def test_a_new_room_lives_while_somebody_is_in_it(self, ada, grace):
        ada.subscribe("rooms")
        take(ada, "rooms")
        made = result(grace, "createRoom", "\uff21  Room: 1")
        assert made == {"id": "a room: 1", "title": "\uff21 Room: 1", "created": True}
        grace.subscribe("room/a room: 1")
        grace.unsubscribe("room/a room: 1")
        assert take(ada, "rooms") == [
            {"type": "room", "room": {"id": "a room: 1", "title": "\uff21 Room: 1", "people": 0}},
            {"type": "room", "room": {"id": "a room: 1", "title": "\uff21 Room: 1", "people": 1}},
            {"type": "gone", "id": "a room: 1"},
        ]

    def test_a_title_leads_to_the_room_that_has_it(self, ada, grace):
        assert result(ada, "createRoom", "Shed")["created"]
        assert result(grace, "createRoom", "SHED") == {
            "id": "shed",
            "title": "Shed",
            "created": False,
        }

    def test_a_room_that_was_never_entered_goes_with_its_maker(self, chat, ada, grace):
        result(grace, "createRoom", "Shed")
        grace.disconnect()
        assert "shed" not in chat.rooms

    def test_a_room_outlives_its_maker_while_somebody_is_in_it(self, chat, ada, grace):
        enter(grace, "Shed")
        topic = enter(ada, "Shed")
        grace.disconnect()
        assert "shed" in chat.rooms
        ada.unsubscribe(topic)
        assert "shed" not in chat.rooms

    def test_a_standing_room_stays(self, chat, ada):
        ada.unsubscribe(enter(ada, "Lobby"))
        assert "lobby" in chat.rooms

    @pytest.mark.parametrize("title", ["", " ", 5, "x" * 33])
    def test_what_is_no_title(self, ada, title):
        assert error(ada, "createRoom", title) == "chat/invalid-title"

    def test_a_client_makes_only_so_many(self, ada):
        topics = [enter(ada, f"Room {number}") for number in range(module.ROOMS_PER_CLIENT)]
        assert error(ada, "createRoom", "One more") == "chat/too-many-rooms"
        ada.unsubscribe(topics[0])
        assert result(ada, "createRoom", "One more")["created"]

    def test_there_are_only_so_many(self, monkeypatch, ada):
        monkeypatch.setattr(module, "ROOMS_TOTAL", 4)
        result(ada, "createRoom", "The fourth")
        assert error(ada, "createRoom", "The fifth") == "chat/too-many-rooms"

    def test_a_room_that_is_not_there(self, ada):
        ada.subscribe("room/nowhere")
        assert take(ada, "room/nowhere") == [{"type": "gone", "id": "nowhere"}]

    def test_a_topic_that_is_none_of_ours(self, chat, ada):
        ada.subscribe("anything")
        assert take(ada, "anything") == [{"type": "gone", "id": "anything"}]
        ada.unsubscribe("anything")
        ada.publish("anything", "x")
        assert take(ada, "anything") == []


class TestPresence:
    def test_who_comes_sees_who_is_there_and_is_seen(self, ada, grace):
        topic = enter(ada, "Lobby")
        welcome = take(ada, topic)
        assert welcome == [
            {
                "type": "welcome",
                "room": {"id": "lobby", "title": "Lobby", "people": 1},
                "people": [{"id": ada.sessionId, "name": "Ada"}],
                "history": [],
            }
        ]
        enter(grace, "Lobby")
        (welcome,) = take(grace, topic)
        assert [person["name"] for person in welcome["people"]] == ["Ada", "Grace"]
        person = {"id": grace.sessionId, "name": "Grace"}
        assert take(ada, topic) == [{"type": "join", "person": person}]

    @pytest.mark.parametrize("how", ["unsubscribe", "disconnect"])
    def test_who_goes_is_missed(self, chat, ada, grace, how):
        topic = enter(ada, "Lobby")
        enter(grace, "Lobby")
        take(ada, topic)
        grace.unsubscribe(topic) if how == "unsubscribe" else grace.disconnect()
        person = {"id": grace.sessionId, "name": "Grace"}
        assert take(ada, topic) == [{"type": "leave", "person": person}]
        assert len(chat.rooms["lobby"].people) == 1

    def test_the_list_counts(self, ada, grace):
        ada.subscribe("rooms")
        take(ada, "rooms")
        topic = enter(grace, "Lobby")
        grace.unsubscribe(topic)
        counts = [event["room"]["people"] for event in take(ada, "rooms")]
        assert counts == [1, 0]


class TestTalk:
    def test_what_is_said_reaches_all_in_the_room(self, ada, grace):
        topic = enter(ada, "Lobby")
        enter(grace, "Lobby")
        outside = ada.another()
        take(ada, topic), take(grace, topic)
        ada.publish(topic, " Hello\nthere\x07 ")
        message = {
            "type": "message",
            "id": 1,
            "from": {"id": ada.sessionId, "name": "Ada"},
            "text": "Hello\nthere",
            "time": 1234567,
        }
        assert take(ada, topic) == [message]
        assert take(grace, topic) == [message]
        assert outside.received == []

    def test_a_newcomer_reads_what_was_said_last(self, ada, grace):
        topic = enter(ada, "Lobby")
        for number in range(module.HISTORY_LENGTH + 5):
            ada.publish(topic, str(number))
        enter(grace, "Lobby")
        history = take(grace, topic)[0]["history"]
        assert [message["text"] for message in history] == [
            str(number) for number in range(5, module.HISTORY_LENGTH + 5)
        ]

    @pytest.mark.parametrize("event", ["", " \n ", 5, None, ["x"], {"text": "x"}])
    def test_what_says_nothing_is_dropped(self, ada, event):
        topic = enter(ada, "Lobby")
        take(ada, topic)
        ada.publish(topic, event)
        assert take(ada, topic) == []

    def test_a_long_message_is_cut(self, ada):
        topic = enter(ada, "Lobby")
        take(ada, topic)
        ada.publish(topic, "x" * 10_000)
        (message,) = take(ada, topic)
        assert message["text"] == "x" * module.MESSAGE_LENGTH

    def test_only_who_is_in_the_room_may_speak(self, ada, grace):
        topic = enter(ada, "Lobby")
        take(ada, topic)
        grace.publish(topic, "from outside")
        assert take(ada, topic) == []

    def test_nobody_but_the_chat_speaks_on_the_list(self, ada, grace):
        ada.subscribe("rooms")
        take(ada, "rooms")
        grace.publish("rooms", {"type": "gone", "id": "lobby"})
        assert take(ada, "rooms") == []

    def test_a_publisher_cannot_choose_who_reads(self, ada, grace):
        topic = enter(ada, "Lobby")
        enter(grace, "Lobby")
        take(ada, topic)
        grace.publish(topic, "everybody hears", [ada.sessionId])
        assert kinds(take(ada, topic)) == ["message"]


def test_an_unknown_procedure(ada):
    assert error(ada, "format", "c:") == "http://api.wamp.ws/error#NoSuchRPCEndpoint"


def test_an_error_is_logged(chat, loggedFailures):
    chat.onError(None, ValueError("boom"))
    assert len(loggedFailures.flush(ValueError)) == 1


def test_nothing_is_left_of_who_has_gone(chat, ada, grace):
    ada.subscribe("rooms")
    enter(ada, "Lobby"), enter(grace, "Shed")
    ada.disconnect()
    grace.disconnect()
    assert chat._people == {}
    assert chat._names == set()
    assert list(chat.rooms) == ["lobby", "workshop", "tea kitchen"]
    assert not any(room.people for room in chat.rooms.values())
