"""``python -m benchmarks.soak``: connections come and go in waves; nothing may stay of them.

Every client shakes hands, subscribes to two topics, hears an event, calls, unsubscribes and closes;
one in ten just vanishes. After each wave the server says what it holds after a full garbage
collection, on a connection of its own, and its memory is read from outside. A few more waves run
under tracemalloc, which sees to the byte what is left.

The result is 1 if an object of ours stays alive, or if memory grows after the first waves.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from typing import Any

from benchmarks import wire
from benchmarks.load import Client, LoadError, goodbye
from benchmarks.peers import ours
from benchmarks.process import Server, raiseDescriptorLimit
from benchmarks.scenarios import PROCEDURE, TOPIC, call, say, subscribe, wampConnect

# The first waves fill pools and caches.
SETTLING = 2

# What may grow without anything being kept: the allocator's own pages, the interpreter's caches.
RESIDENT = 0.05
TRACED = 65536

TRACED_WAVES = 4


@dataclass(frozen=True)
class Census:
    """What the server holds after a wave.

    Attributes:
        connections: How many have come and gone so far.
        objects: Of each class of ours, and of Twisted's transports, how many.
        resident: The memory of the process, in bytes.
        traced: What tracemalloc has seen allocated and not freed, in bytes.
    """

    connections: int
    objects: dict[str, int]
    resident: int
    traced: int


class Soak:
    """A server, and a connection to ask it.

    Args:
        server: Ours, with the application ``soak``.
        say: Gets a line about each wave.
    """

    def __init__(self, server: Server, say: Any = print) -> None:
        self._server = server
        self._say = say
        self._connections = 0
        (self._asking,) = wampConnect(server.port, 1)
        self._empty = self._count()["objects"]

    def waves(self, count: int, size: int) -> list[Census]:
        """So many waves of so many connections."""
        found = []
        for _ in range(count):
            self._wave(size)
            self._connections += size
            found.append(self._census())
            self._say(
                f"{self._connections:>9,} connections: {found[-1].resident / 2**20:7.2f} MiB, "
                f"{sum(found[-1].objects.values())} objects"
                + (f", {found[-1].traced:,} bytes traced" if found[-1].traced else "")
            )
        return found

    def trace(self) -> None:
        """From now on with tracemalloc."""
        call(self._asking, "trace")

    def left(self, census: Census) -> dict[str, int]:
        """Of which class there are more than before the first wave."""
        return {
            name: more
            for name, count in census.objects.items()
            if (more := count - self._empty.get(name, 0)) > 0
        }

    def close(self) -> None:
        """Ask no more."""
        self._asking.close()

    def _wave(self, size: int) -> None:
        clients = wampConnect(self._server.port, size)
        own = [f"http://example.com/user/{at}" for at in range(size)]
        subscribe(clients, lambda at: [TOPIC, own[at]])
        event = wire.text(32, self._connections)
        clients[0].sendAll(say([7, TOPIC, event]))
        for client in clients:
            if client.message() != b'[8,"%s","%s"]' % (TOPIC.encode(), event.encode()):
                raise LoadError("a subscriber has heard something else")
        staying, vanishing = _split(clients)
        for at, client in enumerate(staying):
            client.sendAll(say([6, TOPIC]))
            if call(client, PROCEDURE, at) != [at]:
                raise LoadError("a call has had another's result")
        for client in vanishing:
            client.close()
        goodbye(staying)

    def _census(self) -> Census:
        # Those who have vanished may not have been noticed yet.
        for _ in range(50):
            found = self._count()
            census = Census(
                self._connections, found["objects"], self._server.memory(), found["traced"]
            )
            if not self.left(census):
                break
            time.sleep(0.02)
        return census

    def _count(self) -> dict[str, Any]:
        counted: dict[str, Any] = call(self._asking, "census")
        return counted


def _split(clients: list[Client]) -> tuple[list[Client], list[Client]]:
    vanishing = clients[::10]
    return [client for client in clients if client not in set(vanishing)], vanishing


def faults(soak: Soak, plain: list[Census], traced: list[Census]) -> list[str]:
    """What is not as it should be."""
    found = [
        f"after {census.connections:,} connections there are still {left}"
        for census in (*plain, *traced)
        if (left := soak.left(census))
    ]
    settled = plain[min(SETTLING, len(plain)) - 1].resident
    if plain[-1].resident > settled * (1 + RESIDENT):
        found.append(f"the process grew from {settled:,} to {plain[-1].resident:,} bytes")
    if len(traced) > 1 and (more := traced[-1].traced - traced[1].traced) > TRACED:
        found.append(f"tracemalloc has seen {more:,} bytes grow")
    return found


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--connections", type=int, default=200_000, help="in all (%(default)s)")
    parser.add_argument("--wave", type=int, default=2_000, help="at a time (%(default)s)")
    options = parser.parse_args(arguments)
    size = min(options.wave, raiseDescriptorLimit() - 200)
    with Server(ours(), "soak") as server:
        try:
            soak = Soak(server)
            plain = soak.waves(max(options.connections // size, 1), size)
            soak.trace()
            traced = soak.waves(TRACED_WAVES, size)
            soak.close()
        except (LoadError, OSError) as error:
            print(f"{error!r}\n{server.said()}")
            return 1
        found = faults(soak, plain, traced)
    print("\n".join(found) if found else "Nothing has stayed.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
