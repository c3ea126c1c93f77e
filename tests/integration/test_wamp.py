"""The WAMP table, and the rules of WAMP 1: every row on a raw socket, against an App."""

from __future__ import annotations

import itertools
import json

import pytest
import pytest_twisted

from ratchet_py.errors import CallError, LocalError
from ratchet_py.wamp import Component
from tests.integration.conftest import PubSub
from tests.integration.wire import BINARY, close, frame, text

MALFORMED = {
    "empty": "",
    "no JSON": "hello",
    "cut off": '[5,"t"',
    "more behind it": '[5,"t"] x',
    "a number": "5",
    "null": "null",
    "an object": '{"0":5,"1":"t"}',
    "an empty list": "[]",
    "a type in quotes": '["5","t"]',
    "true as a type": '[true,"a","b"]',
    "null as a type": '[null,"t"]',
    "a list as a type": '[[5],"t"]',
    "type 9": '[9,"t"]',
    "type -1": '[-1,"t"]',
    "type 1.5": '[1.5,"a","b"]',
    "the server's WELCOME": '[0,"id",1,"x"]',
    "the server's CALLRESULT": '[3,"id",1]',
    "the server's CALLERROR": '[4,"id","u","d"]',
    "the server's EVENT": '[8,"t","e"]',
    "[5]": "[5]",
    "[6]": "[6]",
    '[7,"t"]': '[7,"t"]',
    "[7]": "[7]",
    '[2,"id"]': '[2,"id"]',
    "[2]": "[2]",
    '[1,"p"]': '[1,"p"]',
    "null topic": "[5,null]",
    "boolean topic": "[5,true]",
    "topic that is a list": '[5,["a"]]',
    "topic that is an object": '[5,{"a":1}]',
    "null topic to unsubscribe from": "[6,null]",
    "false topic to publish to": '[7,false,"e"]',
    "null procedure": '[2,"id",null]',
    "procedure that is a list": '[2,"id",["a"]]',
    "null call id": '[2,null,"p"]',
    "boolean call id": '[2,true,"p"]',
    "call id that is a list": '[2,["a"],"p"]',
    "prefix that is a list": '[1,["a"],"u"]',
    "URI of a prefix that is a number": '[1,"p",5]',
    "null URI of a prefix": '[1,"p",null]',
    "exclude that is an object": '[7,"t","e",{"a":"b"}]',
    "eligible that is a string": '[7,"t","e",[],"a"]',
    "eligible that is true": '[7,"t","e",[],true]',
    "eligible that is an object": '[7,"t","e",[],{"a":"b"}]',
    "a lone surrogate": '[7,"t","\\ud800"]',
    "a lone surrogate in a key": '[7,"t",{"\\udc00":1}]',
    "5,000 digits": '[7,"t",' + "1" * 5000 + "]",
    "1e999": '[7,"t",1e999]',
    "-1e999": '[7,"t",-1e999]',
    "NaN": '[7,"t",NaN]',
    "Infinity": '[7,"t",Infinity]',
    "512 levels": '[7,"t",' + "[" * 511 + "]" * 511 + "]",
    "100,000 levels": "[" * 100_000 + "]" * 100_000,
    "100,000 objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
}


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("message", MALFORMED.values(), ids=MALFORMED)
@pytest_twisted.ensureDeferred
async def test_what_is_malformed_is_answered_with_1007(serve, pubsub, message, binary):
    served = await serve(pubsub)
    client = await served.wamp()
    malformed = frame(BINARY, message.encode()) if binary else text(message)
    client.send(text('[5,"before"]') + malformed + text('[5,"after"]'))
    assert await client.closing(1007)
    await pubsub.until("close")
    assert pubsub.events == ["open", ("subscribe", "before"), "close"]


REASONS = {
    "hello": "JSON",
    "[9]": "type",
    "[5]": "SUBSCRIBE",
    "[6,null]": "UNSUBSCRIBE",
    '[7,"t"]': "PUBLISH",
    '[2,"id"]': "CALL",
    '[1,"p",5]': "PREFIX",
    '[7,"t","e",[],1]': "eligible",
    "[" * 600 + "]" * 600: "deep",
    '[5,"' + "t" * 1025 + '"]': "long",
}


@pytest.mark.parametrize(("message", "named"), REASONS.items(), ids=REASONS.values())
@pytest_twisted.ensureDeferred
async def test_the_reason_names_the_fault(serve, pubsub, message, named):
    served = await serve(pubsub)
    client = await served.wamp()
    client.send(text(message))
    assert named in await client.closing(1007)


# What is published, and that the very same comes out.
VALUES = [
    "1",
    "1.0",
    "-0.0",
    "0.1",
    "1e300",
    "18446744073709551617",
    "-9223372036854775809",
    "9007199254740993",
    "9" * 4000,
    "{}",
    "[]",
    '{"a":{},"b":[]}',
    "null",
    "true",
    "false",
    '""',
    '"null"',
    '"gr\u00fc\u00dfe \U0001d11e \\u0000 \\u2028 / \\" \\\\"',
    '"\\ud834\\udd1e"',
    '{"":null,"0":1,"\u00fc":2}',
    "[[[[1],{}],null],1.5]",
    "[" * 500 + "]" * 500,
]


def same(one, other):
    """Equal, and of the same kinds: 1 is not 1.0, and not true."""
    return one == other and json.dumps(one) == json.dumps(other)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:24].encode("unicode_escape"))
@pytest_twisted.ensureDeferred
async def test_the_same_json_value_comes_out(serve, value):
    class EchoingCalls(PubSub):
        def onCall(self, conn, id, topic, params):
            conn.callResult(id, params)

    served = await serve(EchoingCalls())
    client = await served.wamp()
    client.send(text('[5,"t"]') + text(f'[7,"t",{value}]') + text(f'[2,"id","p",0,{value}]'))
    _, topic, event = await client.heard()
    assert topic == "t"
    assert same(event, json.loads(value))
    _, id, (_, result) = await client.heard()
    assert id == "id"
    assert same(result, json.loads(value))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "\ud800", object()])
@pytest_twisted.ensureDeferred
async def test_what_has_no_json_is_refused_before_anybody_gets_it(serve, pubsub, value):
    served = await serve(pubsub)
    client = await served.wamp()
    client.say(5, "t")
    await pubsub.until(("subscribe", "t"))
    with pytest.raises(LocalError):
        served.app.topic("/", "t").broadcast([value])
    with pytest.raises(LocalError):
        pubsub.conns[0].event("t", value)
    served.app.topic("/", "t").broadcast("next")
    assert await client.heard() == [8, "t", "next"]


# Who gets an event that "me" publishes, by the elements behind the event.
AUDIENCES = {
    "nothing": ([], ["me", "you"]),
    "false": ([False], ["me", "you"]),
    "null": ([None], ["me", "you"]),
    "0": ([0], ["me", "you"]),
    "empty string": ([""], ["me", "you"]),
    "true": ([True], ["you"]),
    "1": ([1], ["you"]),
    "a string": (["x"], ["you"]),
    "exclude none": ([[]], ["me", "you"]),
    "exclude you": ([["<you>"]], ["me"]),
    "exclude both": ([["<you>", "<me>"]], []),
    "exclude [true]": ([[True]], ["me", "you"]),
    "exclude [0, null, []]": ([[0, None, []]], ["me", "you"]),
    "exclude a stranger": ([["stranger"]], ["me", "you"]),
    "eligible empty": ([[], []], ["me", "you"]),
    "eligible null": ([[], None], ["me", "you"]),
    "eligible you": ([[], ["<you>"]], ["you"]),
    "eligible [true]": ([[], [True]], []),
    "eligible [[]]": ([[], [[], {}]], []),
    "eligible a stranger": ([[], ["stranger"]], []),
    "eligible both, exclude me": ([["<me>"], ["<me>", "<you>"]], ["you"]),
    "null, eligible you": ([None, ["<you>"]], ["you"]),
    "true, eligible me": ([True, ["<me>"]], []),
    "extra elements": ([[], [], "extra", 5], ["me", "you"]),
}


@pytest.mark.parametrize(("options", "audience"), AUDIENCES.values(), ids=AUDIENCES)
@pytest_twisted.ensureDeferred
async def test_who_gets_an_event(serve, pubsub, options, audience):
    served = await serve(pubsub)
    clients = {"me": await served.wamp(), "you": await served.wamp()}
    for client in clients.values():
        client.say(5, "t")
    await pubsub.until(("subscribe", "t"), times=2)
    wire = json.dumps([7, "t", "event", *options])
    for name, client in clients.items():
        wire = wire.replace(f"<{name}>", client.id)
    clients["me"].send(text(wire))
    clients["me"].say(7, "t", "last")
    for name, client in clients.items():
        if name in audience:
            assert await client.heard() == [8, "t", "event"], name
        assert await client.heard() == [8, "t", "last"], name


@pytest_twisted.ensureDeferred
async def test_what_on_publish_gets(serve, pubsub):
    served = await serve(pubsub)
    client = await served.wamp()
    client.say(7, "t", "e", True)
    client.say(7, "t", "e", ["a"], ["b"])
    client.say(7, 5, None)
    await pubsub.until(("publish", "5", None, [], []))
    assert pubsub.events[1:] == [
        ("publish", "t", "e", [client.id], []),
        ("publish", "t", "e", ["a"], ["b"]),
        ("publish", "5", None, [], []),
    ]


@pytest_twisted.ensureDeferred
async def test_session_ids_cannot_be_guessed(serve, pubsub):
    served = await serve(pubsub)
    ids = [(await served.wamp()).id for _ in range(20)]
    assert len(set(ids)) == 20
    assert min(map(len, ids)) >= 16
    # Position by position, many characters occur: nothing counts up.
    assert all(len(set(column)) > 3 for column in itertools.islice(zip(*ids, strict=True), 12))


@pytest_twisted.ensureDeferred
async def test_topics_live_from_the_first_subscription_to_the_last(serve, pubsub):
    served = await serve(pubsub)
    topics = served.app.topic("/", "x")._manager.topics
    one, other = await served.wamp(), await served.wamp()
    one.say(6, "mentioned")
    one.say(7, "mentioned", "e")
    one.say(2, "id", "mentioned")
    await one.heard()
    assert not topics
    for client in (one, other):
        client.say(5, "t")
        client.say(5, "t")
        client.say(5, f"own {client.id}")
    await pubsub.until(("subscribe", f"own {other.id}"))
    assert pubsub.events.count(("subscribe", "t")) == 2
    assert set(topics) == {"t", f"own {one.id}", f"own {other.id}"}
    assert len(served.app.topic("/", "t")) == 2
    one.say(6, "t")
    one.say(6, "t")
    await pubsub.until(("unsubscribe", "t"))
    other.reset()
    await pubsub.until("close")
    assert set(topics) == {f"own {one.id}"}
    one.send(close(1000))
    await one.frame()
    await pubsub.until("close", times=2)
    assert not topics
    assert pubsub.events.count(("unsubscribe", "t")) == 1


@pytest_twisted.ensureDeferred
async def test_a_topic_may_change_while_it_is_iterated_and_nested(serve):
    seen = []

    class Iterating(PubSub):
        def onPublish(self, conn, topic, event, exclude, eligible):
            for outer in topic:
                seen.append(len([inner for inner in topic if inner in topic]))
                topic.remove(outer)
                topic.broadcast(len(topic))
            for outer in topic:
                raise AssertionError(outer)

    iterating = Iterating()
    served = await serve(iterating)
    clients = [await served.wamp() for _ in range(3)]
    for client in clients:
        client.say(5, "t")
        await iterating.until(("subscribe", "t"), times=clients.index(client) + 1)
    clients[0].say(7, "t", "e")
    assert await clients[1].heard() == [8, "t", 2]
    assert [await clients[2].heard() for _ in range(2)] == [[8, "t", 2], [8, "t", 1]]
    assert seen == [3, 2, 1]
    clients[0].say(2, "id", "p")
    assert (await clients[0].heard())[0] == 4


@pytest_twisted.ensureDeferred
async def test_a_kept_topic_goes_on(serve):
    class Keeping(PubSub):
        kept = None

        def onSubscribe(self, conn, topic):
            self.kept = self.kept or topic
            self.note("subscribe", str(topic))

    keeping = Keeping()
    served = await serve(keeping)
    client = await served.wamp()
    for _ in range(3):
        client.say(5, "t")
        client.say(6, "t")
    client.say(5, "t")
    await keeping.until(("subscribe", "t"), times=4)
    keeping.kept.broadcast("event")
    assert await client.heard() == [8, "t", "event"]


# -- calls -----------------------------------------------------------------------------------------


class Procedures(PubSub):
    def onCall(self, conn, id, topic, params):
        self.note("call", id, str(topic), params)
        name = str(topic)
        if name == "unknown":
            return None
        if name == "async nothing":
            return self.nothing()
        if name == "async":
            return self.something()
        if name == "error":
            raise CallError("http://example.com/error", "no", {"why": 1})
        if name == "by hand":
            return conn.callResult(id, {"a": 1})
        if name == "no data":
            return conn.callResult(id)
        if name == "null":
            return conn.callResult(id, None)
        if name == "twice":
            conn.callResult(id, 1)
            return conn.callError(id, topic)
        if name == "error without words":
            return conn.callError(id, topic)
        return params

    async def nothing(self):
        pass

    async def something(self):
        return {"async": True}


ANSWERS = {
    "returned": (["sum", 1, 2], [3, "id", [1, 2]]),
    "a list alone is the params": (["sum", ["a"]], [3, "id", ["a"]]),
    "an object alone is the params": (["sum", {"a": 1}], [3, "id", {"a": 1}]),
    "two lists": (["sum", [], []], [3, "id", [[], []]]),
    "no arguments": (["sum"], [3, "id", []]),
    "a number as a procedure": ([5], [3, "id", []]),
    "by hand": (["by hand"], [3, "id", {"a": 1}]),
    "no data": (["no data"], [3, "id", []]),
    "null": (["null"], [3, "id", None]),
    "twice": (["twice"], [3, "id", 1]),
    "async": (["async"], [3, "id", {"async": True}]),
    "async without an answer": (["async nothing"], [3, "id", None]),
    "raised": (["error"], [4, "id", "http://example.com/error", "no", {"why": 1}]),
    "an error without words": (["error without words"], [4, "id", "error without words", ""]),
}


@pytest.mark.parametrize(("call", "answer"), ANSWERS.values(), ids=ANSWERS)
@pytest_twisted.ensureDeferred
async def test_a_call(serve, call, answer):
    served = await serve(Procedures())
    client = await served.wamp()
    client.say(2, "id", *call)
    assert await client.heard() == answer


@pytest.mark.parametrize(
    "id", ["", "a b", 5, 1.0, -3, 10**30, "ü" * 500], ids=lambda id: str(id)[:9]
)
@pytest_twisted.ensureDeferred
async def test_a_call_id_comes_back_as_it_was(serve, id):
    served = await serve(Procedures())
    client = await served.wamp()
    client.say(2, id, "sum")
    assert same(await client.heard(), [3, id, []])


@pytest_twisted.ensureDeferred
async def test_an_unknown_procedure_is_silence_unless_the_application_answers(serve):
    served = await serve({"/silent": Procedures(), "/component": Component()})
    client = await served.wamp("/silent")
    client.say(2, "1", "unknown")
    client.say(2, "2", "sum")
    assert (await client.heard())[:2] == [3, "2"]
    client = await served.wamp("/component")
    client.say(2, "1", "unknown")
    heard = await client.heard()
    assert heard[:3] == [4, "1", "http://api.wamp.ws/error#NoSuchRPCEndpoint"]


# -- CURIEs ----------------------------------------------------------------------------------------

CURIES = {
    "a base that ends in #": ("http://example.com/t#", "p:x", "http://example.com/t#x"),
    "a base that ends in /": ("http://example.com/", "p:x", "http://example.com/x"),
    "a base that ends in :": ("urn:", "p:x", "urn:x"),
    "a base that ends in =": ("http://example.com/?t=", "p:x", "http://example.com/?t=x"),
    "another base": ("http://example.com/t", "p:x", "http://example.com/t#x"),
    "a second colon": ("http://example.com/", "p:x:y", "http://example.com/x:y"),
    "an unknown prefix": ("http://example.com/", "q:x", "q:x"),
    "no colon": ("http://example.com/", "px", "px"),
}


@pytest.mark.parametrize(("base", "curie", "uri"), CURIES.values(), ids=CURIES)
@pytest_twisted.ensureDeferred
async def test_a_curie(serve, pubsub, base, curie, uri):
    served = await serve(pubsub)
    client = await served.wamp()
    client.say(1, "p", base)
    client.say(5, curie)
    client.say(7, curie, "e")
    assert await client.heard() == [8, uri, "e"]
    client.say(2, "id", curie)
    assert await client.heard() == [4, "id", uri, "RPC not supported on this demo"]
    client.say(6, curie)
    await pubsub.until(("unsubscribe", uri))


@pytest_twisted.ensureDeferred
async def test_a_client_that_closes_is_answered(serve, pubsub):
    served = await serve(pubsub)
    client = await served.wamp()
    client.say(5, "t")
    client.send(close(1000))
    assert (await client.frame()).payload == b"\x03\xe8"
    await client.end()


@pytest_twisted.ensureDeferred
async def test_close_by_the_application_is_1000(serve):
    class Closing(PubSub):
        def onSubscribe(self, conn, topic):
            conn.close()

    served = await serve(Closing())
    client = await served.wamp()
    client.say(5, "t")
    await client.closing(1000)
