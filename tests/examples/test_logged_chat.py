"""The log of a chat over raw sockets."""

import re
import socket


def test_what_is_said_and_passed_on_is_logged(serve):
    server = serve("logged_chat.py")
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, 30) as one, socket.create_connection(address, 30) as two:
        two.sendall(b"first\r\n")
        assert one.recv(100) == b"first\r\n"
        one.sendall(b"second\r\n")
        assert two.recv(100) == b"second\r\n"

    log = server.stop()
    for line in ("first", "second"):
        assert re.search(rf"ratchet\.in \d+: b'{line}", log)
        assert re.search(rf"ratchet\.out \d+: b'{line}", log)
