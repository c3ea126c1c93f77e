"""Who is turned away."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from ratchet_py import MessageComponentInterface
from ratchet_py.http import HttpServer
from ratchet_py.server import EchoServer, IoServer, IpBlackList
from ratchet_py.testing import connect, connectRaw
from ratchet_py.websocket import WsServer


class Told(MessageComponentInterface):
    def __init__(self):
        self.names = []

    def onOpen(self, conn):
        self.names.append("onOpen")

    def onMessage(self, conn, msg):
        self.names.append("onMessage")

    def onClose(self, conn):
        self.names.append("onClose")

    def onError(self, conn, exc):
        self.names.append("onError")


@pytest.mark.parametrize(
    ("blocked", "address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.0/24", "192.0.2.200", True),
        ("192.0.2.7/24", "192.0.2.200", True),
        ("192.0.2.0/24", "192.0.3.1", False),
        ("2001:db8::1", "2001:DB8:0::1", True),
        ("2001:db8::/32", "2001:db8:1::2", True),
        ("2001:db8::/32", "2001:db9::1", False),
        ("fe80::1", "fe80::1%eth0", True),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.0/24", "::ffff:c000:201", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("0.0.0.0/0", "", False),
    ],
)
def test_addresses_and_networks(blocked, address, expected):
    assert IpBlackList(EchoServer()).blockAddress(blocked).isBlocked(address) is expected


@pytest.mark.parametrize("nonsense", ["", "localhost", "192.0.2.256", "192.0.2.0/33", "1.2.3"])
def test_what_is_no_address_is_refused(nonsense):
    with pytest.raises(ValueError, match="does not appear"):
        IpBlackList(EchoServer()).blockAddress(nonsense)


def test_blocking_is_undone():
    blackList = IpBlackList(EchoServer()).blockAddress("192.0.2.1").blockAddress("198.51.100.0/24")
    assert blackList.getBlockedAddresses() == ["192.0.2.1", "198.51.100.0/24"]
    assert blackList.unblockAddress("192.0.2.1") is blackList
    blackList.unblockAddress("203.0.113.9")
    assert blackList.getBlockedAddresses() == ["198.51.100.0/24"]
    assert not blackList.isBlocked("192.0.2.1")


def test_a_blocked_client_is_closed_and_nobody_hears_of_it():
    app = Told()
    client = connectRaw(IpBlackList(app).blockAddress("192.0.2.1"), address="192.0.2.1")
    client.sendBytes(b"x")
    assert client.isClosed
    assert app.names == []
    other = client.another(address="192.0.2.2")
    other.sendBytes(b"x")
    other.disconnect()
    assert app.names == ["onOpen", "onMessage", "onClose"]


def test_who_is_in_stays_in_and_is_told_of_to_the_end():
    app = Told()
    blackList = IpBlackList(app)
    client = connectRaw(blackList)
    blackList.blockAddress("127.0.0.1")
    client.sendBytes(b"x")
    client.disconnect()
    assert app.names == ["onOpen", "onMessage", "onClose"]
    assert not blackList._admitted


def test_below_and_above_the_other_layers():
    blackList = IpBlackList(HttpServer(WsServer(EchoServer()))).blockAddress("192.0.2.1")
    server = IoServer(blackList, Clock())
    assert connect(server, address="192.0.2.1").status == 0
    client = connect(server)
    client.send("hello")
    assert client.received == ["hello"]

    app = Told()
    client = connect(IpBlackList(app).blockAddress("192.0.2.1"), address="192.0.2.1")
    assert (client.status, client.closeCode) == (101, 1000)
    assert app.names == []
