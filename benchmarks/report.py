"""What a run has found: summaries, tables and charts."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.peers import CROSSBAR, OURS, REFERENCE, ROOT
from benchmarks.scenarios import LAYERS, SCENARIOS

Results = dict[str, Any]

# Less than this share of the time at work, and the server has waited for the generator.
BUSY = 0.9

# More than this share of a run taken by other processes, and its figures are not to be trusted.
DISTURBED = 0.05

# What a table has where there is no figure; a dash alone would begin a list.
NOTHING = r"\-"

TITLES = {scenario.key: scenario.title for scenario in SCENARIOS}
UNITS = {scenario.key: scenario.unit for scenario in SCENARIOS}


def machine() -> dict[str, Any]:
    """Where this runs, and what."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "revision": revision(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def revision() -> str:
    """Of the checkout, if it is one."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


@dataclass(frozen=True)
class Spread:
    """The middle of some values, and how far they go."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """None of none."""
        listed = list(values)
        return cls(median(listed), min(listed), max(listed)) if listed else None


class Summary:
    """Reads results."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self._runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for run in results["runs"]:
            self._runs.setdefault((run["scenario"], run["peer"]), []).append(run)

    @property
    def peers(self) -> list[str]:
        """All that were measured."""
        return list(self.results["peers"])

    def title(self, peer: str) -> str:
        """For tables."""
        return str(self.results["peers"][peer]["title"])

    def isFloor(self, peer: str) -> bool:
        """Whether it is no server, but what none can be faster than."""
        return bool(self.results["peers"][peer]["floor"])

    def scenarios(self) -> list[str]:
        """Those that were measured."""
        measured = {scenario for scenario, _ in self._runs}
        return [key for key in TITLES if key in measured]

    def runs(self, scenario: str, peer: str) -> list[dict[str, Any]]:
        """One for each round, in their order."""
        return self._runs.get((scenario, peer), [])

    def cpu(self, scenario: str, peer: str) -> Spread | None:
        """Microseconds of the server's CPU for each message."""
        return Spread.of(_cost(run) for run in self.runs(scenario, peer))

    def middle(self, scenario: str, peer: str, read: Callable[[dict[str, Any]], float]) -> float:
        """The median over the rounds of anything else."""
        return median(read(run) for run in self.runs(scenario, peer))

    def ratio(
        self, scenario: str, peer: str, reference: str = REFERENCE, other: str | None = None
    ) -> Spread | None:
        """How many times as fast as another one, by the CPU of both in the same round.

        Args:
            scenario: What the peer did.
            peer: Who.
            reference: Who it is compared with.
            other: What that one did, if it was not the same.
        """
        theirs = {run["round"]: run for run in self.runs(other or scenario, reference)}
        return Spread.of(
            _cost(theirs[run["round"]]) / _cost(run)
            for run in self.runs(scenario, peer)
            if run["round"] in theirs
        )

    def memory(self, peer: str, kind: str) -> Spread | None:
        """Bytes for each idle connection."""
        found = self.results["memory"]
        return Spread.of(m["bytes"] for m in found if (m["peer"], m["kind"]) == (peer, kind))

    def idle(self, peer: str, kind: str, what: str) -> Spread | None:
        """Of a broadcast to all idle connections, in microseconds; see ``idleMemory``."""
        found = self.results["memory"]
        return Spread.of(
            m[what] * 1e6 for m in found if (m["peer"], m["kind"]) == (peer, kind) and what in m
        )

    def closing(self, withTopics: bool) -> Spread | None:
        """Microseconds to close a connection."""
        found = [one for one in self.results["closing"] if one["peer"] == OURS]
        return Spread.of(one["cpu"] * 1e6 for one in found if bool(one["topics"]) is withTopics)

    def layer(self) -> Spread | None:
        """Microseconds for each message and layer more."""
        pairs = zip(self.runs("layers", OURS), self.runs("no-layers", OURS), strict=False)
        return Spread.of((_cost(more) - _cost(none)) / LAYERS for more, none in pairs)

    def disturbed(self) -> float:
        """The share of the runs whose figures other processes have spoilt."""
        runs = self.results["runs"]
        spoilt = [run for run in runs if run["disturbed"] > DISTURBED * run["wall"]]
        return len(spoilt) / len(runs) if runs else 0.0


def _cost(run: dict[str, Any]) -> float:
    return float(run["cpu"] / run["messages"] * 1e6)


def _busy(run: dict[str, Any]) -> float:
    return float(run["cpu"] / run["wall"])


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table to read as it stands, which is also one of reStructuredText."""
    listed = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *listed, strict=True)]
    rule = "  ".join("=" * width for width in widths)
    lines = [rule, _line(header, widths), rule, *(_line(row, widths) for row in listed), rule]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = cells
    padded = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
    return "  ".join([first.ljust(widths[0]), *padded]).rstrip()


def number(value: float) -> str:
    """Three digits of it."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(found: Spread | None, unit: str = "") -> str:
    """The middle, and from where to where."""
    if found is None:
        return NOTHING
    return f"{number(found.middle)}{unit} ({number(found.low)} to {number(found.high)})"


def costs(summary: Summary) -> str:
    """The main table: microseconds for a message."""
    keys = summary.scenarios()
    rows = []
    for peer in summary.peers:
        cells = []
        for key in keys:
            cost = summary.cpu(key, peer)
            waiting = cost and summary.middle(key, peer, _busy) < BUSY
            cells.append(f"{number(cost.middle)}{'*' if waiting else ''}" if cost else NOTHING)
        rows.append([summary.title(peer), *cells])
    return table(["us of server CPU", *keys], rows)


def ratios(summary: Summary) -> str:
    """How many times as fast as the reference."""
    keys = [key for key in summary.scenarios() if summary.runs(key, REFERENCE)]
    rows = [
        [summary.title(peer), *(spread(summary.ratio(key, peer)) for key in keys)]
        for peer in summary.peers
        if any(summary.runs(key, peer) for key in keys)
    ]
    return table([f"times {REFERENCE}", *keys], rows)


def rates(summary: Summary) -> str:
    """Messages a second, as the generator has counted them."""
    keys = summary.scenarios()
    rows = [
        [
            summary.title(peer),
            *(
                f"{summary.middle(key, peer, lambda run: run['messages'] / run['wall']):,.0f}"
                if summary.runs(key, peer)
                else NOTHING
                for key in keys
            ),
        ]
        for peer in summary.peers
    ]
    return table(["a second", *keys], rows)


def latencies(summary: Summary) -> str:
    """Median and 99th percentile under that load."""
    keys = summary.scenarios()
    rows = [
        [
            summary.title(peer),
            *(
                " / ".join(
                    number(summary.middle(key, peer, lambda run, p=p: run[p] * 1e3))  # type: ignore[misc]
                    for p in ("p50", "p99")
                )
                if summary.runs(key, peer)
                else NOTHING
                for key in keys
            ),
        ]
        for peer in summary.peers
    ]
    return table(["ms, p50 / p99", *keys], rows)


def memories(summary: Summary) -> str:
    """KiB for each idle connection."""
    kinds = {"websocket": "WebSocket", "common": "WAMP, 2 topics", "own": "WAMP, 1 own topic"}
    rows = []
    for peer in summary.peers:
        found = [summary.memory(peer, kind) for kind in kinds]
        if any(found):
            cells = (f"{one.middle / 1024:.2f}" if one else NOTHING for one in found)
            rows.append([summary.title(peer), *cells])
    return table(["KiB a connection", *kinds.values()], rows)


def broadcasts(summary: Summary) -> str:
    """What it takes to tell all idle connections something."""
    kinds = {"common": "WAMP, 2 topics", "own": "WAMP, 1 own topic"}
    rows = []
    for peer in summary.peers:
        for what, unit, scale in (
            ("broadcast", "us of CPU for each", 1),
            ("heard", "ms until the last has heard it", 1000),
        ):
            found = [summary.idle(peer, kind, what) for kind in kinds]
            if any(found):
                cells = (number(one.middle / scale) if one else NOTHING for one in found)
                rows.append([f"{summary.title(peer)}, {unit}", *cells])
    return table(["one event to all", *kinds.values()], rows) if rows else ""


def generator(summary: Summary) -> str:
    """What the load generator can do, and how long the servers were at work meanwhile."""
    rows = []
    for key in summary.scenarios():
        servers = [peer for peer in summary.peers if summary.runs(key, peer)]
        own = min(
            summary.middle(key, peer, lambda run: run["generator"] / run["messages"] * 1e6)
            for peer in servers
        )
        busy = {peer: summary.middle(key, peer, _busy) for peer in servers}
        ours = f"{busy[OURS]:.0%}" if OURS in busy else NOTHING
        least = min(busy, key=lambda peer: busy[peer])
        rows.append([key, number(own), f"{1e6 / own:,.0f}", ours, f"{busy[least]:.0%}", least])
    header = ["generator", "us a message", "limit a second", "we at work", "least at work", "who"]
    return table(header, rows)


def remains(summary: Summary) -> str:
    """Of what our figures are made: the kernel, Python's sockets, Twisted, and what is ours."""
    rows = []
    for key in summary.scenarios():
        costs = [summary.cpu(key, peer) for peer in (OURS, "floor-direct", "epoll")]
        if not all(costs):
            continue
        own, twisted, bare = (cost.middle for cost in costs if cost)
        kernel = summary.middle(key, OURS, lambda run: run["kernel"] / run["cpu"])
        cells = (own, bare, twisted - bare, own - twisted)
        rows.append([key, *map(number, cells), f"{kernel:.0%}"])
    header = ["us", "ours", "sockets and epoll", "Twisted adds", "we add", "kernel's share of ours"]
    return table(header, rows) if rows else ""


def goals(summary: Summary) -> str:
    """The goals of the project, and what came of them."""
    rows = []

    def row(work: str, wanted: str, found: Spread | None, shown: str, reached: bool) -> None:
        if found is not None:
            rows.append([work, wanted, shown, "yes" if reached else "NO"])

    def ratio(key: str, wanted: float, reference: str = REFERENCE, other: str = "") -> None:
        found = summary.ratio(key, OURS, reference, other or key)
        if found is not None:
            reached = found.middle >= wanted
            of = f" of {reference}'s {other or key}" if other or reference != REFERENCE else ""
            row(TITLES[key], f"{wanted} x{of}", found, spread(found, " x"), reached)

    def most(work: str, unit: str, wanted: float, found: Spread | None, scale: float = 1) -> None:
        if found is not None:
            scaled = Spread(found.middle / scale, found.low / scale, found.high / scale)
            reached = scaled.middle <= wanted
            row(work, f"at most {wanted} {unit}", found, spread(scaled, f" {unit}"), reached)

    ratio("echo", 3.6)
    ratio("echo-16", 9)
    ratio("echo-16k", 3)
    ratio("chat", 3.8)
    ratio("publish", 0.95, OURS, "chat")
    ratio("call", 2.7, REFERENCE, "echo")
    ratio("connect", 2.4)
    ratio("publish2", 6, CROSSBAR)
    ratio("call2", 12, CROSSBAR)
    ratio("publish2", 0.9, OURS, "publish")
    ratio("publish-mixed", 0.9, OURS, "publish")
    most("idle WebSocket connection", "KiB", 5.5, summary.memory(OURS, "websocket"), 1024)
    most("idle WAMP connection", "KiB", 8, summary.memory(OURS, "own"), 1024)
    most("one more pass-through component", "us", 0.25, summary.layer())
    bare, full = summary.closing(False), summary.closing(True)
    if bare and full:
        shown = f"{spread(full, ' us')}; {spread(bare, ' us')} with none"
        reached = full.low <= bare.high * 1.1
        topics = summary.results["settings"]["topics"]
        row(f"close, {topics:,} topics elsewhere", "the same as with none", full, shown, reached)
    return table(["work", "goal", "found", "reached"], rows)


def sections(summary: Summary) -> list[tuple[str, str, str]]:
    """Title, text and table of all there is to say."""
    found = [
        (
            "Goals",
            "The middle of the rounds, with the lowest and the highest; each ratio is of two "
            "measurements of the same round.",
            goals(summary),
        ),
        ("Cost of a message", _starred(summary), costs(summary)),
        (f"Times as fast as {REFERENCE}", "By CPU; middle, lowest and highest.", ratios(summary)),
        (
            "Where the time goes",
            "The limit is what the kernel takes for it, with the least that Python can do around "
            "it; the floor that writes at once has Twisted's dispatch on top; the rest is the "
            "stack: HTTP, frames, UTF-8, WebSocket, the application.",
            remains(summary),
        ),
        ("Messages a second", "On one core, counted by the generator.", rates(summary)),
        (
            "Latency",
            "With all connections asking at once, so mostly a queue: 100 connections at 100,000 "
            "messages a second wait a millisecond. Of a broadcast: until the last has heard it.",
            latencies(summary),
        ),
        ("Memory of an idle connection", "Resident, by the system's account.", memories(summary)),
        (
            "A broadcast to all of them",
            f"To {summary.results['settings']['idle']:,} connections and some more, that were "
            "idle before; every one gets every event.",
            broadcasts(summary),
        ),
        (
            "The generator",
            "What it takes for a message itself, without its idle polls; the rate at which it "
            "would drive a server that takes no time; and the share of the time that we, and the "
            "least busy one, were at work.",
            generator(summary),
        ),
    ]
    return [(title, text, content) for title, text, content in found if "\n" in content]


def _starred(summary: Summary) -> str:
    return (
        f"The middle of {summary.results['settings']['rounds']} rounds. A star: the server was at "
        f"work for less than {BUSY:.0%} of the time, so it has waited for the generator, and was "
        "woken more often than under a full load."
    )


def about(summary: Summary) -> list[str]:
    """Where, what and who, a line each."""
    where = summary.results["machine"]
    lines = [
        f"{where['processor']}, {where['cores']} cores; {where['system']}; {where['python']}; "
        f"revision {where['revision']}, {summary.results['date']}"
    ]
    versions = [peer["versions"] for peer in summary.results["peers"].values() if peer["versions"]]
    lines.append(", ".join(dict.fromkeys(", ".join(versions).split(", "))))
    for name, reason in summary.results["skipped"].items():
        lines.append(f"Skipped: {name}, because {reason}")
    lines += [f"Failed: {failure.splitlines()[0]}" for failure in summary.results["failed"]]
    share = summary.disturbed()
    if share:
        lines.append(
            f"Disturbed: in {share:.0%} of the runs other processes took more than "
            f"{DISTURBED:.0%} of the time. On a quiet machine the figures are better."
        )
    return lines


def asText(summary: Summary) -> str:
    """For the terminal."""
    parts = ["\n".join(about(summary))]
    for title, text, content in sections(summary):
        parts.append(f"{title.upper()}\n{textwrap.fill(text, 100)}\n\n{content}")
    return "\n\n".join(parts)


def asRst(summary: Summary) -> str:
    """For the documentation."""
    parts = [".. Written by python -m benchmarks; change that.", "\n".join(_bullets(summary))]
    for title, text, content in sections(summary):
        parts.append(f"{title}\n{'-' * len(title)}\n\n{text}\n\n{content}")
        parts += [f".. image:: {name}\n   :alt: {alt}" for name, alt in _figures(summary, title)]
    return "\n\n".join(parts) + "\n"


def _bullets(summary: Summary) -> list[str]:
    return [f"- {line}" for line in about(summary)]


def _figures(summary: Summary, title: str) -> list[tuple[str, str]]:
    if title == "Cost of a message":
        keys = [key for key in summary.scenarios() if summary.runs(key, REFERENCE)]
        return [(f"{key}.svg", f"{TITLES[key]}: us of CPU for each") for key in keys]
    if title.startswith("Memory"):
        return [("memory.svg", "KiB for each idle connection")]
    return []


def charts(summary: Summary) -> dict[str, str]:
    """SVG pictures by their file names."""
    made = {}
    for name, _ in _figures(summary, "Cost of a message"):
        key = name.removesuffix(".svg")
        bars = {peer: summary.cpu(key, peer) for peer in summary.peers}
        label = f"{TITLES[key]}: microseconds of server CPU for each {UNITS[key]}"
        made[name] = _chart(summary, label, {p: bar.middle for p, bar in bars.items() if bar})
    sizes = {peer: summary.memory(peer, "websocket") for peer in summary.peers}
    found = {peer: size.middle / 1024 for peer, size in sizes.items() if size}
    if found:
        made["memory.svg"] = _chart(summary, "KiB for each idle WebSocket connection", found)
    return made


def _chart(summary: Summary, label: str, values: dict[str, float]) -> str:
    ordered = sorted(values, key=lambda peer: values[peer])
    left, width, step = 270, 400, 24
    scale = width / max(values.values())
    height = 40 + step * len(ordered)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 70} {height}" '
        f'width="{left + width + 70}" height="{height}" role="img">',
        f"<title>{escape(label)}</title>",
        "<style>text{font:13px sans-serif;fill:#222}.h{font-weight:bold}"
        "rect{fill:#8aa3b8}.floor{fill:#d0d0d0}.ours{fill:#d9662b}"
        "@media(prefers-color-scheme:dark){text{fill:#ddd}.floor{fill:#555}}</style>",
        f'<text class="h" x="4" y="18">{escape(label)}</text>',
    ]
    for at, peer in enumerate(ordered):
        y, length = 32 + step * at, values[peer] * scale
        kind = "ours" if peer == OURS else "floor" if summary.isFloor(peer) else "peer"
        parts += [
            f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">'
            f"{escape(summary.title(peer))}</text>",
            f'<rect class="{kind}" x="{left}" y="{y}" width="{max(length, 1):.1f}" height="18"/>',
            f'<text x="{left + length + 6:.1f}" y="{y + 14}">{number(values[peer])}</text>',
        ]
    return "\n".join([*parts, "</svg>\n"])


def write(results: Results, folder: Path) -> None:
    """The results, the tables and the charts, as files."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = Summary(results)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "tables.txt").write_text(asRst(summary))
    for name, chart in charts(summary).items():
        (folder / name).write_text(chart)
