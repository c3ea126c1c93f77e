from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed

from ratchet_py.errors import HttpError
from ratchet_py.http import HttpServer
from ratchet_py.limits import Limits

HEAD = b"GET /chat HTTP/1.1\r\nHost: localhost\r\n\r\n"
OTHER = b"GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n"
LIMITS = Limits(handshakeTimeout=10, headSize=200)


def opened(server, conn, data=HEAD):
    server.onOpen(conn)
    server.onMessage(conn, data)


def test_the_component_is_opened_with_the_request(conn, recorder, clock):
    component = recorder()
    opened(HttpServer(component), conn)

    assert component.events == [("open", "/chat")]
    assert conn.httpRequest.path == "/chat"
    assert conn.httpRequest.remoteAddress == conn.remoteAddress
    assert conn.written == b""
    assert not clock.getDelayedCalls()


def test_the_request_is_there_in_on_open(conn, recorder):
    component = recorder(open=lambda conn, request: seen.append(conn.httpRequest is request))
    seen = []
    opened(HttpServer(component), conn)

    assert seen == [True]


def test_what_follows_the_head_in_the_same_segment_is_a_message(conn, recorder):
    component = recorder()
    opened(HttpServer(component), conn, HEAD + b"\x81\x00")

    assert component.events == [("open", "/chat"), ("message", b"\x81\x00")]


def test_messages_and_the_close_go_up(conn, recorder):
    component = recorder(message=lambda conn, msg: msg * 2, close=lambda conn: "closed")
    server = HttpServer(component)
    opened(server, conn)

    assert server.onMessage(conn, b"a") == b"aa"
    assert server.onClose(conn) == "closed"
    assert component.events[1:] == [("message", b"a"), ("close",)]


def test_an_exception_of_on_message_is_the_callers(conn, recorder):
    component = recorder(message=lambda conn, msg: 1 / 0, error=lambda conn, exc: "seen")
    server = HttpServer(component)
    opened(server, conn)

    with pytest.raises(ZeroDivisionError) as caught:
        server.onMessage(conn, b"a")
    assert server.onError(conn, caught.value) == "seen"
    assert component.events[-1] == ("error", caught.value)


def test_an_exception_for_the_rest_of_the_segment_reaches_on_error(conn, recorder):
    component = recorder(message=lambda conn, msg: 1 / 0)
    server = HttpServer(component)
    opened(server, conn, HEAD + b"x")

    assert [event[0] for event in component.events] == ["open", "message", "error"]
    assert not conn.closed


def test_serial_is_what_the_component_says(recorder):
    component = recorder()
    assert not HttpServer(component).serial
    component.serial = True
    assert HttpServer(component).serial


@pytest.mark.parametrize("cut", range(1, len(HEAD) + 2))
def test_the_head_may_come_in_pieces(conn, recorder, cut):
    component = recorder()
    server = HttpServer(component)
    data = HEAD + b"xy"
    opened(server, conn, data[:cut])
    server.onMessage(conn, data[cut:])

    assert component.events[0] == ("open", "/chat")
    assert b"".join(event[1] for event in component.events[1:]) == b"xy"


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / X\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\n", 400),
        (b"x" * 200, 431),
    ],
)
def test_a_bad_head_is_refused_and_the_component_never_told(conn, recorder, clock, data, status):
    component = recorder()
    server = HttpServer(component, LIMITS)
    opened(server, conn, data)
    server.onMessage(conn, HEAD)
    server.onClose(conn)

    assert conn.status == status
    assert conn.closed
    assert component.events == []
    assert not clock.getDelayedCalls()


def test_half_a_request_and_then_silence(conn, recorder, clock):
    component = recorder()
    server = HttpServer(component, LIMITS)
    server.onOpen(conn)
    clock.advance(9)
    server.onMessage(conn, HEAD[:10])
    assert conn.written == b""
    clock.advance(1)

    assert conn.status == 408
    assert conn.closed
    server.onMessage(conn, HEAD)
    server.onClose(conn)
    assert component.events == []


def test_silence_is_answered_too(conn, recorder, clock):
    server = HttpServer(recorder(), LIMITS)
    server.onOpen(conn)
    clock.advance(10)

    assert conn.status == 408


def test_a_client_that_leaves_early_leaves_nothing(conn, recorder, clock):
    component = recorder()
    server = HttpServer(component)
    server.onOpen(conn)
    server.onMessage(conn, HEAD[:10])
    server.onClose(conn)

    assert component.events == []
    assert not clock.getDelayedCalls()


def refuseIt(conn, request):
    raise HttpError(403, "not you", {"X-Why": "because"})


def test_an_http_error_of_on_open_is_the_answer(conn, recorder):
    component = recorder(open=refuseIt)
    server = HttpServer(component)
    opened(server, conn, HEAD + b"rest")
    server.onMessage(conn, b"more")

    assert conn.status == 403
    assert conn.answerBody == b"not you\n"
    assert conn.answerHeaders["X-Why"] == "because"
    assert conn.closed
    assert component.events == [("open", "/chat")]

    server.onClose(conn)
    assert component.events == [("open", "/chat"), ("close",)]


@pytest.mark.parametrize("asynchronous", ["coroutine", "deferred", "fired"])
def test_so_is_one_that_comes_later(conn, recorder, asynchronous):
    gate = Deferred()

    async def onOpen(conn, request):
        await gate
        refuseIt(conn, request)

    actions = {
        "coroutine": onOpen,
        "deferred": lambda conn, request: gate.addCallback(lambda _: refuseIt(conn, request)),
        "fired": lambda conn, request: succeed(None).addCallback(lambda _: refuseIt(conn, request)),
    }
    component = recorder(open=actions[asynchronous])
    server = HttpServer(component)
    opened(server, conn, HEAD + b"rest")
    if asynchronous != "fired":
        assert conn.pauses == 1
        assert conn.written == b""
        gate.callback(None)

    assert conn.status == 403
    assert conn.pauses == 0
    server.onMessage(conn, b"more")
    server.onClose(conn)
    assert component.events == [("open", "/chat"), ("close",)]


def test_a_refused_head_request_gets_no_body(conn, recorder):
    opened(HttpServer(recorder(open=refuseIt)), conn, HEAD.replace(b"GET", b"HEAD"))

    assert conn.status == 403
    assert conn.answerBody == b""
    assert conn.answerHeaders["Content-Length"] == "8"


def test_refusals_need_not_name_the_library(conn, recorder):
    opened(HttpServer(recorder(open=refuseIt), poweredBy=False), conn)

    assert b"X-Powered-By" not in conn.written


def test_any_other_exception_of_on_open_goes_to_on_error_and_the_connection_stays(conn, recorder):
    component = recorder(open=lambda conn, request: 1 / 0)
    server = HttpServer(component)
    opened(server, conn, HEAD + b"x")

    assert [event[0] for event in component.events] == ["open", "error", "message"]
    assert not conn.closed


def test_a_fault_below_the_component_is_answered(conn, recorder, loggedFailures):
    component = recorder()
    server = HttpServer(component)
    server.onOpen(conn)
    server.onError(conn, RuntimeError("broken"))

    assert conn.status == 500
    assert b"broken" not in conn.written
    assert component.events == []
    assert len(loggedFailures.flush(RuntimeError)) == 1
    server.onError(conn, RuntimeError("again"))
    assert conn.status == 500
    assert len(loggedFailures.flush(RuntimeError)) == 1


# -- an onOpen that takes its time ----------------------------------------------------------------


def test_messages_wait_for_on_open(conn, recorder):
    gate = Deferred()
    component = recorder(open=lambda conn, request: gate)
    server = HttpServer(component)
    opened(server, conn, HEAD + b"a")
    server.onMessage(conn, b"b")
    assert component.events == [("open", "/chat")]
    assert conn.pauses == 1

    gate.callback(None)
    server.onMessage(conn, b"c")

    assert component.events == [("open", "/chat"), ("message", b"ab"), ("message", b"c")]
    assert conn.pauses == 0


def test_the_close_waits_for_on_open(conn, recorder):
    gate = Deferred()
    component = recorder(open=lambda conn, request: gate)
    server = HttpServer(component)
    opened(server, conn, HEAD + b"a")
    server.onClose(conn)
    assert component.events == [("open", "/chat")]

    gate.callback(None)

    assert component.events == [("open", "/chat"), ("close",)]


def test_an_on_open_that_fails_later_goes_to_on_error(conn, recorder):
    gate = Deferred()
    component = recorder(open=lambda conn, request: gate)
    server = HttpServer(component)
    opened(server, conn, HEAD + b"a")
    gate.errback(ZeroDivisionError())

    assert [event[0] for event in component.events] == ["open", "error", "message"]
    assert conn.written == b""


def test_a_serial_component_finishes_the_rest_of_the_segment_first(conn, recorder):
    gate = Deferred()
    component = recorder(message=lambda conn, msg: gate if msg == b"a" else None)
    component.serial = True
    server = HttpServer(component)
    opened(server, conn, HEAD + b"a")
    assert conn.pauses == 1
    server.onMessage(conn, b"b")
    assert component.events == [("open", "/chat"), ("message", b"a")]

    gate.callback(None)
    server.onMessage(conn, b"c")

    assert component.events[1:] == [("message", b"a"), ("message", b"b"), ("message", b"c")]
    assert conn.pauses == 0


def test_a_close_while_a_serial_component_is_at_it(conn, recorder):
    gate = Deferred()
    component = recorder(message=lambda conn, msg: gate)
    component.serial = True
    server = HttpServer(component)
    opened(server, conn, HEAD + b"a")
    server.onClose(conn)
    gate.callback(None)

    assert component.events == [("open", "/chat"), ("message", b"a"), ("close",)]


def test_a_component_that_closes_while_it_opens(conn, recorder):
    component = recorder(open=lambda conn, request: server.onClose(conn))
    server = HttpServer(component)
    opened(server, conn, HEAD + b"a")

    assert component.events == [("open", "/chat"), ("close",)]


# -- one request after another --------------------------------------------------------------------


def answering(**more):
    """What a component does that answers at once and gives the connection back."""

    def onOpen(conn, request):
        conn.send(b"<" + request.path.encode() + b">")
        request.nextRequest(b"")

    return {"open": onOpen, **more}


def test_a_connection_can_be_given_back_for_another_request(conn, recorder):
    component = recorder(**answering())
    server = HttpServer(component)
    opened(server, conn)
    server.onMessage(conn, OTHER)
    server.onClose(conn)

    assert component.events == [("open", "/chat"), ("close",), ("open", "/other"), ("close",)]
    assert conn.written == b"</chat></other>"
    assert conn.httpRequest.path == "/other"


def test_requests_may_come_all_at_once(conn, recorder):
    component = recorder(**answering())
    server = HttpServer(component)
    opened(server, conn, (HEAD + OTHER) * 2000 + HEAD[:9])

    assert (
        component.events
        == [
            ("open", "/chat"),
            ("close",),
            ("open", "/other"),
            ("close",),
        ]
        * 2000
    )
    server.onMessage(conn, HEAD[9:])
    assert component.events[-2:] == [("open", "/chat"), ("close",)]


def test_bodies_may_come_all_at_once(conn, recorder):
    def onOpen(conn, request):
        conn.done = request.nextRequest

    component = recorder(open=onOpen, message=lambda conn, msg: conn.done(msg[3:]))
    server = HttpServer(component)
    opened(server, conn, (HEAD + b"abc") * 2000)

    assert len(component.events) == 6000
    assert [event[0] for event in component.events[:3]] == ["open", "message", "close"]


def test_it_can_be_given_back_later(conn, recorder):
    requests = []
    component = recorder(open=lambda conn, request: requests.append(request.nextRequest))
    server = HttpServer(component)
    opened(server, conn)
    server.onMessage(conn, b"body")
    requests[0](OTHER + b"x")

    assert component.events == [
        ("open", "/chat"),
        ("message", b"body"),
        ("close",),
        ("open", "/other"),
        ("message", b"x"),
    ]


def test_it_can_be_given_back_while_on_open_is_at_it(conn, recorder):
    gate = Deferred()

    def onOpen(conn, request):
        if request.path == "/chat":
            request.nextRequest(b"")
            return gate
        return None

    component = recorder(open=onOpen)
    server = HttpServer(component)
    opened(server, conn, HEAD + OTHER)
    assert component.events == [("open", "/chat")]

    gate.callback(None)

    assert component.events == [("open", "/chat"), ("close",), ("open", "/other")]


def test_a_client_that_leaves_after_it_was_given_back(conn, recorder):
    gate = Deferred()

    def onOpen(conn, request):
        request.nextRequest(b"")
        return gate

    component = recorder(open=onOpen)
    server = HttpServer(component)
    opened(server, conn, HEAD + OTHER)
    server.onClose(conn)
    gate.callback(None)

    assert component.events == [("open", "/chat"), ("close",)]


def test_a_client_that_is_dropped_as_it_is_given_back(conn, recorder, clock):
    component = recorder(**answering(close=lambda conn: server.onClose(conn)))
    server = HttpServer(component)
    opened(server, conn, HEAD + OTHER)

    assert component.events == [("open", "/chat"), ("close",)]
    assert not clock.getDelayedCalls()


def test_what_on_open_returns_is_ignored(conn, recorder):
    component = recorder(open=lambda conn, request: "something")
    opened(HttpServer(component), conn, HEAD + b"x")

    assert component.events == [("open", "/chat"), ("message", b"x")]


def test_it_is_given_back_once(conn, recorder):
    requests = []
    component = recorder(open=lambda conn, request: requests.append(request.nextRequest))
    server = HttpServer(component)
    opened(server, conn)
    requests[0](b"")
    requests[0](b"")
    server.onMessage(conn, OTHER)
    requests[0](b"")

    assert component.events == [("open", "/chat"), ("close",), ("open", "/other")]


def test_the_way_back_is_not_kept_by_an_idle_connection(conn, recorder):
    opened(HttpServer(recorder()), conn)

    assert conn.httpRequest.nextRequest is None


def test_an_idle_connection_is_closed_without_an_answer(conn, recorder, clock):
    component = recorder(**answering())
    server = HttpServer(component, LIMITS)
    opened(server, conn)
    clock.advance(10)

    assert conn.closed
    assert conn.written == b"</chat>"
    server.onMessage(conn, HEAD)
    server.onClose(conn)
    assert component.events == [("open", "/chat"), ("close",)]


def test_half_a_second_request_is_answered(conn, recorder, clock):
    server = HttpServer(recorder(**answering()), LIMITS)
    opened(server, conn, HEAD + OTHER[:10])
    clock.advance(10)

    assert conn.written.startswith(b"</chat>HTTP/1.1 408 ")


def test_a_bad_second_request_is_refused(conn, recorder):
    component = recorder(**answering())
    server = HttpServer(component)
    opened(server, conn, HEAD + b"nonsense\r\n\r\n")
    server.onClose(conn)

    assert conn.written.startswith(b"</chat>HTTP/1.1 400 ")
    assert component.events == [("open", "/chat"), ("close",)]


def test_a_client_that_leaves_between_two_requests(conn, recorder, clock):
    component = recorder(**answering())
    server = HttpServer(component)
    opened(server, conn)
    server.onClose(conn)

    assert component.events == [("open", "/chat"), ("close",)]
    assert not clock.getDelayedCalls()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 200), max_size=6))
def test_however_it_is_cut_the_component_sees_the_same(connection, recorder, cuts):
    data = HEAD + OTHER + HEAD.replace(b"/chat", b"/last") + b"the rest"
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]

    def onOpen(conn, request):
        if request.path != "/last":
            request.nextRequest(b"")

    component = recorder(open=onOpen)
    server = HttpServer(component)
    conn = connection()
    server.onOpen(conn)
    for begin, end in pairwise(edges):
        server.onMessage(conn, data[begin:end])

    assert component.events[:5] == [
        ("open", "/chat"),
        ("close",),
        ("open", "/other"),
        ("close",),
        ("open", "/last"),
    ]
    assert b"".join(event[1] for event in component.events[5:]) == b"the rest"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.one_of(st.binary(max_size=40), st.just(HEAD)), max_size=6))
def test_no_bytes_make_it_raise(connection, recorder, pieces):
    component = recorder()
    server = HttpServer(component, LIMITS)
    conn = connection()
    server.onOpen(conn)
    for piece in pieces:
        server.onMessage(conn, piece)
    server.onClose(conn)

    names = [event[0] for event in component.events]
    assert names.count("open") == names.count("close") <= 1
    assert conn.reactor.getDelayedCalls() == []
