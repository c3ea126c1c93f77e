"""Sockets of systemd's."""

from __future__ import annotations

import os
import socket

import pytest
import pytest_twisted
from twisted.internet.endpoints import AdoptedStreamServerEndpoint

from ratchet_py.server import EchoServer, IoServer, io_server, systemd

ENDPOINT = "systemd:domain=INET6:index=1"


@pytest.fixture
def found(tmp_path, monkeypatch):
    """What is found in an environment."""

    def found(endpoint, **environment):
        file = tmp_path / "environ"
        given = {"LISTEN_FDS": "2", "LISTEN_PID": str(os.getpid()), **environment}
        file.write_bytes(b"".join(f"{name}={value}\0".encode() for name, value in given.items()))
        monkeypatch.setattr(systemd, "_ENVIRONMENT", file)
        return systemd.unnamedSocket(None, endpoint)

    return found


def test_a_socket_without_a_name(found):
    endpoint = found(ENDPOINT)
    assert isinstance(endpoint, AdoptedStreamServerEndpoint)
    assert (endpoint.fileno, endpoint.addressFamily) == (4, socket.AF_INET6)


@pytest.mark.parametrize(
    ("endpoint", "environment"),
    [
        ("systemd:domain=INET:index=2", {}),
        ("systemd:domain=NONE:index=0", {}),
        ("systemd:domain=INET:name=chat", {}),
        ("tcp:0", {}),
        (ENDPOINT, {"LISTEN_FDNAMES": "a:b"}),
        (ENDPOINT, {"LISTEN_PID": "1"}),
        (ENDPOINT, {"LISTEN_FDS": "many"}),
    ],
)
def test_what_twisted_answers(found, endpoint, environment):
    assert found(endpoint, **environment) is None


def test_a_system_that_has_no_such_file(tmp_path, monkeypatch):
    monkeypatch.setattr(systemd, "_ENVIRONMENT", tmp_path / "none")
    assert systemd.unnamedSocket(None, ENDPOINT) is None


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="the system has no such sockets")
@pytest_twisted.ensureDeferred
async def test_a_path_is_there_for_the_next_start(tmp_path, monkeypatch):
    from twisted.internet import reactor

    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        for _ in range(2):
            with socket.socket(socket.AF_UNIX) as client:
                # One of our own, because the endpoint closes what it was handed.
                handed = AdoptedStreamServerEndpoint(
                    reactor, os.dup(listening.fileno()), socket.AF_UNIX
                )
                monkeypatch.setattr(io_server, "unnamedSocket", lambda *_, it=handed: it)
                server = IoServer(EchoServer(), reactor)
                await server.listen("systemd:domain=UNIX:index=0")
                client.connect(str(path))
                await server.close()
