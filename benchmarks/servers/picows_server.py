"""picows, Cython on uvloop."""

import uvloop
from picows import WSCloseCode, WSListener, WSMsgType, ws_create_server
from serving import BACKLOG, announce, app

clients = set()


class Echo(WSListener):
    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            transport.send(WSMsgType.TEXT, frame.get_payload_as_utf8_text().encode())
        else:
            transport.send(WSMsgType.BINARY, frame.get_payload_as_bytes())


class Chat(Echo):
    def on_ws_connected(self, transport):
        clients.add(transport)

    def on_ws_disconnected(self, transport):
        clients.discard(transport)

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
            return
        payload = frame.get_payload_as_utf8_text().encode()
        for client in clients:
            client.send(WSMsgType.TEXT, payload)


async def main():
    listener = {"echo": Echo, "chat": Chat}[app()]
    server = await ws_create_server(lambda _: listener(), "127.0.0.1", 0, backlog=BACKLOG)
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


uvloop.run(main())
