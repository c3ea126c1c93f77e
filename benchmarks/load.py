"""The load generator: raw sockets, frames made in advance, and a poll that never sleeps.

It is to be no bottleneck, and to disturb what it measures as little as it can:

- It polls without waiting. A generator that sleeps has to be woken by the server's own ``send``,
  which costs the server up to 20 us.
- Requests and the answers that are due to them are bytes in memory before the clock starts. What
  is left for a message is one ``recv``, one comparison of bytes and one ``send``.
- It counts how long it found nothing to do. What it was busy for, by messages, is its own limit:
  the rate at which it would drive a server that takes no time at all.
"""

from __future__ import annotations

import gc
import re
import select
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from benchmarks import wire

# Longer than this without any answer, and the server is taken to have failed.
PATIENCE = 20.0

# Requests that each connection takes turns with.
VARIANTS = 4

_READ = 262144

clock = time.perf_counter
# Without the time in which other processes had our core.
ownTime = time.thread_time


class LoadError(Exception):
    """The server has not done what it was measured at."""


@dataclass
class Sample:
    """What one run of a load has seen, from the client's side.

    Attributes:
        messages: How many the server has handled.
        wall: How long it took, in seconds.
        busy: What the generator itself took of it, in seconds of its CPU.
        latencies: Of all requests, in seconds.
    """

    messages: int
    wall: float
    busy: float
    latencies: list[float] = field(repr=False)


class Poller:
    """epoll where there is one, else what :mod:`selectors` has; never waits."""

    def __init__(self) -> None:
        self.add: Callable[[socket.socket], object]
        self.remove: Callable[[Any], object]
        self.poll: Callable[[], list[Any]]
        if hasattr(select, "epoll"):
            epoll = select.epoll()
            poll = epoll.poll
            self.add = lambda sock: epoll.register(sock.fileno(), select.EPOLLIN)
            self.poll = lambda: poll(0)
            self.remove = epoll.unregister
            self.close = epoll.close
        else:
            selector = selectors.DefaultSelector()
            self.add = lambda sock: selector.register(sock, selectors.EVENT_READ)
            self.poll = lambda: [(key.fd, 0) for key, _ in selector.select(0)]
            self.remove = selector.unregister
            self.close = selector.close
        self.idle = 0.0

    def wait(self) -> list[Any]:
        """What can be read, as soon as there is anything."""
        poll = self.poll
        events = poll()
        if not events:
            begun, spent = clock(), ownTime()
            while not events:
                if clock() - begun > PATIENCE:
                    raise LoadError(f"no answer in {PATIENCE:.0f} s")
                events = poll()
            self.idle += ownTime() - spent
        return events


class Client:
    """One connection, and what it is to hear next."""

    __slots__ = ("awaited", "fd", "recv", "rest", "script", "send", "sentAt", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.recv = sock.recv
        self.send = sock.send
        self.rest = b""
        self.sentAt = 0.0
        self.awaited = b""
        self.script: Iterator[tuple[bytes, bytes]] = iter(())

    def sendAll(self, data: bytes) -> None:
        """Send what may be more than the socket takes at once."""
        while data:
            try:
                data = data[self.send(data) :]
            except BlockingIOError:
                continue

    def message(self) -> bytes:
        """The payload of the next frame; waits for it."""
        self.sock.settimeout(PATIENCE)
        while (found := wire.unframe(self.rest)) is None:
            self.rest += _received(self.recv(_READ))
        self.sock.setblocking(False)
        _, payload, self.rest = found
        return payload

    def close(self) -> None:
        """Drop the connection."""
        self.sock.close()


def _received(data: bytes) -> bytes:
    if not data:
        raise LoadError("the server has closed a connection")
    return data


def open(port: int) -> socket.socket:
    """A socket that is connected."""
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def connect(
    port: int, count: int, protocol: str | None = None, canned: bool = False
) -> list[Client]:
    """Connections after their handshakes.

    Args:
        port: The server's.
        count: How many.
        protocol: The WebSocket subprotocol that they ask for.
        canned: The server answers without having read what it is sent.
    """
    clients: list[Client] = []
    try:
        while len(clients) < count:
            started = []
            for _ in range(min(50, count - len(clients))):
                client = Client(open(port))
                clients.append(client)
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _READ)
                key, accept = wire.newKey()
                client.sock.sendall(wire.upgrade(key, protocol))
                started.append((client, accept))
            for client, accept in started:
                while b"\r\n\r\n" not in client.rest:
                    client.rest += _received(client.recv(4096))
                head, _, client.rest = client.rest.partition(b"\r\n\r\n")
                _checkHandshake(head, accept, canned)
                client.sock.setblocking(False)
    except BaseException:
        for client in clients:
            client.close()
        raise
    return clients


def _checkHandshake(head: bytes, accept: bytes, canned: bool) -> None:
    if not head.startswith(b"HTTP/1.1 101 ") or not (canned or accept in head):
        raise LoadError(f"a handshake was answered with {head!r}")


class Load:
    """Something to measure; :meth:`run` may be called again and again."""

    poller: Poller
    clients: Sequence[Client]

    def run(self, seconds: float) -> Sample:
        """Load the server for about so long."""
        gc.collect()
        gc.disable()
        self.poller.idle = 0.0
        latencies: list[float] = []
        try:
            begun, spent = clock(), ownTime()
            messages = self.pump(begun + seconds, latencies.append)
            wall, spent = clock() - begun, ownTime() - spent
        finally:
            gc.enable()
        return Sample(messages, wall, spent - self.poller.idle, latencies)

    def pump(self, until: float, record: Callable[[float], object]) -> int:
        """Go on until that time; returns how many messages the server has handled."""
        raise NotImplementedError

    def finish(self) -> None:
        """Wait for what is due, then drop the connections."""
        self.close()

    def close(self) -> None:
        """Drop the connections."""
        for client in self.clients:
            client.close()
        self.poller.close()


class Ask(Load):
    """Each connection asks, and when it has its answer asks the next.

    Args:
        clients: The connections.
        scripts: For each what it asks, with the exact bytes of the answer.
        weight: How many messages one of those requests is.
    """

    def __init__(
        self,
        clients: Sequence[Client],
        scripts: Sequence[Sequence[tuple[bytes, bytes]]],
        weight: int = 1,
    ) -> None:
        self.poller = Poller()
        self.clients = clients
        self.weight = weight
        self._byFd = {client.fd: client for client in clients}
        for client, script in zip(clients, scripts, strict=True):
            client.script = cycle(script)
            self.poller.add(client.sock)
        self._begun = False

    def pump(self, until: float, record: Callable[[float], object]) -> int:
        byFd, wait, answered = self._byFd, self.poller.wait, 0
        if not self._begun:
            self._begun = True
            for client in self.clients:
                request, client.awaited = next(client.script)
                client.sentAt = clock()
                client.sendAll(request)
        now = 0.0
        while now < until:
            for fd, _ in wait():
                client = byFd[fd]
                data = client.recv(_READ)
                if data != client.awaited and not complete(client, data):
                    continue
                now = clock()
                record(now - client.sentAt)
                client.sentAt = now
                request, client.awaited = next(client.script)
                if client.send(request) != len(request):
                    raise LoadError("a request did not fit into the socket")
                answered += 1
        return answered * self.weight

    def finish(self) -> None:
        """Wait for the answers that are due, then drop the connections."""
        due = set(self._byFd) if self._begun else set()
        while due:
            for fd, _ in self.poller.wait():
                client = self._byFd[fd]
                if complete(client, client.recv(_READ)):
                    due.discard(fd)
        self.close()


def complete(client: Client, data: bytes) -> bool:
    """Whether this completes the answer; raises if it is another one."""
    data = client.rest + _received(data)
    if data == client.awaited:
        client.rest = b""
        return True
    if len(data) < len(client.awaited) and client.awaited.startswith(data):
        client.rest = data
        return False
    raise LoadError(f"got {data[:200]!r}, not {client.awaited[:200]!r}")


# The exact bytes of a frame, or what they are to match: then they are the same for all.
Due = bytes | re.Pattern[bytes]


class Broadcast(Load):
    """One connection says something, all of them hear it, then it says the next.

    A latency is the time until the last has heard.

    Args:
        clients: The connections.
        script: What the first one sends, with what the others get: each of them one of those, the
            same for all who speak the same protocol.
    """

    def __init__(
        self, clients: Sequence[Client], script: Sequence[tuple[bytes, Sequence[Due]]]
    ) -> None:
        self.poller = Poller()
        self.clients = clients
        self._script = cycle(script)
        self._byFd = {client.fd: client for client in clients}
        for client in clients:
            self.poller.add(client.sock)

    def pump(self, until: float, record: Callable[[float], object]) -> int:
        byFd, wait, count = self._byFd, self.poller.wait, len(self.clients)
        publish, rounds, now = self.clients[0].sendAll, 0, 0.0
        while now < until:
            request, due = next(self._script)
            awaited = [one for one in due if isinstance(one, bytes)]
            sent, missing = clock(), count
            publish(request)
            while missing:
                for fd, _ in wait():
                    client = byFd[fd]
                    data = client.recv(_READ)
                    if data not in awaited and not _heard(client, data, due, awaited):
                        continue
                    missing -= 1
            now = clock()
            record(now - sent)
            rounds += 1
        return rounds * count


def _heard(client: Client, data: bytes, due: Sequence[Due], awaited: list[bytes]) -> bool:
    """Whether this completes the event; raises if it is another one.

    The first event that matches a pattern is from then on awaited of all.
    """
    data = client.rest + _received(data)
    if data not in awaited:
        if wire.unframe(data) is None:
            client.rest = data
            return False
        patterns = [one for one in due if not isinstance(one, bytes)]
        if len(awaited) == len(due) or not any(one.fullmatch(data) for one in patterns):
            raise LoadError(f"got {data[:200]!r}, not {due}")
        awaited.append(data)
    client.rest = b""
    return True


class Visit(Load):
    """Connections come, shake hands, say goodbye and go, so many of them at a time.

    Args:
        port: The server's.
        count: How many at a time.
        canned: See :func:`connect`.
    """

    goodbye = wire.masked(wire.CLOSE, wire.CLOSE_NORMAL)

    def __init__(self, port: int, count: int, canned: bool = False) -> None:
        self.poller = Poller()
        self._port = port
        self._count = count
        self._canned = canned
        self._byFd: dict[int, Client] = {}
        # Made in advance; a key may be used again, by another connection.
        self._requests = cycle(
            [(wire.upgrade(key, None), accept) for key, accept in map(_key, range(64))]
        )

    @property
    def clients(self) -> list[Client]:  # type: ignore[override]
        """Those who are there."""
        return list(self._byFd.values())

    def pump(self, until: float, record: Callable[[float], object]) -> int:
        visits, now = 0, 0.0
        while len(self._byFd) < self._count:
            self._come()
        while now < until:
            for fd, _ in self.poller.wait():
                client = self._byFd[fd]
                if self._heard(client):
                    now = clock()
                    record(now - client.sentAt)
                    visits += 1
                    self._come()
        return visits

    def finish(self) -> None:
        """Let the last ones go."""
        while self._byFd:
            for fd, _ in self.poller.wait():
                self._heard(self._byFd[fd])
        self.close()

    def _come(self) -> None:
        begun = clock()
        sock = open(self._port)
        sock.setblocking(False)
        client = Client(sock)
        client.sentAt = begun
        request, client.awaited = next(self._requests)
        client.send(request)
        self._byFd[client.fd] = client
        self.poller.add(sock)

    def _heard(self, client: Client) -> bool:
        """Take what has come; whether the visit is over."""
        try:
            data = client.recv(_READ)
        except ConnectionResetError:
            data = b""
        if data:
            client.rest += data
            if client.awaited and b"\r\n\r\n" in client.rest:
                head, _, client.rest = client.rest.partition(b"\r\n\r\n")
                _checkHandshake(head, client.awaited, self._canned)
                client.awaited = b""
                client.send(self.goodbye)
            return False
        frame = wire.unframe(client.rest)
        if frame is None or frame[0] != wire.CLOSE or frame[1][:2] != wire.CLOSE_NORMAL:
            raise LoadError(f"a close was answered with {client.rest!r}")
        self.poller.remove(client.fd)
        del self._byFd[client.fd]
        client.close()
        return True


def _key(_: int) -> tuple[bytes, bytes]:
    return wire.newKey()


def goodbye(clients: Sequence[Client]) -> None:
    """Close connections as a client should; returns when the server has closed them all."""
    poller = Poller()
    byFd = {client.fd: client for client in clients}
    for client in clients:
        poller.add(client.sock)
        client.sendAll(Visit.goodbye)
    while byFd:
        for fd, _ in poller.wait():
            # Before its answer may come what the server has sent before.
            if not byFd[fd].recv(_READ):
                poller.remove(fd)
                byFd.pop(fd).close()
    poller.close()
