"""What Python itself costs: sockets and epoll, no framework; canned answers, as the floors."""

import select
import socket

from serving import BACKLOG, announce, app

SMALL = b"\x81\x40" + b"x" * 64
LARGE = b"\x82\x7e\x40\x00" + b"x" * 16384
CLOSE = b"\x88\x02\x03\xe8"

chat = app() == "chat"
listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
listener.setblocking(False)
poller = select.epoll()
poller.register(listener, select.EPOLLIN)
announce(listener.getsockname()[1])

accepting = listener.fileno()
clients = {}
opened = set()
large = {}


def accept():
    while True:
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        clients[client.fileno()] = client
        poller.register(client, select.EPOLLIN)


def received(fd, client, data):
    if not data or (data[0] == 0x88 and fd not in large):
        if data:
            client.send(CLOSE)
        client.close()
        del clients[fd]
        opened.discard(fd)
    elif fd not in opened:
        opened.add(fd)
        client.send(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    elif fd in large or data[0] == 0x82:
        taken = large.get(fd, 0) + len(data)
        if taken >= len(LARGE) + 4:
            client.send(LARGE)
        large[fd] = taken % (len(LARGE) + 4)
        if not large[fd]:
            del large[fd]
    elif chat:
        for other in clients.values():
            other.send(SMALL)
    else:
        client.send(SMALL * (len(data) // (len(SMALL) + 4)))


while True:
    for fd, _ in poller.poll():
        if fd == accepting:
            accept()
            continue
        client = clients[fd]
        try:
            data = client.recv(262144)
        except ConnectionResetError:
            data = b""
        received(fd, client, data)
