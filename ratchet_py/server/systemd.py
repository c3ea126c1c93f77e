"""Sockets that systemd has opened, also where it gives them no names, and that stay its own."""

from __future__ import annotations

import os
import re
import socket
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet import tcp
from twisted.internet.address import UNIXAddress
from twisted.internet.endpoints import AdoptedStreamServerEndpoint

__all__ = ["SYSTEMD", "leaveOpen", "unnamedSocket"]

SYSTEMD = "systemd:"

_BY_INDEX = re.compile(r"systemd:domain=(\w+):index=(\d+)")

# Twisted has taken the variables out of os.environ when it was imported. This has them still.
_ENVIRONMENT = Path("/proc/self/environ")

# The first of the descriptors that it hands over, as sd_listen_fds(3) has it.
_START = 3


def unnamedSocket(reactor: Any, endpoint: str) -> AdoptedStreamServerEndpoint | None:
    """The endpoint of a socket that has a number, and no name.

    Twisted takes the sockets with their names, or not at all. Names are younger than the protocol,
    and ``systemd-socket-activate`` gives none unless it is told some.

    Args:
        reactor: The reactor.
        endpoint: The endpoint's string.

    Returns:
        The endpoint; None if Twisted will find the socket itself, or there is none.
    """
    asked = _BY_INDEX.fullmatch(endpoint)
    if asked is None:
        return None
    given = _environment()
    family = getattr(socket, f"AF_{asked[1]}", None)
    count = given.get(b"LISTEN_FDS", b"")
    isForUs = given.get(b"LISTEN_PID") == b"%d" % os.getpid() and count.isdigit()
    if b"LISTEN_FDNAMES" in given or not isForUs or int(asked[2]) >= int(count) or family is None:
        return None
    return AdoptedStreamServerEndpoint(reactor, _START + int(asked[2]), family)


def leaveOpen(port: Any) -> Any:
    """Have a port that stops leave its socket as it is, if that is a UNIX socket.

    Twisted, which does so with others, shuts it down and removes its path, and then nobody reaches
    the socket that systemd keeps open for the next start.

    Args:
        port: The port.

    Returns:
        The port.
    """
    if isinstance(port.getHost(), UNIXAddress):
        port._shouldShutdown = False
        port.connectionLost = partial(tcp.Port.connectionLost, port)
    return port


def _environment() -> dict[bytes, bytes]:
    try:
        pairs = _ENVIRONMENT.read_bytes().split(b"\0")
    except OSError:
        # There is no such file, and no systemd.
        return {}
    return dict(pair.split(b"=", 1) for pair in pairs if b"=" in pair)
