"""A master that changes, with real sentinels."""

import re
import signal

import pytest
import pytest_twisted
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred

from tests.broker.redis_server import OverRedis, RedisServer
from tests.broker.sentinels import NAME, SENTINEL_PASSWORD, Watched
from tests.broker.test_redis import ROOT, Node, turn, until
from tests.integration.wire import patient


@pytest.fixture
def watched(freePorts, tmp_path):
    watched = Watched(freePorts, tmp_path)
    try:
        watched.start()
        yield watched
    finally:
        watched.kill()


@pytest.fixture
def engine(watched):
    engine = OverRedis(watched)
    yield engine
    pytest_twisted.blockon(Deferred.fromCoroutine(engine.close()))


class Load:
    """One node publishes, and another one listens."""

    def __init__(self, here, there):
        self.here = here
        self.there = there
        self.number = 0

    async def publish(self, times):
        for _ in range(times):
            for _ in range(20):
                self.here.publish("news", self.number)
                self.number += 1
            # Not as fast as it goes: the sentinels need the processor, too.
            await turn(0.005)

    async def until(self, states):
        """Go on until both nodes have been told so."""
        for node in self.here, self.there:
            await until(
                lambda node=node: [state for state, *_ in node.states] == states,
                lambda: self.publish(1),
            )

    def check(self, since):
        """Who is here has heard all, who is there nothing twice, and everything from then on."""
        assert self.here.events == list(range(self.number))
        heard = self.there.events
        assert heard == sorted(set(heard)), "out of order, or twice"
        assert heard[-(self.number - since) :] == list(range(since, self.number))
        tally = self.here.broker.tally
        assert tally.lost + tally.published == self.number


@ensureDeferred
async def test_the_master_is_killed_under_load(engine, watched, logged):
    load = Load(Node(engine, "news"), Node(engine, "news", *map(str, range(3000))))
    await engine.settle()
    old = watched.master
    await load.publish(20)
    # One of the sentinels goes with it.
    watched.sentinels.pop().kill()
    old.kill()
    await load.until(["lost"])
    await load.until(["lost", "back"])
    begin = load.number
    await load.publish(20)
    await engine.settle()
    load.check(begin)
    assert load.here.broker.tally.lost > 0
    assert watched.master is not old
    assert watched.ask("PUBSUB", "NUMSUB", "ratchet::2999").endswith(b":1\r\n")
    # The old one comes back, and thinks that it is the master, until it is told.
    old.start()
    watched.untilKnown()
    await load.publish(20)
    await engine.settle()
    load.check(begin)
    assert sum("is lost" in line for line in logged) == 2, logged
    assert not any("of the redis" in line for line in logged)


@ensureDeferred
async def test_the_master_changes_without_being_lost(engine, watched):
    # By nothing but the word of a sentinel: nothing counts as silent in time.
    load = Load(*(Node(engine, "news", timeout=600) for _ in range(2)))
    await engine.settle()
    old = watched.master
    old.send(signal.SIGSTOP)
    await load.until(["lost", "back"])
    begin = load.number
    await load.publish(20)
    await engine.settle()
    load.check(begin)
    assert watched.master is not old
    assert f"the master is 127.0.0.1:{watched.master.port} now" in str(load.here.states[0][1])
    # And back, by an operator; the old one lives on as a replica, which sends its clients away.
    old.send(signal.SIGCONT)

    async def change():
        watched.sentinels[0].ask("SENTINEL", "FAILOVER", NAME)
        await load.publish(1)

    await until(lambda: watched.master is old, change)
    await load.until(["lost", "back"] * 2)
    begin = load.number
    await load.publish(20)
    await engine.settle()
    load.check(begin)


@ensureDeferred
async def test_what_the_sentinels_do_not_say(engine, watched, logged):
    for wrong, reason in {
        watched.url.replace(f"/{NAME}", "/other"): "no master called 'other'",
        watched.url.replace(SENTINEL_PASSWORD.replace(" ", "%20"), "guessed"): "WRONGPASS",
        watched.url.replace(":of%20the%20redis@", ":guessed@"): "WRONGPASS",
    }.items():
        node = Node(engine, "news", url=wrong)
        await node.told(["lost"])
        assert reason in str(node.states[0][1])
        node.publish("news", "only here")
        assert node.events == ["only here"]
    assert not any("guessed" in line for line in logged)


@ensureDeferred
async def test_the_rights_that_the_documentation_gives_are_enough(engine, watched, logged):
    page = (ROOT / "docs" / "howto" / "scale.rst").read_text(encoding="utf-8")
    rights = dict(re.findall(r"ACL SETUSER (\w+) (.*)", page))
    for each in watched.servers:
        said = each.ask("ACL", "SETUSER", "ratchet", *rights["ratchet"].split(), "+role")
        assert said == b"+OK\r\n"
    for each in watched.sentinels:
        assert each.ask("ACL", "SETUSER", "watcher", *rights["watcher"].split()) == b"+OK\r\n"
    hosts = watched.url.partition("@")[2].partition("?")[0]
    url = f"redis+sentinel://ratchet:secret@{hosts}?"
    url += "sentinel_username=watcher&sentinel_password=secret"
    here, there = [Node(engine, "news", url=url) for _ in range(2)]
    await engine.settle()
    here.publish("news", "rain")
    await engine.settle()
    assert there.events == ["rain"]
    # The watching, too.
    watched.servers[0].send(signal.SIGSTOP)
    for node in here, there:
        await node.told(["lost", "back"])
    assert logged[0].count("the master is")


@ensureDeferred
async def test_over_tls(freePorts, tmp_path, certificate):
    secure = {
        "tls-cert-file": certificate,
        "tls-key-file": certificate,
        "tls-ca-cert-file": certificate,
        "tls-auth-clients": "no",
        "tls-replication": "yes",
    }
    one, other = next(freePorts), next(freePorts)
    options = [word for name, value in secure.items() for word in (f"--{name}", str(value))]
    master = RedisServer(one, tmp_path, "--port", "0", "--tls-port", str(one), *options)
    file = tmp_path / "sentinel.conf"
    lines = [f"{name} {value}" for name, value in secure.items()]
    lines += ["port 0", f"tls-port {other}", f"sentinel monitor {NAME} 127.0.0.1 {one} 1"]
    file.write_text("\n".join(lines) + "\n")
    sentinel = RedisServer(other, tmp_path)
    sentinel.arguments = lambda: [str(file), "--sentinel"]
    url = f"rediss+sentinel://127.0.0.1:{other}/{NAME}?ssl_ca_certs={certificate}"
    engine = OverRedis(master, url=url)
    try:
        master.start()
        sentinel.start()
        here, there = Node(engine), Node(engine, "news")
        for node in here, there:
            await patient(node.broker.settled(), "TLS")
        here.publish("news", "rain")
        await until(lambda: there.events == ["rain"])
        stranger = Node(engine, url=url.partition("?")[0])
        await stranger.told(["lost"])
        assert "certificate" in str(stranger.states[0][1])
    finally:
        await engine.close()
        sentinel.kill()
        master.kill()


@ensureDeferred
async def test_a_replica_is_no_master(engine, watched):
    # As where the sentinels are behind.
    (replica,) = (each for each in watched.servers if each is not watched.master)
    for each in watched.sentinels:
        each.ask("SENTINEL", "REMOVE", NAME)
        each.ask("SENTINEL", "MONITOR", NAME, "127.0.0.1", str(replica.port), "3")
    node = Node(engine, "news")
    await node.told(["lost"])
    assert f"127.0.0.1:{replica.port} is no master (yet)" in str(node.states[0][1])
    # For who waits for the end: it becomes one.
    replica.ask("REPLICAOF", "NO", "ONE")
    await node.told(["lost", "back"])
