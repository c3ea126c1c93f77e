"""Who says a certain word is not served again."""

import socket


def test_who_says_it_is_blocked_and_who_is_there_stays(serve):
    port = serve("ip_black_list.py").port

    def connect():
        return socket.create_connection(("127.0.0.1", port), 30)

    with connect() as good, connect() as bad:
        bad.sendall(b"hello")
        assert bad.recv(100) == b"hello"
        bad.sendall(b"spam!")
        assert bad.recv(100) == b""
        with connect() as again:
            assert again.recv(100) == b""
        good.sendall(b"still here")
        assert good.recv(100) == b"still here"
