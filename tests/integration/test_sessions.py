"""Sessions over real sockets, from files that are read in real threads."""

from __future__ import annotations

import threading

import pytest_twisted
from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread

from ratchet_py import App
from ratchet_py.limits import Limits
from ratchet_py.server import EchoServer
from ratchet_py.session import NativeFileSessionHandler, SessionHandlerInterface
from tests.integration.conftest import Served
from tests.integration.wire import patient, request, text


class Greeter(EchoServer):
    def onOpen(self, conn):
        conn.send(conn.Session.get("name", "stranger"))


def cookie(number):
    return f"PHPSESSID={number:032}"


async def serve(handler, **limits):
    app = App("localhost", limits=Limits(**limits))
    app.route("/", Greeter(), session=handler)
    app.route("/echo", EchoServer())
    return Served(app, await app.listen("tcp:0:interface=127.0.0.1"))


@pytest_twisted.ensureDeferred
async def test_each_of_many_gets_the_own_one(tmp_path):
    for number in range(0, 200, 2):
        name = f"Ann {number}"
        file = tmp_path / f"sess_{number:032}"
        file.write_text(f'name|s:{len(name)}:"{name}";')
    served = await serve(NativeFileSessionHandler(str(tmp_path)))
    clients = [await served.client(request(Cookie=cookie(number))) for number in range(200)]
    for number, client in enumerate(clients):
        assert (await client.response()).status == 101
        assert await client.next() == ("stranger" if number % 2 else f"Ann {number}")
    await served.stop()


@pytest_twisted.ensureDeferred
async def test_a_store_that_hangs_holds_up_nobody_else():
    class Hanging(SessionHandlerInterface):
        released = threading.Event()
        reading = 0

        def read(self, id):
            self.reading += 1
            return deferToThread(self.released.wait)

    handler = Hanging()
    served = await serve(handler, sessionTimeout=0.1)
    waiting = [await served.client(request(Cookie=cookie(number))) for number in range(50)]
    stranger = await served.open()
    assert await stranger.next() == "stranger"
    echo = await served.open("/echo")
    echo.send(text("hello"))
    assert await echo.next() == "hello"
    # There are threads left, for names to be looked up in, say.
    await patient(gatherResults([deferToThread(int) for _ in range(5)]), "a thread")
    for client in waiting:
        assert (await client.response()).status == 503
        await client.end()
    assert handler.reading == 5
    handler.released.set()
    await served.stop()
    # The threads' results come in a later turn of the reactor.
    await patient(gatherResults([deferToThread(int) for _ in range(10)]), "the threads")
