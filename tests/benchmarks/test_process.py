"""What is read of processes, from outside."""

from __future__ import annotations

import os

from benchmarks.process import memory, usage


def test_what_a_process_takes_grows_and_the_kernels_share_is_a_part_of_it():
    before = usage(os.getpid())
    bytearray(1 << 26)
    after = usage(os.getpid())

    assert 0 < before.cpu <= after.cpu
    assert 0 <= before.kernel <= after.kernel
    assert after.kernel <= after.cpu + 0.1  # it is known to a hundredth of a second
    assert after.waited >= before.waited


def test_memory_is_what_is_resident():
    before = memory(os.getpid())
    kept = bytes(1 << 25).replace(b"\0", b"x")
    after = memory(os.getpid())

    assert after - before >= len(kept) * 0.9
