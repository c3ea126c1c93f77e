"""The ``websockets`` package, its asyncio server, on uvloop: twice as fast as without."""

import asyncio

import uvloop
from serving import BACKLOG, announce, app
from websockets.asyncio.server import broadcast, serve

clients = set()


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def chat(connection):
    clients.add(connection)
    try:
        async for message in connection:
            broadcast(clients, message)
    finally:
        clients.discard(connection)


async def main():
    handler = {"echo": echo, "chat": chat}[app()]
    options = {"compression": None, "ping_interval": None, "backlog": BACKLOG}
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        announce(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().create_future()


uvloop.run(main())
