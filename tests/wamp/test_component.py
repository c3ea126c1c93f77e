import pytest

from ratchet_py.errors import NotAuthorized
from ratchet_py.wamp import CallError, Component, WampServer


def test_alone_it_does_nothing_and_knows_no_procedure(connect):
    server = WampServer(Component())
    client = connect(server).say(5, "t").say(7, "t", 1).say(6, "t").say(2, "id", "add", 1)
    assert client.heard() == [
        [4, "id", "http://api.wamp.ws/error#NoSuchRPCEndpoint", "no procedure add"]
    ]
    server.onError(client.wire, ValueError())
    client.leave()
    assert client.wire.closed is None


def test_with_a_component_it_passes_everything_on(makeApp, connect):
    app = makeApp(onCall=lambda *args: "result", onSubscribe=lambda *args: 1 / 0)
    server = WampServer(Component(app))
    client = (
        connect(server).say(5, "t").say(7, "t", 1, ["a"], ["b"]).say(6, "t").say(2, "id", "p", 1)
    )
    client.leave()
    topic = server.topic("t")
    conn = client.conn
    told = [entry for entry in app.told if entry[0] != "onError"]
    assert told == [
        ("onOpen", conn),
        ("onSubscribe", conn, topic),
        ("onPublish", conn, topic, 1, ["a"], ["b"]),
        ("onUnSubscribe", conn, topic),
        ("onCall", conn, "id", server.topic("p"), [1]),
        ("onClose", conn),
    ]
    assert isinstance(app.last("onError")[1], ZeroDivisionError)
    assert client.heard() == [[3, "id", "result"]]


@pytest.mark.parametrize("serial", [True, False])
def test_it_is_as_serial_as_its_component(makeApp, serial):
    app = makeApp()
    assert Component().serial is False
    app.__class__ = type("Serial", (type(app),), {"serial": serial})
    assert Component(app).serial is serial


def test_subprotocols(makeApp):
    app = makeApp()
    assert Component().getSubProtocols() == Component(app).getSubProtocols() == []
    app.getSubProtocols = lambda: ["chat"]
    assert Component(app).getSubProtocols() == ["chat"]


def test_a_layer_can_refuse(makeApp, connect):
    class Members(Component):
        def onSubscribe(self, conn, topic):
            if str(topic) == "secret":
                raise NotAuthorized
            return super().onSubscribe(conn, topic)

        def onCall(self, conn, id, topic, params):
            raise CallError("urn:closed", "we are closed", {"until": 8})

    app = makeApp()
    client = connect(WampServer(Members(app))).say(5, "secret").say(5, "open").say(2, 1, "p")
    assert app.names() == ["onOpen", "onSubscribe"]
    assert client.heard() == [[4, 1, "urn:closed", "we are closed", {"until": 8}]]
