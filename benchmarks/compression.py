"""What permessage-deflate costs: memory of a connection, time of a broadcast.

    python -m benchmarks.compression [--connections 1000] [--csv FILE]

For each setting a server in a process of its own gets that many clients. Measured are its resident
memory for each of them, as they are idle: just opened, after a message of 1 KiB to and fro, after
64 KiB more; and then the time that it needs, and the bytes that it sends, for each receiver of a
broadcast. Linux only: the memory is read from /proc.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import selectors
import socket
import subprocess
import sys
import time
import zlib

from ratchet_py.http import HttpServer
from ratchet_py.interfaces import MessageComponentInterface
from ratchet_py.rfc6455.frame import OP_BINARY, OP_TEXT, encode
from ratchet_py.rfc6455.permessage_deflate import PerMessageDeflateOptions
from ratchet_py.server import IoServer
from ratchet_py.websocket import WsServer

SETTINGS = {
    "no compression": None,
    "default (no context takeover)": PerMessageDeflateOptions(),
    "context takeover": PerMessageDeflateOptions(
        serverNoContextTakeover=False, clientNoContextTakeover=False
    ),
    "context takeover, window 10, memLevel 3": PerMessageDeflateOptions(
        serverNoContextTakeover=False,
        clientNoContextTakeover=False,
        serverMaxWindowBits=10,
        clientMaxWindowBits=10,
        memLevel=3,
    ),
}
COLUMNS = [
    "Setting",
    "Connected, KiB",
    "After 1 KiB",
    "After 65 KiB",
    "Broadcast, us",
    "Bytes",
]

MASK = b"\x37\xfa\x21\x3d"
BROADCASTS = 30
PATIENCE = 60.0
NAMES = ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Tony", "Niklaus"]


def event(number: int, size: int) -> bytes:
    """JSON of that size, as an application might send it, the same in every run."""
    source = random.Random(number)
    rows: list[dict[str, object]] = []
    while len(payload := json.dumps({"number": number, "rows": rows}).encode()) < size:
        rows.append(
            {
                "id": source.randrange(10**9),
                "name": source.choice(NAMES),
                "price": round(source.uniform(1, 1000), 2),
            }
        )
    return payload[:size]


class Measured(MessageComponentInterface):
    """Echoes binary messages; a text is sent to everybody, and the time that took is answered."""

    def __init__(self) -> None:
        self.conns: set = set()

    def onOpen(self, conn) -> None:
        self.conns.add(conn)

    def onMessage(self, conn, msg) -> None:
        if isinstance(msg, bytes):
            conn.send(msg)
            return
        began = time.process_time()
        for other in self.conns:
            if other is not conn:
                other.send(msg)
        conn.send(str(time.process_time() - began))

    def onClose(self, conn) -> None:
        self.conns.discard(conn)

    def onError(self, conn, exc) -> None:
        conn.close()


def serve(setting: str) -> None:
    """The measured process: says its port, and serves."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    server = IoServer.factory(
        HttpServer(WsServer(Measured(), compression=SETTINGS[setting])), 0, "127.0.0.1"
    )
    print(server.ports[0].getHost().port, flush=True)
    server.run()


class Client:
    """A client that knows how many bytes it is still to get."""

    def __init__(self, port: int, extension: str | None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        fields = f"Sec-WebSocket-Extensions: {extension}\r\n" if extension else ""
        self.socket.sendall(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: c2l4dGVlbiBieXRlcyBvaw==\r\nSec-WebSocket-Version: 13\r\n"
            + f"{fields}\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        assert head.startswith(b"HTTP/1.1 101"), head

    def send(self, payload: bytes, opcode: int, *, compressed: bool = False) -> None:
        self.socket.sendall(encode(payload, opcode, mask=MASK, rsv1=compressed))

    def read(self) -> bytes:
        """The payload of one frame, as it is on the wire."""
        first = self._read(2)[1]
        length = first if first < 126 else int.from_bytes(self._read(2 if first == 126 else 8))
        return self._read(length)

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            assert piece, "the server has closed"
            data += piece
        return bytes(data)


class Deflater:
    """The compressor of all clients: they send the same, so one does for all of them."""

    def __init__(self, options: PerMessageDeflateOptions) -> None:
        self._alone = options.clientNoContextTakeover
        self._bits = options.clientMaxWindowBits
        self._context = zlib.compressobj(wbits=-self._bits)

    def __call__(self, payload: bytes) -> bytes:
        context = zlib.compressobj(wbits=-self._bits) if self._alone else self._context
        return (context.compress(payload) + context.flush(zlib.Z_SYNC_FLUSH))[:-4]


def residentBytes(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def received(clients: list[Client]) -> int:
    """Read whatever the clients have got, until nothing more comes; returns how many bytes."""
    total = 0
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ)
        while ready := selector.select(0.2):
            for key, _ in ready:
                total += len(key.fileobj.recv(1 << 16))
    return total


def measure(setting: str, connections: int) -> list[str]:
    """One row of the table."""
    options = SETTINGS[setting]
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.compression", "--serve", setting],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            port = int(server.stdout.readline())
            extension = "permessage-deflate; client_max_window_bits" if options else None
            control = Client(port, None)
            control.socket.settimeout(PATIENCE)
            # What is allocated once shall not be counted as a client's.
            Client(port, extension).socket.close()
            control.send(b"warm", OP_BINARY)
            control.read()
            empty = residentBytes(server.pid)

            row = []
            clients = [Client(port, extension) for _ in range(connections)]
            row.append(residentBytes(server.pid) - empty)
            deflater = Deflater(options) if options else None
            for sizes in ([1024], [16384] * 4):
                for number, size in enumerate(sizes):
                    payload = event(number, size)
                    data = deflater(payload) if deflater else payload
                    for client in clients:
                        client.send(data, OP_BINARY, compressed=deflater is not None)
                        client.read()
                row.append(residentBytes(server.pid) - empty)
            took = 0.0
            total = 0
            for number in range(BROADCASTS):
                control.send(event(number, 1024), OP_TEXT)
                took += float(control.read())
                total += received(clients)
            sent = BROADCASTS * connections
            return [
                *(f"{grown / connections / 1024:.1f}" for grown in row),
                f"{took / sent * 1e6:.1f}",
                f"{total / sent:.0f}",
            ]
        finally:
            server.terminate()


def show(row: list[str]) -> None:
    first, *others = row
    print(f"{first:42}", *(f"{value:>16}" for value in others), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--csv", help="write the table to this file, too")
    parser.add_argument("--serve", choices=list(SETTINGS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    rows = [COLUMNS]
    show(COLUMNS)
    for setting in SETTINGS:
        rows.append([setting, *measure(setting, arguments.connections)])
        show(rows[-1])
    if arguments.csv:
        with open(arguments.csv, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
