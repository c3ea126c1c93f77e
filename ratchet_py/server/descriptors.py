"""How many clients fit: each is a file descriptor, and a process may have only so many."""

from __future__ import annotations

import sys
from typing import Any

from twisted.logger import Logger

if sys.platform != "win32":
    import resource

__all__ = ["SPARE", "descriptorLimit", "isSelect", "raiseDescriptorLimit", "roomFor"]

log = Logger()

SPARE = 100
"""Descriptors that are not for clients: logs, brokers, files that are served, who is refused."""

# The highest number that select() takes, which no setting changes.
_SELECT = 512 if sys.platform == "win32" else 1024


def raiseDescriptorLimit() -> None:
    """Raise this process's soft limit to its hard one, which needs no privilege.

    The soft one is 1,024 on most systems, for the sake of programs that use ``select``.
    """
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as exc:
        # Where the hard limit is infinite and the kernel's own is not: macOS.
        log.warn("the descriptor limit stays at {soft}: {exc}", soft=soft, exc=exc)


def descriptorLimit(reactor: Any) -> int:
    """How many descriptors this process may have open under a reactor."""
    most = sys.maxsize
    if sys.platform != "win32":
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        most = most if soft == resource.RLIM_INFINITY else soft
    return min(most, _SELECT) if isSelect(reactor) else most


def roomFor(reactor: Any) -> int:
    """How many clients fit, when some descriptors are kept for all else."""
    limit = descriptorLimit(reactor)
    return max(limit - SPARE, limit // 2)


def isSelect(reactor: Any) -> bool:
    """Whether a reactor is the one of ``select``, the default on macOS and Windows."""
    # By name: to import it would be to import a module that few processes need.
    return type(reactor).__name__ in ("SelectReactor", "Win32Reactor")
