"""Clients: what is sent to a server, and what comes back.

    python client.py ws://localhost:8080/echo

says hello to a server that echoes and prints what it answers. The parts of this file are shown,
and explained, in the documentation.
"""

import sys
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.internet.task import react

from ratchet_py.client import (
    ConnectError,
    ConnectionClosed,
    Connector,
    HandshakeError,
    ReconnectingClient,
    WampClient,
    connect,
)
from ratchet_py.errors import CallError


async def greet(url):
    conn = await connect(url)
    conn.send("Hello World!")
    print("Received:", await conn.receive())
    await conn.close()


async def follow(url):
    async with await connect(url) as conn:
        conn.send("one")
        async for message in conn:
            print("Received:", message)
            if message == "one":
                conn.send("two")
            else:
                break


def greetAsPawlDoes(url):
    def opened(conn):
        def received(message):
            print("Received:", message)
            conn.close()

        conn.on("message", received)
        conn.on("close", lambda code, reason: print(f"Connection closed ({code})"))
        conn.send("Hello World!")
        return conn.whenClosed()

    def failed(failure):
        print("Could not connect:", failure.getErrorMessage())

    return connect(url).addCallbacks(opened, failed)


async def greetInside(url, file):
    authority = Certificate.loadPEM(Path(file).read_bytes())
    conn = await connect(url, trustRoot=trustRootFromCertificates([authority]))
    print("Received:", await conn.receive())
    await conn.close()


async def careful(url):
    try:
        async with await connect(url, ["chat"]) as conn:
            async for message in conn:
                print(message)
    except HandshakeError as error:
        print("Refused:", error.status, error.body.decode("utf-8", "replace").strip())
    except ConnectError as error:
        print("No connection:", error)
    except ConnectionClosed as closed:
        print("Lost:", closed.code, closed.reason)


async def upload(url, pieces):
    async with await connect(url) as conn:
        for piece in pieces:
            conn.send(piece)
            await conn.whenDrained()


async def stayConnected(url):
    def onOpen(conn):
        conn.on("message", lambda message: print("Received:", message))
        conn.send("subscribe")

    client = ReconnectingClient(url, connector=Connector(keepAlive=30), onOpen=onOpen)
    client.on("error", lambda exc: print("Trying again:", exc))
    client.start()
    await client.whenOpen()
    client.send("hello")
    return client


async def talkWamp(url):
    received = Deferred()
    async with WampClient(url, callTimeout=10) as client:
        client.prefix("ex", "http://example.com/")
        client.subscribe("ex:news", lambda topic, event: received.callback((topic, event)))
        client.publish("ex:news", {"title": "It works"})
        print("Event:", *await received)
        try:
            print("Sum:", await client.call("ex:add", 1, 2))
        except CallError as error:
            print("Refused:", error.desc)


async def logIn(url):
    async with WampClient(url, auth=("joe", "geheim")) as client:
        print("Sum:", await client.call("http://example.com/add", 2, 3))


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(greet(sys.argv[1])))
