"""What is read of processes, from outside."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys

import pytest

from benchmarks.process import family, memory, usage


def test_what_a_process_takes_grows_and_the_kernels_share_is_a_part_of_it():
    before = usage(os.getpid())
    bytearray(1 << 26)
    after = usage(os.getpid())

    assert 0 < before.cpu <= after.cpu
    assert 0 <= before.kernel <= after.kernel
    assert after.kernel <= after.cpu + 0.1  # it is known to a hundredth of a second
    assert after.waited >= before.waited


def test_memory_is_what_is_resident():
    # From the system: what Python gives may be resident already, from an earlier test.
    with mmap.mmap(-1, 1 << 25) as kept:
        before = memory(os.getpid())
        for at in range(0, len(kept), mmap.PAGESIZE):
            kept[at] = 1
        assert memory(os.getpid()) - before >= len(kept) * 0.9


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="this system has no /proc")
def test_the_family_of_a_process_is_all_that_came_of_it():
    program = (
        "import subprocess, sys; child = subprocess.Popen(['cat'], stdin=subprocess.PIPE);"
        "print(child.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        child = int(process.stdout.readline())

        assert family(process.pid) == [process.pid, child]
        assert {process.pid, child} < set(family(os.getpid()))

        process.communicate()
