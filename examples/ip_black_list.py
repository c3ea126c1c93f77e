"""A server that turns some addresses away, and learns of new ones while it runs.

Start it with ``python ip_black_list.py``, then ``telnet localhost 8080``. Who says
"spam" is blocked.
"""

from ratchet_py import Component
from ratchet_py.server import EchoServer, IoServer, IpBlackList


class SpamTrap(Component):
    """Blocks the address of who says a certain word."""

    def onMessage(self, conn, msg):
        if b"spam" in msg:
            blackList.blockAddress(conn.remoteAddress)
            conn.close()
            return None
        return super().onMessage(conn, msg)


if __name__ == "__main__":
    blackList = IpBlackList(SpamTrap(EchoServer()))
    blackList.blockAddress("192.0.2.7").blockAddress("198.51.100.0/24")
    server = IoServer.factory(blackList, 8080, "127.0.0.1")
    server.run()
