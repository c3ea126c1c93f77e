"""The smallest application."""

from __future__ import annotations

from ratchet_py.server import EchoServer
from ratchet_py.testing import connect, connectRaw


def test_bytes_come_back():
    client = connectRaw(EchoServer())
    client.sendBytes(b"\x00\xff")
    assert client.data == b"\x00\xff"


def test_text_comes_back_as_text_and_bytes_as_bytes():
    client = connect(EchoServer())
    client.send("x")
    client.send(b"x")
    assert client.received == ["x", b"x"]


def test_an_error_closes():
    client = connectRaw(EchoServer())
    EchoServer().onError(client.connection, ValueError())
    client.clock.advance(0)
    assert client.isClosed
