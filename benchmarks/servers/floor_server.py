"""What Twisted itself costs: a bare protocol that neither reads frames nor knows what they say.

It answers a frame's worth of bytes with a canned frame of the same length, by ``transport.write``
(``floor_server.py APP write``) or at once, by ``writeSomeData`` (``floor_server.py APP direct``).
"""

import sys

from serving import BACKLOG, announce, app
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

SMALL = b"\x81\x40" + b"x" * 64
LARGE = b"\x82\x7e\x40\x00" + b"x" * 16384
SMALL_MASKED = len(SMALL) + 4
LARGE_MASKED = len(LARGE) + 4
CLOSE = b"\x88\x02\x03\xe8"

clients = set()


class Write(Protocol):
    opened = False
    large = 0

    def connectionMade(self):
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data):
        if not self.opened:
            self.opened = True
            self.transport.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            clients.add(self)
        elif data[0] == 0x88 and not self.large:
            self.transport.write(CLOSE)
            self.transport.loseConnection()
        elif self.large or data[0] == 0x82:
            self.large += len(data)
            if self.large >= LARGE_MASKED:
                self.large -= LARGE_MASKED
                self.answer(LARGE)
        elif chat:
            for client in clients:
                client.answer(SMALL)
        else:
            self.answer(SMALL * (len(data) // SMALL_MASKED))

    def answer(self, data):
        self.transport.write(data)

    def connectionLost(self, reason):
        clients.discard(self)


class Direct(Write):
    def answer(self, data):
        sent = self.transport.writeSomeData(data)
        if sent != len(data):
            self.transport.write(data[max(sent, 0) :])


chat = app() == "chat"
factory = Factory.forProtocol({"write": Write, "direct": Direct}[sys.argv[2]])
factory.noisy = False
port = reactor.listenTCP(0, factory, interface="127.0.0.1", backlog=BACKLOG)
announce(port.getHost().port)
reactor.run()
