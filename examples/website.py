"""What ran behind Ratchet's own site: the chat room with its bot, logged, and a count of ports.

Can people behind firewalls reach other ports than 80? Each page connected to a second port as well,
and both were counted. Start it with ``python website.py``: the chat is on port 8080, the second
port is 9000, and the counts are in the table ``portCounter`` of ``portLog.sqlite``.
"""

import logging
import sys

from chat_room import Bot, ChatRoom
from message_logger import MessageLogger
from twisted.enterprise.adbapi import ConnectionPool
from twisted.logger import Logger, globalLogBeginner, textFileLogObserver

from ratchet_py import Component, wamp
from ratchet_py.http import HttpServer
from ratchet_py.server import IoServer
from ratchet_py.wamp import WampServer
from ratchet_py.websocket import WsServer


class PortCounter:
    """Counts in a database; the work is done in a thread, and nobody waits for it."""

    log = Logger()

    def __init__(self, file):
        # One thread, so that the statements keep their order.
        self.pool = ConnectionPool("sqlite3", file, check_same_thread=False, cp_min=1, cp_max=1)
        self.run("CREATE TABLE IF NOT EXISTS portCounter (port INTEGER PRIMARY KEY, count INTEGER)")

    def count(self, port):
        self.run("INSERT OR IGNORE INTO portCounter VALUES (?, 0)", [port])
        self.run("UPDATE portCounter SET count = count + 1 WHERE port = ?", [port])

    def run(self, statement, values=()):
        done = self.pool.runOperation(statement, values)
        done.addErrback(lambda failure: self.log.failure("not counted", failure))


class PortLogger(Component):
    """Goes anywhere above ``WsServer``."""

    def __init__(self, counter, port, component):
        super().__init__(component)
        self.counter = counter
        self.port = port

    def onOpen(self, conn, *args):
        self.counter.count(self.port)
        return super().onOpen(conn, *args)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)])
    counter = PortCounter("portLog.sqlite")

    chat = MessageLogger(WampServer(Bot(ChatRoom())))
    server = IoServer.factory(
        HttpServer(WsServer(PortLogger(counter, 8080, chat))), 8080, "127.0.0.1"
    )

    nothing = WampServer(wamp.Component())
    IoServer.factory(HttpServer(WsServer(PortLogger(counter, 9000, nothing))), 9000, "127.0.0.1")

    server.run()
