"""A master, a replica, and three sentinels that look after them, all of them real."""

from __future__ import annotations

import time

from tests.broker.redis_server import RedisServer

NAME = "main"
PASSWORD = "of the redis"
SENTINEL_PASSWORD = "of the sentinels"

# Seconds; only what hangs gets there.
PATIENCE = 60

# As fast as it goes on a busy machine: two seconds instead of ten.
PERIODS = (
    *("info-period", "300", "ping-period", "200", "ask-period", "100", "publish-period", "100"),
    *("election-timeout", "1000"),
)


class Sentinel(RedisServer):
    """One of them."""

    def __init__(self, port, folder, master):
        super().__init__(port, folder, password=SENTINEL_PASSWORD)
        self._file = folder / f"sentinel-{port}.conf"
        # Two seconds, lest they replace a master that only waits for the processor.
        self._file.write_text(
            f"port {port}\n"
            "bind 127.0.0.1\n"
            f'requirepass "{SENTINEL_PASSWORD}"\n'
            f"sentinel monitor {NAME} 127.0.0.1 {master.port} 2\n"
            f'sentinel auth-pass {NAME} "{PASSWORD}"\n'
            f"sentinel down-after-milliseconds {NAME} 2000\n"
            f"sentinel failover-timeout {NAME} 2000\n"
        )

    def arguments(self):
        return [str(self._file), "--sentinel"]

    def start(self):
        super().start()
        # Redis 6 does not know it, and takes longer.
        self.ask("SENTINEL", "DEBUG", *PERIODS)


class Watched:
    """What the tests have instead of one Redis.

    Attributes:
        url: Where it is.
        servers: The two Redis; the first begins as the master.
        sentinels: The three.
    """

    def __init__(self, ports, folder):
        master, replica = (
            RedisServer(next(ports), folder, "--repl-diskless-sync-delay", "0", password=PASSWORD)
            for _ in range(2)
        )
        self.servers = [master, replica]
        self.sentinels = [Sentinel(next(ports), folder, master) for _ in range(3)]
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        # In a URL, spaces are %20.
        password, other = (each.replace(" ", "%20") for each in (PASSWORD, SENTINEL_PASSWORD))
        self.url = f"redis+sentinel://:{password}@{hosts}/{NAME}?sentinel_password={other}"

    def start(self):
        """Start all, and wait until they know of each other."""
        master, replica = self.servers
        master.start()
        replica.start()
        replica.ask("REPLICAOF", "127.0.0.1", str(master.port))
        deadline = time.monotonic() + PATIENCE
        while b"master_link_status:up" not in (said := replica.ask("INFO", "replication")):
            assert time.monotonic() < deadline, said
        for each in self.sentinels:
            each.start()
        self.untilKnown()

    def untilKnown(self):
        """Wait until every sentinel knows all others, and the replica."""
        wanted = {"num-slaves": "1", "num-other-sentinels": "2", "flags": "master"}
        deadline = time.monotonic() + PATIENCE
        for each in self.sentinels:
            while True:
                words = each.ask("SENTINEL", "MASTER", NAME).decode().split("\r\n")[2::2]
                state = dict(zip(words[::2], words[1::2], strict=False))
                if state.items() >= wanted.items():
                    break
                assert time.monotonic() < deadline, state

    @property
    def master(self):
        """Who is the master now, by the word of the sentinels."""
        said = self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        (found,) = (each for each in self.servers if b"\r\n%d\r\n" % each.port in said)
        return found

    def ask(self, *words):
        """Ask the master."""
        return self.master.ask(*words)

    def kill(self):
        """End them all."""
        for each in (*self.sentinels, *self.servers):
            each.kill()
