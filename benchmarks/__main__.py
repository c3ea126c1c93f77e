"""``python -m benchmarks``: measure, print, and write the figures of the documentation."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from benchmarks import report
from benchmarks.peers import PEERS, ROOT, named
from benchmarks.scenarios import SCENARIOS, Settings, selected
from benchmarks.session import Session

DOCS = ROOT / "docs" / "performance"
OTHERWISE = Path(__file__).parent / "results"


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    options = _options(arguments)
    complete = not (options.quick or options.tiny or options.peers or options.scenarios)
    settings = Settings.tiny() if options.tiny else Settings()
    if options.quick:
        settings = Settings.quick()
    if options.rounds:
        settings = dataclasses.replace(settings, rounds=options.rounds)
    session = Session(
        named(options.peers or [peer.name for peer in PEERS]),
        selected(options.scenarios),
        settings,
        extras=not options.scenarios,
        say=_progress,
    )
    for name, reason in session.results["skipped"].items():
        print(f"Skipped: {name}, because {reason}", file=sys.stderr)
    if session.cores.server is None:
        print("Not pinned: this system has no two cores to choose, expect noise", file=sys.stderr)
    results = session.run()
    folder = options.output or (DOCS if complete else OTHERWISE)
    report.write(results, folder)
    _progress("")
    print(report.asText(report.Summary(results)))
    for failure in results["failed"]:
        print(f"\n{failure}", file=sys.stderr)
    print(f"\nWritten to {folder}")
    return 1 if results["failed"] else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: about a minute")
    parser.add_argument("--tiny", action="store_true", help="only to see that all of it works")
    parser.add_argument("--rounds", type=int, help=f"how many ({Settings.rounds})")
    parser.add_argument(
        "--peers",
        nargs="+",
        metavar="NAME",
        choices=[peer.name for peer in PEERS],
        help="only these: " + ", ".join(peer.name for peer in PEERS),
    )
    parser.add_argument(
        "--scenarios",
        nargs="+",
        metavar="NAME",
        choices=[scenario.key for scenario in SCENARIOS],
        help="only these: " + ", ".join(scenario.key for scenario in SCENARIOS),
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where the results go: docs/performance of a complete run, else benchmarks/results",
    )
    return parser.parse_args(arguments)


def _progress(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
    elif line:
        print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
