"""A Redis that answers with errors, with nonsense, or with nothing."""

import hiredis
import pytest
import pytest_twisted
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol

from ratchet_py.broker import RedisBroker
from tests.broker.test_redis import Node, turn, until
from tests.integration.wire import patient


class Strange(Protocol):
    """Answers as its factory says, and otherwise as Redis does where nobody else is."""

    def connectionMade(self):
        self.factory.connections.append(self)
        self._reader = hiredis.Reader()
        self.transport.write(self.factory.greeting)

    def connectionLost(self, reason):
        self.connected = 0

    def dataReceived(self, data):
        self._reader.feed(data)
        while (words := self._reader.gets()) is not False:
            self.factory.heard.append(words)
            answer = self.factory.answers.get(words[0], self._answer)
            self.transport.write(answer if isinstance(answer, bytes) else answer(words))

    def _answer(self, words):
        kind, *channels = words
        if kind == b"PING":
            return b"+PONG\r\n"
        if kind == b"PUBLISH":
            return b":0\r\n"
        head = b"*3\r\n$%d\r\n%b\r\n" % (len(kind), kind.lower())
        return b"".join(b"%b$%d\r\n%b\r\n:1\r\n" % (head, len(c), c) for c in channels)


class StrangeRedis(Factory):
    """The server.

    Attributes:
        answers: What it answers to which command, if not what Redis would.
        greeting: What it says without being asked.
        heard: All commands.
        connections: All that there have been.
    """

    protocol = Strange
    noisy = False

    def __init__(self):
        self.answers = {}
        self.greeting = b""
        self.heard = []
        self.connections = []


class Alone:
    """What a Node connects through: there are no others."""

    def __init__(self, url):
        self._url = url
        self.brokers = []

    def connect(self, **options):
        from twisted.internet import reactor

        self.brokers.append(RedisBroker(self._url, reactor=reactor, **options))
        return self.brokers[-1]


@pytest.fixture
def strange():
    from twisted.internet import reactor

    redis = StrangeRedis()
    port = reactor.listenTCP(0, redis, interface="127.0.0.1")
    redis.alone = Alone(f"redis://127.0.0.1:{port.getHost().port}")
    yield redis
    pytest_twisted.blockon(Deferred.fromCoroutine(_end(redis, port)))


async def _end(redis, port):
    for broker in redis.alone.brokers:
        await patient(broker.close(), "the end of a broker")
    await port.stopListening()
    await until(lambda: not any(each.connected for each in redis.connections))


ERRORS = [
    b"-ERR unknown command\r\n",
    b"-NOAUTH Authentication required.\r\n",
    b"-MOVED 3999 127.0.0.1:6381\r\n",
    b"-LOADING Redis is loading the dataset in memory\r\n",
    b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    b"-READONLY You can't write against a read only replica.\r\n",
    b"-BUSY Redis is busy running a script.\r\n",
    b"-MASTERDOWN Link with MASTER is down\r\n",
]
NONSENSE = [
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    b"\x15\x03\x01\x00\x02\x02\x0a",
    b"\x00" * 100_000,
    b"*3\r\n$9\r\n",
    b":1\r\n" * 1000,
    b"*-1\r\n*0\r\n$-1\r\n",
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.split()[0].decode())
@ensureDeferred
async def test_it_refuses_to_let_us_in(strange, logged, error):
    strange.answers[b"PING"] = error
    node = Node(strange.alone, "news")
    await node.told(["lost"])
    assert error.decode().strip().removeprefix("-ERR").lstrip("- ") in str(node.states[0][1])
    node.publish("news", "only here")
    assert node.events == ["only here"]
    await until(lambda: len(strange.connections) >= 4)
    assert node.broker.tally.lost == 1
    assert len(logged) == 1
    strange.answers.clear()
    await node.told(["lost", "back"])


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.split()[0].decode())
@ensureDeferred
async def test_it_refuses_what_is_published(strange, logged, error):
    node = Node(strange.alone, "news")
    await patient(node.broker.settled(), "a connection")
    strange.answers[b"PUBLISH"] = error
    for number in range(3):
        node.publish("news", number)
    await patient(node.broker.settled(), "answers")
    assert node.events == [0, 1, 2]
    assert node.broker.tally.lost == 3
    assert node.broker.tally.waiting == 0
    assert len(logged) == 1
    strange.answers.clear()
    node.publish("news", 3)
    await patient(node.broker.settled(), "answers")
    assert (node.broker.tally.published, node.broker.tally.lost) == (1, 3)
    assert node.states == []


@pytest.mark.parametrize("error", ERRORS[:2], ids=lambda error: error.split()[0].decode())
@ensureDeferred
async def test_it_refuses_to_be_asked_whether_it_is_there(strange, error):
    node = Node(strange.alone, timeout=0.25)
    await patient(node.broker.settled(), "a connection")
    strange.answers[b"PING"] = error
    asked = strange.heard.count([b"PING"])

    async def publish():
        node.publish("news", "rain")
        await turn()

    await until(lambda: strange.heard.count([b"PING"]) >= asked + 2, publish)
    # Whether that is an outage is Redis's; the count of what is confirmed is right anyway.
    strange.answers.clear()
    await patient(node.broker.settled(), "answers")
    tally = node.broker.tally
    assert tally.waiting == 0
    published = sum(words[0] == b"PUBLISH" for words in strange.heard)
    assert tally.published + tally.lost >= published > 0


@ensureDeferred
async def test_it_refuses_a_subscription(strange, logged):
    node = Node(strange.alone, "news")
    await patient(node.broker.settled(), "a connection")
    strange.answers[b"SUBSCRIBE"] = ERRORS[2]
    node.broker.subscribe("sport")
    await node.told(["lost"])
    await until(lambda: len(strange.connections) >= 5)
    assert len(logged) == 1
    strange.answers.clear()
    await node.told(["lost", "back"])
    assert node.broker.tally.subscriptions == 2


@pytest.mark.parametrize("nonsense", NONSENSE, ids=lambda data: repr(data[:12]))
@ensureDeferred
async def test_it_is_no_redis(strange, logged, nonsense):
    strange.greeting = nonsense
    node = Node(strange.alone, "news", timeout=0.4)
    node.publish("news", "early")
    strange.answers[b"PING"] = strange.answers[b"PUBLISH"] = nonsense
    strange.answers[b"SUBSCRIBE"] = nonsense
    await until(lambda: len(strange.connections) >= 3)
    assert [state for state, *_ in node.states][:1] == ["lost"]
    assert node.events == ["early"]
    node.publish("news", "late")
    assert node.events == ["early", "late"]
    assert node.broker.tally.published == 0
    strange.greeting = b""
    strange.answers.clear()
    await until(lambda: node.broker.tally.isUp)
    node.publish("news", "now")
    await patient(node.broker.settled(), "answers")
    assert node.broker.tally.published == 1


@ensureDeferred
async def test_it_takes_and_says_nothing(strange, logged):
    node = Node(strange.alone, "news", timeout=0.05)
    strange.answers[b"PING"] = b""
    await node.told(["lost"])
    assert "silent" in str(node.states[0][1])
    await until(lambda: len(strange.connections) >= 5)
    assert len(logged) == 1
