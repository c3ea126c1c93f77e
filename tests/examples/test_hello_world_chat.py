"""Two telnets, nearly."""

import socket
from threading import Thread

import pytest


@pytest.fixture
def server(serve):
    return serve("hello_world_chat.py")


@pytest.fixture
def telnets(server):
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, 30) as one, socket.create_connection(address, 30) as two:
        yield one, two


def test_what_one_says_the_other_reads(telnets):
    one, two = telnets

    two.sendall(b"first\r\n")
    assert one.recv(100) == b"first\r\n"
    one.sendall(b"second\r\n")
    assert two.recv(100) == b"second\r\n"


def test_stopping_it_ends_the_connections(server, telnets):
    one, two = telnets
    # What has not been accepted when the port closes is reset.
    two.sendall(b"first\r\n")
    assert one.recv(100) == b"first\r\n"

    stopping = Thread(target=server.stop)
    stopping.start()
    for client in telnets:
        assert client.recv(100) == b""
        client.close()
    stopping.join()

    assert server.status == 0
    assert "New connection!" in server.output
