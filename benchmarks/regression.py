"""``python -m benchmarks.regression BASE``: is this slower than it was?

Measures two revisions of the project side by side, each from a work tree of its own, by the
benchmark of this checkout. The result is 1 if a scenario has become slower by more than the
tolerance, and was slower in every round.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.peers import ROOT, ours
from benchmarks.report import Spread, Summary, spread, table
from benchmarks.scenarios import SCENARIOS, Settings, selected
from benchmarks.session import Session

BEFORE = "before"
AFTER = "after"


@contextmanager
def worktree(revision: str) -> Iterator[Path]:
    """The files of a revision, in a folder for as long as they are needed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(path), revision)
        try:
            yield path
        finally:
            _git("worktree", "remove", "--force", str(path))


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True)


def compare(summary: Summary, tolerance: float) -> tuple[str, list[str]]:
    """The table of both, and the scenarios that have become slower."""
    rows, slower = [], []

    def row(work: str, before: Spread | None, after: Spread | None, ratio: Spread | None) -> None:
        if before is None or after is None or ratio is None:
            return
        worse = ratio.middle < 1 / (1 + tolerance) and ratio.high < 1
        if worse:
            slower.append(work)
        cells = (spread(before), spread(after), spread(ratio, " x"), "SLOWER" if worse else "")
        rows.append([work, *cells])

    for key in [*summary.scenarios(), "layers"]:
        ratio = summary.ratio(key, AFTER, BEFORE)
        row(f"{key}, us", summary.cpu(key, BEFORE), summary.cpu(key, AFTER), ratio)
    for kind in ("websocket", "common", "own"):
        before, after = summary.memory(BEFORE, kind), summary.memory(AFTER, kind)
        if before and after:
            ratio = Spread(
                before.middle / after.middle, before.low / after.high, before.high / after.low
            )
            row(f"memory ({kind}), bytes", before, after, ratio)
    return table(["work", BEFORE, AFTER, "times as good", ""], rows), slower


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.regression", description=__doc__)
    parser.add_argument("base", metavar="BASE", help="the revision to compare with")
    parser.add_argument("head", metavar="HEAD", nargs="?", help="another; else the files here")
    parser.add_argument("--rounds", type=int, default=5, help="how many (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="short measurements")
    parser.add_argument(
        "--scenarios",
        nargs="+",
        metavar="NAME",
        choices=[scenario.key for scenario in SCENARIOS],
        help="only these: " + ", ".join(scenario.key for scenario in SCENARIOS),
    )
    parser.add_argument("--tiny", action="store_true", help="only to see that it works")
    parser.add_argument(
        "--tolerance", type=float, default=0.05, help="how much slower it may be (%(default)s)"
    )
    options = parser.parse_args(arguments)
    settings = Settings.quick() if options.quick else Settings()
    settings = replace(Settings.tiny() if options.tiny else settings, rounds=options.rounds)
    with ExitStack() as stack:
        head = stack.enter_context(worktree(options.head)) if options.head else ROOT
        base = stack.enter_context(worktree(options.base))
        peers = [ours(BEFORE, options.base, base), ours(AFTER, options.head or "here", head)]
        results = Session(
            peers,
            selected(options.scenarios),
            settings,
            extras=not options.scenarios,
            say=lambda line: print(line, file=sys.stderr),
        ).run()
    found, slower = compare(Summary(results), options.tolerance)
    print(found)
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
