"""Two revisions side by side."""

from __future__ import annotations

import subprocess

import pytest

from benchmarks.peers import ROOT
from benchmarks.regression import compare, main, worktree
from benchmarks.report import Summary


def results(before, after):
    """Of one scenario, in as many rounds as there are costs."""
    runs = [
        {"scenario": "echo", "peer": peer, "round": round, "cpu": cost, "messages": 1, "wall": cost}
        for peer, costs in (("before", before), ("after", after))
        for round, cost in enumerate(costs)
    ]
    return {"runs": runs, "memory": [], "peers": {}}


@pytest.mark.parametrize(
    ("before", "after", "isSlower"),
    [
        ([10, 10, 10], [12, 12, 12], True),
        ([10, 10, 10], [10, 10, 10], False),
        ([10, 10, 10], [8, 8, 8], False),
        ([10, 10, 10], [10.2, 10.2, 10.2], False),  # within the tolerance
        ([10, 13, 10], [12, 12, 12], False),  # not in every round
    ],
)
def test_slower_is_what_is_so_in_every_round(before, after, isSlower):
    table, slower = compare(Summary(results(before, after)), 0.05)

    assert bool(slower) is isSlower
    assert ("SLOWER" in table) is isSlower


def git(*arguments):
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


needsHistory = pytest.mark.skipif(
    git("rev-parse", "HEAD").returncode != 0, reason="this is no checkout of git"
)


@needsHistory
def test_a_work_tree_is_there_only_as_long_as_it_is_needed():
    with worktree("HEAD") as path:
        assert (path / "ratchet_py" / "__init__.py").is_file()
        assert str(path) in git("worktree", "list").stdout

    assert not path.exists()
    assert str(path) not in git("worktree", "list").stdout


@needsHistory
def test_the_command_compares_a_revision_with_the_files_here(capsys):
    main(["HEAD", "--tiny", "--rounds", "1", "--scenarios", "echo-16k"])

    assert "echo-16k, us" in capsys.readouterr().out
