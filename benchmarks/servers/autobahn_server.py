"""autobahn-python on Twisted, with NVX where its wheel has it."""

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from serving import BACKLOG, announce, app
from twisted.internet import reactor

clients = set()


class Echo(WebSocketServerProtocol):
    def onMessage(self, payload, isBinary):
        self.sendMessage(payload, isBinary)


class Chat(WebSocketServerProtocol):
    def onOpen(self):
        clients.add(self)

    def onMessage(self, payload, isBinary):
        for client in clients:
            client.sendMessage(payload, isBinary)

    def onClose(self, wasClean, code, reason):
        clients.discard(self)


class PreparedChat(Chat):
    def onMessage(self, payload, isBinary):
        prepared = self.factory.prepareMessage(payload, isBinary)
        for client in clients:
            client.sendPreparedMessage(prepared)


factory = WebSocketServerFactory()
factory.protocol = {"echo": Echo, "chat": Chat, "prepared": PreparedChat}[app()]
port = reactor.listenTCP(0, factory, interface="127.0.0.1", backlog=BACKLOG)
announce(port.getHost().port)
reactor.run()
