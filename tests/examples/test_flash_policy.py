"""A policy on a port of its own."""

import socket


def test_whoever_asks_is_told_the_policy(serve):
    server = serve("flash_policy.py")
    with socket.create_connection(("127.0.0.1", server.otherPort), 30) as flash:
        flash.sendall(b"<policy-file-request/>\0")
        answer = b"".join(iter(lambda: flash.recv(1000), b""))

    assert answer.endswith(b"</cross-domain-policy>\0")
    assert b'domain="example.com"' in answer
    assert f'to-ports="{server.port}"'.encode() in answer
