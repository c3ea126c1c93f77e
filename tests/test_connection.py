"""What the wrappers of one client share."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from ratchet_py import AbstractConnectionDecorator
from ratchet_py.connection import ConnectionRecord


class Bottom(ConnectionRecord):
    """A connection without a transport, which notes what it is asked for."""

    def __init__(self, number=1):
        super().__init__(number, "192.0.2.1", Clock())
        self.asked = []

    def send(self, data):
        self.asked.append(("send", data))
        return self

    def close(self, code=None, reason=""):
        self.asked.append(("close", code, reason))

    def pauseReading(self):
        self.asked.append(("pauseReading",))

    def resumeReading(self):
        self.asked.append(("resumeReading",))


class Shout(AbstractConnectionDecorator):
    """A layer with a method, a property and a slot of its own."""

    __slots__ = ("volume",)

    def send(self, data):
        self.wrappedConn.send(data.upper())
        return self

    @property
    def loud(self):
        return self.volume > 10


class Plain(AbstractConnectionDecorator):
    __slots__ = ()


@pytest.fixture
def layers():
    bottom = Bottom()
    middle = Shout(bottom)
    return bottom, middle, Plain(middle)


def test_what_one_layer_writes_every_layer_reads(layers):
    for writer in layers:
        writer.Chat = object()
        assert {id(reader.Chat) for reader in layers} == {id(writer.Chat)}
        del writer.Chat
        assert not any(hasattr(reader, "Chat") for reader in layers)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("httpRequest", "HttpServer"),
        ("WebSocket", "WsServer"),
        ("WAMP", "WampServer"),
        ("Session", "SessionProvider"),
    ],
)
def test_a_missing_layer_is_named(name, layer, layers):
    for conn in layers:
        with pytest.raises(AttributeError, match=f"{name}: no {layer} below this component"):
            getattr(conn, name)
        assert not hasattr(conn, name)
    layers[2].record.__setattr__(name, "there")
    assert [getattr(conn, name) for conn in layers] == ["there"] * 3


def test_any_other_missing_name_is_an_attribute_error(layers):
    for conn in layers:
        with pytest.raises(AttributeError, match="nick: nothing has set this attribute"):
            conn.nick  # noqa: B018
        with pytest.raises(AttributeError):
            del conn.nick


def test_a_wrapper_keeps_its_own_slots_to_itself(layers):
    bottom, middle, top = layers
    middle.volume = 11
    assert middle.loud
    assert not hasattr(top, "volume")
    assert not hasattr(bottom, "volume")
    del middle.volume
    with pytest.raises(AttributeError):
        middle.volume  # noqa: B018


def test_a_property_of_a_wrapper_is_not_written_beside(layers):
    with pytest.raises(AttributeError):
        layers[1].loud = True
    assert not hasattr(layers[0], "loud")


def test_everybody_knows_the_bottom(layers):
    bottom, middle, top = layers
    assert {conn.record for conn in layers} == {bottom}
    assert top.getConnection() is middle
    assert middle.getConnection() is middle.wrappedConn is bottom
    assert [conn.resourceId for conn in layers] == [1] * 3
    assert [conn.remoteAddress for conn in layers] == ["192.0.2.1"] * 3


def test_the_outermost_wrapper_is_the_last():
    bottom = Bottom()
    assert bottom.outermost is None
    middle = Shout(bottom)
    assert bottom.outermost is middle
    top = Plain(middle)
    assert bottom.outermost is middle.outermost is top


def test_what_is_asked_of_a_wrapper_goes_down(layers):
    bottom, middle, top = layers
    assert top.send("hello") is top
    top.close(1000, "bye")
    top.pauseReading()
    top.resumeReading()
    top.abort()
    assert bottom.asked == [
        ("send", "HELLO"),
        ("close", 1000, "bye"),
        ("pauseReading",),
        ("resumeReading",),
        ("close", None, ""),  # what abort is to a connection that has none of its own
    ]
    assert middle.whenDrained().called


def test_connections_are_compared_by_identity(layers):
    assert len({*layers, *layers, Bottom(), Bottom()}) == 5


def test_an_idle_connection_has_no_dictionary_until_an_application_wants_one():
    bottom = ConnectionRecord.__new__(type("Slotted", (Bottom,), {"__slots__": ()}))
    ConnectionRecord.__init__(bottom, 1, "", Clock())
    bottom.WebSocket = bottom.httpRequest = bottom.WAMP = bottom.Session = None
    assert not bottom.__dict__
    bottom.Chat = None
    assert list(bottom.__dict__) == ["Chat"]
