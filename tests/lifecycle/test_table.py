"""The table of the life of a connection, row by row, on three stacks and in three styles.

The table is ``docs/life_of_a_connection.csv``, and stands in ``docs/architecture``.
"""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import NamedTuple

import pytest

from ratchet_py.testing import RawClient

TABLE = Path(__file__).parents[2] / "docs" / "life_of_a_connection.csv"


class Row(NamedTuple):
    """One row of the table."""

    state: str
    event: str
    told: str
    gets: str
    next: str


with TABLE.open(newline="") as lines:
    ROWS = [Row(*line) for line in list(csv.reader(lines))[1:]]

STACKS = ("raw", "websocket", "wamp")
STYLES = ("plain", "Deferred", "async")

# What only a client that speaks HTTP and WebSocket can do, or only App has.
NOT_RAW = {"two keepAlive intervals without a byte", "the client breaks the protocol"}


class Life:
    """One connection, brought into a state; each event of the table is a method."""

    def __init__(self, stack, state):
        self.stack = stack
        self.app = stack.app
        self.opening = None
        self.running = None
        getattr(self, f"enter_{state}")()
        self.before = len(self.app.told)
        self.client.closeCode = None

    # -- states -----------------------------------------------------------------------------------

    def enter_handshaking(self):
        self.client = RawClient(self.stack.server)
        self.client.sendBytes(self.stack.head[:40])

    def enter_opening(self):
        self.opening = self.app.hold("onOpen")
        self.client = self.stack.connect()

    def enter_open(self):
        self.client = self.stack.connect()

    def enter_closing(self):
        self.enter_open()
        self.begin_a_callback()
        self.the_application_closes()

    def enter_closed(self):
        self.enter_open()
        self.begin_a_callback()
        self.the_client_goes()

    def begin_a_callback(self):
        if self.app.style != "plain":
            self.running = self.app.hold("onMessage")
            self.a_message()

    # -- events -----------------------------------------------------------------------------------

    def bytes_arrive(self):
        self.client.sendBytes(self.stack.head[40:50])

    def the_head_is_complete(self):
        if self.app.style != "plain":
            self.opening = self.app.hold("onOpen")
        self.client.sendBytes(self.stack.head[40:])

    def the_request_is_refused(self):
        self.client.sendBytes(b"no header line\r\n\r\n")

    def handshakeTimeout(self):
        self.stack.clock.advance(10)
        self.stack.clock.advance(0)

    def the_server_stops(self):
        if self.app.conn is not None:
            self.stack.lingers(self.client)
        self.stack.server.close()
        self.stack.clock.advance(0)

    def a_message(self):
        self.stack.message(self.client)

    def onOpen_finishes(self):
        self.opening.callback(None)
        self.stack.clock.advance(0)

    def onOpen_fails(self):
        self.opening.errback(ZeroDivisionError("boom"))
        self.stack.clock.advance(0)

    def onMessage_fails(self):
        self.app.plans["onMessage"] = self.app.fails
        self.a_message()

    def onMessage_and_onError_fail(self):
        self.app.plans["onError"] = self.app.fails
        self.onMessage_fails()

    def onClose_fails(self):
        self.app.plans["onClose"] = self.app.fails

    def a_callback_that_began_before_fails(self):
        self.running.errback(ZeroDivisionError("boom"))

    def the_client_closes(self):
        self.stack.peerCloses(self.client)

    def the_client_goes(self):
        self.client.disconnect()

    def the_client_breaks_the_protocol(self):
        self.client.sendBytes(b"\xff\xff")

    def the_application_closes(self):
        self.stack.lingers(self.client)
        self.app.conn.close()
        self.stack.clock.advance(0)

    def the_application_aborts(self):
        self.app.conn.abort()
        self.stack.clock.advance(0)

    def the_application_sends(self):
        before = self.stack.sent(self.client)
        self.stack.send(self.app.conn)
        assert self.stack.sent(self.client) == before

    def closeTimeout(self):
        self.stack.clock.advance(5)
        self.stack.clock.advance(0)

    def two_keepAlive_intervals_without_a_byte(self):
        for seconds in (30, 30, 0):
            self.stack.clock.advance(seconds)

    # -- what has come of it ----------------------------------------------------------------------

    @property
    def told(self):
        return self.app.told[self.before :]

    @property
    def gets(self):
        code = getattr(self.client, "closeCode", None)
        if code is not None:
            return f"close {code}"
        if self.client.data.startswith(b"HTTP/1.1 ") and type(self.client) is RawClient:
            return self.client.data[9:12].decode()
        return "nothing"

    @property
    def state(self):
        if self.client.isClosed:
            return "closed"
        if self.app.conn is None:
            return "handshaking"
        before = self.stack.sent(self.client)
        self.stack.send(self.app.conn)
        if self.stack.sent(self.client) == before:
            return "closing"
        return "opening" if self.opening is not None and not self.opening.called else "open"

    def end(self):
        """Let everything end that has not ended yet."""
        self.client.disconnect()
        for pending in (self.opening, self.running):
            if pending is not None and not pending.called:
                pending.callback(None)


def cases():
    for row, kind, style in itertools.product(ROWS, STACKS, STYLES):
        if kind == "raw" and (row.state == "handshaking" or row.event in NOT_RAW):
            continue
        if style == "plain" and (row.state == "opening" or "began before" in row.event):
            continue  # a plain callback has ended when it returns
        yield pytest.param(row, kind, style, id=f"{row.state}: {row.event} ({kind}, {style})")


@pytest.mark.parametrize(("row", "kind", "style"), list(cases()))
def test_row(row, kind, style, makeStack, loggedFailures):
    stack = makeStack(kind, style)
    life = Life(stack, row.state)
    # What is to fail when its time comes is prepared; the rest happens in the order of the words.
    for step in sorted(row.event.split(", "), key=lambda step: step != "onClose fails"):
        assert not (row.state == "opening" and life.told), "told before onOpen had finished"
        getattr(life, step.removeprefix("then ").replace(" ", "_"))()

    assert (" ".join(life.told) or "nothing") == row.told
    if row.gets == "4xx or 5xx":
        assert 400 <= int(life.gets) < 600
    else:
        assert life.gets == ("nothing" if kind == "raw" else row.gets)
    if style == "plain" and row.next == "opening":
        assert life.state == "open"
    else:
        assert life.state == row.next
    # What onClose and onError fail with would otherwise be known to nobody.
    isLogged = bool(loggedFailures.flush(ZeroDivisionError))
    assert isLogged == ("onError fail" in row.event or "onClose fails" in row.event)

    life.end()
    assert stack.app.told.count("onClose") == stack.app.told.count("onOpen")
    assert not stack.left()


def test_the_table_has_a_row_for_each_way_out_of_each_state():
    """No state is without an end, and none but the last is one."""
    states = ["handshaking", "opening", "open", "closing", "closed"]
    assert [state for state in states if state in {row.state for row in ROWS}] == states
    for state in states[:-1]:
        assert any(row.next == "closed" for row in ROWS if row.state == state)
    assert {row.next for row in ROWS if row.state == "closed"} == {"closed"}
    assert len({(row.state, row.event) for row in ROWS}) == len(ROWS)
