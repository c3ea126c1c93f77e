"""Whatever clients and application do, the table of topics, the topics and the clients agree."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from ratchet_py.connection import ConnectionRecord
from ratchet_py.wamp import Component, WampServer

names = st.sampled_from(["a", "b", "c"])


class Wire(ConnectionRecord):
    def __init__(self, number):
        super().__init__(number, "", None)
        self.heard = []

    def send(self, data):
        self.heard.append(data)

    def close(self, code=None, reason=""):
        raise AssertionError(reason)


class TopicTable(RuleBasedStateMachine):
    wires = Bundle("wires")
    topics = Bundle("topics")

    def __init__(self):
        super().__init__()
        self.server = WampServer(Component())
        self.model = {}
        self.gone = []

    @rule(target=wires)
    def connect(self):
        wire = Wire(len(self.model) + len(self.gone))
        self.server.onOpen(wire)
        self.model[wire] = set()
        return wire

    @rule(target=topics, name=names)
    def keep(self, name):
        return self.server.topic(name)

    @rule(wire=wires, name=names)
    def subscribe(self, wire, name):
        self.server.onMessage(wire, f'[5,"{name}"]')
        self.model[wire].add(name)

    @rule(wire=wires, name=names)
    def unsubscribe(self, wire, name):
        self.server.onMessage(wire, f'[6,"{name}"]')
        self.model[wire].discard(name)

    @rule(wire=wires, topic=topics)
    def add(self, wire, topic):
        topic.add(self.server.connections[wire])
        self.model[wire].add(str(topic))

    @rule(wire=wires, topic=topics)
    def remove(self, wire, topic):
        topic.remove(self.server.connections[wire])
        self.model[wire].discard(str(topic))

    @rule(wire=consumes(wires))
    def leave(self, wire):
        conn = self.server.connections[wire]
        self.server.onClose(wire)
        del self.model[wire]
        self.gone.append((wire, conn))

    @rule(topic=topics)
    def addAndRemoveWhoHasLeft(self, topic):
        for _, conn in self.gone:
            topic.add(conn).remove(conn)

    @rule(topic=topics, data=st.data())
    def broadcast(self, topic, data):
        everybody = [*self.model, *(wire for wire, _ in self.gone)]
        some = st.lists(st.sampled_from(everybody), max_size=4) if everybody else st.just([])
        exclude, eligible = data.draw(some), data.draw(some)
        for wire in everybody:
            wire.heard.clear()
        topic.broadcast(
            1, [w.WAMP.sessionId for w in exclude], [w.WAMP.sessionId for w in eligible]
        )
        assert {wire for wire in everybody if wire.heard} == {
            wire
            for wire in self.subscribersOf(str(topic))
            if wire not in exclude and (not eligible or wire in eligible)
        }
        assert all(len(wire.heard) <= 1 for wire in everybody)

    def subscribersOf(self, name):
        return {wire for wire, topics in self.model.items() if name in topics}

    @invariant()
    def allAgree(self):
        manager = self.server.topicManager
        assert manager.topics.keys() == set().union(*self.model.values())
        for name in "abc":
            topic = self.server.topic(name)
            assert {conn.wrappedConn for conn in topic} == self.subscribersOf(name)
            assert len(topic) == len(self.subscribersOf(name))
        for wire, subscribed in self.model.items():
            assert {str(topic) for topic in wire.WAMP.subscriptions} == subscribed
        assert len(manager.sessions) == len(self.server.connections) == len(self.model)
        assert manager.broker._topics == manager.topics.keys()
        assert all(len(wire.WAMP.subscriptions) == 0 for wire, _ in self.gone)


TestTopicTable = TopicTable.TestCase
TestTopicTable.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
