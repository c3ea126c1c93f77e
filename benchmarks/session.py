"""A whole run: all peers, all scenarios, round by round."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks import report
from benchmarks.load import LoadError
from benchmarks.peers import Peer
from benchmarks.process import Cores, Server, pin, raiseDescriptorLimit
from benchmarks.scenarios import (
    LAYERED,
    SCENARIOS,
    Scenario,
    Settings,
    closing,
    idleMemory,
    run,
    servable,
)

# In how many rounds memory is measured: it hardly varies.
MEMORY_ROUNDS = 2


# What a server that fails is noticed by.
FAILURES = (LoadError, OSError)


class Session:
    """Measures peers, and keeps what it finds in :attr:`results`.

    Args:
        peers: Who; those that are missing here are named as skipped.
        scenarios: What.
        settings: How much.
        extras: Whether also memory, layers and closing are measured.
        say: Gets a line about what is going on.
    """

    def __init__(
        self,
        peers: Sequence[Peer],
        scenarios: Sequence[Scenario] = SCENARIOS,
        settings: Settings | None = None,
        extras: bool = True,
        say: Callable[[str], object] = print,
    ) -> None:
        missing = {peer.name: reason for peer in peers if (reason := peer.missing())}
        self.peers = [peer for peer in peers if peer.name not in missing]
        self.scenarios = scenarios
        self.extras = extras
        self._say = say
        limit = raiseDescriptorLimit()
        settings = settings or Settings()
        # Each of the two processes has a descriptor for each connection.
        self.settings = dataclasses.replace(
            settings,
            idle=min(settings.idle, (limit - 200) * 19 // 20),
            subscribers=min(settings.subscribers, limit - 200),
        )
        self.cores = Cores.choose()
        self.results: dict[str, Any] = {
            "date": time.strftime("%Y-%m-%d"),
            "machine": report.machine(),
            "settings": dataclasses.asdict(self.settings),
            "cores": dataclasses.asdict(self.cores),
            "peers": {
                peer.name: {
                    "title": peer.title,
                    "versions": peer.versions(),
                    "floor": peer.floor,
                }
                for peer in self.peers
            },
            "skipped": missing,
            "failed": [],
            "runs": [],
            "memory": [],
            "closing": [],
        }

    def run(self) -> dict[str, Any]:
        """All rounds; returns the results."""
        allowed = os.sched_getaffinity(0) if self.cores.generator is not None else set()
        pin(self.cores.generator)
        try:
            for round in range(self.settings.rounds):
                self._round(round)
        finally:
            if allowed:
                os.sched_setaffinity(0, allowed)
        return self.results

    def _round(self, round: int) -> None:
        with ExitStack() as stack:
            # All start at once, and wait without a turn of the core until they are measured.
            servers = {
                (peer.name, program): stack.enter_context(Server(peer, app, self.cores.server))
                for peer in self.peers
                for program, app in self._apps(peer).items()
            }
            for server in servers.values():
                # Reading the port waits until it listens.
                self._say(f"round {round + 1}: {server.peer.name} {server.app}: {server.port}")
            for scenario in self.scenarios:
                able = [peer for peer in self.peers if servable(peer, scenario)]
                # Each round begins with another one.
                for peer in able[round % max(len(able), 1) :] + able[: round % max(len(able), 1)]:
                    server = servers[peer.name, peer.apps[scenario.app]]
                    self._measure(scenario, server, scenario.key, round)
            for name, app in servers:
                if app == LAYERED.app and (name, "echo") in servers:
                    for _ in range(2):
                        self._measure(LAYERED, servers[name, "echo"], "no-layers", round)
                        self._measure(LAYERED, servers[name, app], "layers", round)
        if self.extras and round < MEMORY_ROUNDS:
            for peer in self.peers:
                self._memory(peer, round)
        if self.extras:
            for peer in self.peers:
                if "wamp" in peer.apps:
                    self._closing(peer, round)

    def _apps(self, peer: Peer) -> dict[str, str]:
        """The programs that are wanted of it, each with an application: one may serve several."""
        wanted = {scenario.app for scenario in self.scenarios}
        if self.extras:
            wanted.add(LAYERED.app)
            wanted.add("echo")
        return {program: app for app, program in peer.apps.items() if app in wanted}

    def _measure(self, scenario: Scenario, server: Server, key: str, round: int) -> None:
        try:
            found = run(scenario, server, self.settings)
        except FAILURES as error:
            self._failed(f"{server.peer.name}, {key}", error, server)
            return
        found = {"scenario": key, "peer": server.peer.name, "round": round, **found}
        self.results["runs"].append(found)
        cost = found["cpu"] / found["messages"] * 1e6
        rate = found["messages"] / found["wall"]
        self._say(
            f"round {round + 1}: {key}: {server.peer.name}: {cost:.2f} us CPU, {rate:,.0f} a second"
        )

    def _failed(self, what: str, error: Exception, server: Server) -> None:
        # The other measurements are not to be lost for it.
        self.results["failed"].append(f"{what}: {error}\n{server.said()}")
        self._say(self.results["failed"][-1])

    def _memory(self, peer: Peer, round: int) -> None:
        kinds = {"websocket": ("echo", None), "common": ("wamp", "common"), "own": ("wamp", "own")}
        for kind, (app, wamp) in kinds.items():
            if app not in peer.apps:
                continue
            with Server(peer, app, self.cores.server) as server:
                try:
                    found = idleMemory(server, self.settings, wamp)
                except FAILURES as error:
                    self._failed(f"{peer.name}, memory", error, server)
                    continue
            self.results["memory"].append(
                {"peer": peer.name, "kind": kind, "round": round, **found}
            )
            size = found["bytes"] / 1024
            self._say(f"round {round + 1}: memory: {peer.name} {kind}: {size:.2f} KiB a connection")

    def _closing(self, peer: Peer, round: int) -> None:
        for topics in (0, self.settings.topics):
            with Server(peer, "wamp", self.cores.server) as server:
                try:
                    found = closing(server, self.settings, topics)
                except FAILURES as error:
                    self._failed(f"{peer.name}, close", error, server)
                    continue
            self.results["closing"].append({"peer": peer.name, "round": round, **found})
            spent = found["cpu"] * 1e6
            self._say(f"round {round + 1}: close: {topics} topics elsewhere: {spent:.1f} us CPU")
