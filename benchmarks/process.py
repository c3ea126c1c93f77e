"""Processes to measure: started, pinned to a core, and read from outside."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from benchmarks.peers import Peer

# A server that has not said its port by then has failed.
START = 30.0

# One that has not ended by then is killed.
END = 5.0


@dataclass(frozen=True)
class Cores:
    """Where servers run and where the generator does; None if the system does not let us choose."""

    server: int | None
    generator: int | None

    @classmethod
    def choose(cls) -> Cores:
        """Two cores that are not the two threads of one, if there are such."""
        if not hasattr(os, "sched_setaffinity"):
            return cls(None, None)
        allowed = sorted(os.sched_getaffinity(0))
        server = allowed[0]
        others = [core for core in allowed if core not in _siblings(server)]
        if not others:
            others = [core for core in allowed if core != server]
        return cls(server, others[0]) if others else cls(None, None)


def _siblings(core: int) -> set[int]:
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        listed = path.read_text().strip()
    except OSError:
        return {core}
    found = set()
    for part in listed.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def pin(core: int | None, pid: int = 0) -> None:
    """Keep a process, or this one, on a core."""
    if core is not None:
        os.sched_setaffinity(pid, {core})


def raiseDescriptorLimit() -> int:
    """Let this process and its children have all the descriptors they may; returns how many."""
    try:
        import resource
    except ImportError:
        return 512
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1_000_000 if hard == resource.RLIM_INFINITY else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return wanted


@dataclass(frozen=True)
class Usage:
    """What a process has taken so far, in seconds.

    Attributes:
        cpu: Of its core.
        kernel: Of that, what system calls took; 0 if it is not known.
        waited: For a core that others had; 0 if it is not known.
    """

    cpu: float
    kernel: float
    waited: float

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.cpu + other.cpu, self.kernel + other.kernel, self.waited + other.waited)


def usage(pid: int) -> Usage:
    """By the scheduler's account where there is one (Linux, in nanoseconds), else by ``ps``."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        times = [_schedstat(f"/proc/{pid}/task/{task}/schedstat") for task in tasks]
    except OSError:
        return Usage(_seconds(_ps(pid, "cputime")), 0.0, 0.0)
    return Usage(sum(cpu for cpu, _ in times), _kernel(pid), sum(waited for _, waited in times))


def _kernel(pid: int) -> float:
    # The second field is the program's name, and may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[12]) / os.sysconf("SC_CLK_TCK")


def _schedstat(path: str) -> tuple[float, float]:
    cpu, waited, _ = Path(path).read_text().split()
    return int(cpu) / 1e9, int(waited) / 1e9


def family(pid: int) -> list[int]:
    """A process and all that came of it, where that can be told; else the process alone."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, ())
    return found


def memory(pid: int) -> int:
    """The resident memory of a process, in bytes."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return int(_ps(pid, "rss")) * 1024
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("Rss:"))
    return int(kilobytes) * 1024


def _ps(pid: int, column: str) -> str:
    command = ["ps", "-o", f"{column}=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _seconds(cputime: str) -> float:
    days, _, rest = cputime.rpartition("-")
    total = 0.0
    for part in rest.split(":"):
        total = total * 60 + float(part)
    return total + 86400 * int(days or 0)


class Server:
    """A peer's process, from its start to its end; use it in a ``with`` statement.

    If it starts others before it says its port, those count as part of it.

    Args:
        peer: Whose.
        app: Which of its applications.
        core: Where it is to run.
    """

    def __init__(self, peer: Peer, app: str, core: int | None = None) -> None:
        self.peer = peer
        self.app = app
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        self._process = subprocess.Popen(
            peer.command(app),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **peer.environment},
            cwd=Path(__file__).parent,
        )
        self.pid = self._process.pid
        pin(core, self.pid)
        self._port = 0
        self._family = [self.pid]

    @property
    def port(self) -> int:
        """Where it listens; waits until it does."""
        if not self._port:
            assert self._process.stdout is not None
            # readline has no time limit of its own.
            timer = threading.Timer(START, self._process.kill)
            timer.start()
            word, _, port = self._process.stdout.readline().decode().partition(" ")
            timer.cancel()
            if word != "PORT":
                raise RuntimeError(f"{self.peer.name} did not start:\n{self.said()}")
            self._port = int(port)
            self._family = family(self.pid)
        return self._port

    def said(self) -> str:
        """What it has written to its standard error."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def usage(self) -> Usage:
        """See :func:`usage`."""
        return sum(map(usage, self._family), Usage(0.0, 0.0, 0.0))

    def settled(self) -> Usage:
        """The usage once it is idle: before, its last moments may not be in the account."""
        found, before = self.usage(), None
        while before is None or found.cpu != before.cpu:
            time.sleep(0.02)
            found, before = self.usage(), found
        return found

    def memory(self) -> int:
        """See :func:`memory`."""
        return sum(map(memory, self._family))

    def stop(self) -> None:
        """End it: all of them do at the end of their input, and end what they have started."""
        try:
            self._process.communicate(timeout=END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._log.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.stop()
