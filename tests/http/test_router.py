from __future__ import annotations

import pytest
from twisted.logger import formatEvent, globalLogPublisher
from twisted.web.static import Data

from ratchet_py.errors import HttpError
from ratchet_py.http import HttpServer, Request, ResourceController, Route, RouteCollection, Router


def request(target="/", host="localhost:8080", method="GET"):
    return Request(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


def router(*routes):
    collection = RouteCollection()
    for index, route in enumerate(routes):
        collection.add(str(index), route)
    return Router(collection)


def page():
    return Data(b"x", "text/plain")


@pytest.mark.parametrize(
    ("pattern", "options", "path", "expected"),
    [
        ("/chat", {}, "/chat", {}),
        ("chat", {}, "/chat", {}),
        ("/chat", {}, "/chat/", None),
        ("/chat", {}, "/Chat", None),
        ("/chat", {}, "/chat\n", None),
        ("/", {}, "/", {}),
        ("/", {}, "//", None),
        ("/a.b", {}, "/axb", None),
        ("/a.b", {}, "/a.b", {}),
        ("/chat/{room}", {}, "/chat/python", {"room": "python"}),
        ("/chat/{room}", {}, "/chat/a b\n\u00fc", {"room": "a b\n\u00fc"}),
        ("/chat/{room}", {}, "/chat/", None),
        ("/chat/{room}", {}, "/chat", None),
        ("/chat/{room}", {}, "/chat/a/b", None),
        ("/{a}/{b}", {}, "/1/2", {"a": "1", "b": "2"}),
        ("/{a}/x/{b}", {}, "/1/x/2", {"a": "1", "b": "2"}),
        ("/{name}.{ext}", {}, "/file.txt", {"name": "file", "ext": "txt"}),
        ("/{name}.{ext}", {}, "/a.b.c", {"name": "a", "ext": "b.c"}),
        ("/{a}-{b}", {}, "/1-2", {"a": "1", "b": "2"}),
        ("/{a}", {"requirements": {"a": "[0-9]+"}}, "/42", {"a": "42"}),
        ("/{a}", {"requirements": {"a": "^[0-9]+$"}}, "/42", {"a": "42"}),
        ("/{a}", {"requirements": {"a": "[0-9]+"}}, "/4x", None),
        ("/{a}", {"requirements": {"a": "x|y"}}, "/y", {"a": "y"}),
        ("/{a}", {"requirements": {"a": "(x)(?P<inner>y)"}}, "/xy", {"a": "xy"}),
        ("/f/{a}", {"requirements": {"a": ".+"}}, "/f/x/y\nz", {"a": "x/y\nz"}),
        ("/c/{room}", {"defaults": {"room": "lobby"}}, "/c", {"room": "lobby"}),
        ("/c/{room}", {"defaults": {"room": "lobby"}}, "/c/x", {"room": "x"}),
        ("/c/{room}", {"defaults": {"room": "lobby"}}, "/c/", None),
        ("/{room}", {"defaults": {"room": "lobby"}}, "/", {"room": "lobby"}),
        ("/{room}", {"defaults": {"room": "lobby"}}, "/x", {"room": "x"}),
        ("/{a}/{b}", {"defaults": {"a": "1", "b": "2"}}, "/", {"a": "1", "b": "2"}),
        ("/{a}/{b}", {"defaults": {"a": "1", "b": "2"}}, "/x", {"a": "x", "b": "2"}),
        ("/{a}/{b}", {"defaults": {"a": "1", "b": "2"}}, "/x/y", {"a": "x", "b": "y"}),
        ("/{a}/end", {"defaults": {"a": "1"}}, "/end", None),
        ("/{a}/end", {"defaults": {"a": "1"}}, "/x/end", {"a": "x"}),
        ("/x", {"defaults": {"mode": "fast"}}, "/x", {"mode": "fast"}),
    ],
)
def test_matching(recorder, pattern, options, path, expected):
    assert Route(pattern, recorder(), **options).match(path) == expected


@pytest.mark.parametrize(
    ("pattern", "options"),
    [
        ("/{a}/{a}", {}),
        ("/{a}{b}", {}),
        ("/{a}", {"requirements": {"b": "x"}}),
        ("/", {"host": "a:b:c"}),
        ("/", {"host": ""}),
    ],
)
def test_routes_that_make_no_sense(recorder, pattern, options):
    with pytest.raises(ValueError):  # noqa: PT011 - several texts
        Route(pattern, recorder(), **options)


def test_a_controller_that_is_none():
    with pytest.raises(TypeError, match="HttpServerInterface or an IResource"):
        Route("/", object())


@pytest.mark.parametrize(
    "pattern", ["/{a}/{b}/{c}/{d}/end", "/{a}-{b}-{c}-{d}/end", "/{a}.{b}.{c}/{d}/end"]
)
def test_hostile_paths_come_to_an_end(recorder, pattern):
    # One that went back for every way to split them would not, in this life.
    route = Route(pattern, recorder(), defaults={"d": "x"})
    for path in ("/a" * 8000, "/" + "-" * 16000, "/" + "a-" * 8000, "/" + "a." * 8000, "/" * 16000):
        assert route.match(path) is None


def test_the_collection(recorder):
    routes = RouteCollection()
    first, second, third = (Route(path, recorder()) for path in ("/1", "/2", "/3"))
    routes.add("a", first)
    routes.add("b", second)
    assert list(routes) == [first, second]
    routes.add("a", third)
    assert list(routes) == [second, third]
    assert routes.get("a") is third
    routes.remove("a")
    routes.remove("never there")
    assert routes.get("a") is None
    assert len(routes) == 1


# -- the router -----------------------------------------------------------------------------------


def test_the_first_route_that_fits_gets_the_connection(conn, recorder):
    one, two, three = recorder(), recorder(open=lambda *_: "opened"), recorder()
    made = router(Route("/a", one), Route("/{any}", two), Route("/b", three))

    assert made.onOpen(conn, request("/b")) == "opened"
    made.onMessage(conn, b"x")
    error = RuntimeError()
    made.onError(conn, error)
    made.onClose(conn)

    assert two.events == [("open", "/b"), ("message", b"x"), ("error", error), ("close",)]
    assert one.events == three.events == []


def test_on_message_returns_what_the_controller_does(conn, recorder):
    made = router(Route("/", recorder(message=lambda conn, msg: msg * 2)))
    made.onOpen(conn, request())

    assert made.onMessage(conn, b"x") == b"xx"


def test_placeholders_win_over_the_query(conn, recorder):
    seen = []
    component = recorder(open=lambda conn, request: seen.append(request.query))
    made = router(Route("/chat/{room}", component, defaults={"mode": "fast"}))
    made.onOpen(conn, request("/chat/a%20b?room=x&mode=slow&name=Ann"))

    assert seen == [{"room": "a b", "mode": "fast", "name": "Ann"}]


def test_an_encoded_slash_is_one(conn, recorder):
    component = recorder()
    router(Route("/a/b", component)).onOpen(conn, request("/a%2Fb"))

    assert component.events == [("open", "/a%2Fb")]


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        (None, True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("localhost:99", True),
        ("example.com", False),
    ],
)
def test_the_host_is_compared_without_case_and_port(conn, recorder, host, fits):
    made = router(Route("/", recorder(), host=host))
    if fits:
        made.onOpen(conn, request(host="LocalHost:8080"))
    else:
        with pytest.raises(HttpError) as caught:
            made.onOpen(conn, request(host="LocalHost:8080"))
        assert caught.value.status == 404


@pytest.mark.parametrize("host", ["::1", "[::1]", "[::1]:80"])
def test_a_host_may_be_an_ipv6_address(conn, recorder, host):
    component = recorder()
    router(Route("/", component, host=host)).onOpen(conn, request(host="[::1]:8080"))

    assert component.events == [("open", "/")]


def test_one_path_may_be_served_on_two_hosts(conn, recorder):
    one, two = recorder(), recorder()
    made = router(Route("/", one, host="one.example"), Route("/", two, host="two.example"))
    made.onOpen(conn, request(host="two.example"))

    assert (one.events, two.events) == ([], [("open", "/")])


def test_an_unknown_path(conn, recorder):
    component = recorder()
    made = router(Route("/a", component))
    with pytest.raises(HttpError) as caught:
        made.onOpen(conn, request("/b"))
    made.onClose(conn)

    assert caught.value.status == 404
    assert component.events == []


def test_a_method_that_the_path_does_not_take(conn, recorder):
    made = router(Route("/a", recorder()), Route("/{b}", recorder(), methods=["put", "GET"]))
    with pytest.raises(HttpError) as caught:
        made.onOpen(conn, request("/a", method="POST"))

    assert caught.value.status == 405
    assert caught.value.headers == {"Allow": "GET, PUT"}


def test_a_websocket_route_allows_get(conn, recorder):
    with pytest.raises(HttpError) as caught:
        router(Route("/a", recorder())).onOpen(conn, request("/a", method="HEAD"))

    assert caught.value.headers == {"Allow": "GET"}


def test_an_unknown_path_or_host_comes_before_the_method(conn, recorder):
    made = router(Route("/a", recorder(), host="example.com"))
    for asked in (request("/b", method="POST"), request("/a", method="POST")):
        with pytest.raises(HttpError) as caught:
            made.onOpen(conn, asked)
        assert caught.value.status == 404


def test_a_later_route_may_take_the_method(conn, recorder):
    one, two = recorder(), recorder()
    made = router(Route("/a", one), Route("/a", two, methods=["POST"]))
    made.onOpen(conn, request("/a", method="POST"))

    assert (one.events, two.events) == ([], [("open", "/a")])


def test_routes_may_be_added_later(conn, recorder):
    made = router()
    component = recorder()
    made.routes.add("a", Route("/a", component))
    made.onOpen(conn, request("/a"))

    assert component.events == [("open", "/a")]


def test_serial_if_any_controller_is(recorder):
    made = router(Route("/a", recorder()), Route("/b", component := recorder()))
    assert not made.serial
    component.serial = True
    assert made.serial


def test_an_error_without_a_controller_is_answered(conn, loggedFailures):
    made = router()
    made.onError(conn, RuntimeError("broken"))

    assert conn.status == 500
    assert len(loggedFailures.flush(RuntimeError)) == 1


def test_a_controller_that_refuses_is_closed(conn, recorder):
    def onOpen(conn, request):
        raise HttpError(403, "no")

    component = recorder(open=onOpen)
    server = HttpServer(router(Route("/", component)))
    server.onOpen(conn)
    server.onMessage(conn, request().head)
    server.onClose(conn)

    assert conn.status == 403
    assert component.events == [("open", "/"), ("close",)]


def test_a_not_found_is_logged_once_and_names_the_option(conn, recorder):
    lines = []
    observer = lambda event: lines.append(formatEvent(event))  # noqa: E731
    globalLogPublisher.addObserver(observer)
    try:
        made = router(Route("/a", recorder(), host="example.com"))
        for path in ("/b%0A", "/b%0A", "/a", "/a"):
            with pytest.raises(HttpError):
                made.onOpen(conn, request(path))
    finally:
        globalLogPublisher.removeObserver(observer)

    assert len(lines) == 2
    assert r"'/b\n'" in lines[0]
    assert "route" in lines[0]
    assert "example.com" in lines[1]
    assert "httpHost" in lines[1]


# -- resources ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "path", "scriptName"),
    [
        ("/", "/", ""),
        ("/", "/a/b", ""),
        ("/static", "/static", "/static"),
        ("/static/", "/static/", "/static"),
        ("/static", "/static/a/b", "/static"),
        ("/static", "/statics", None),
        ("/{user}/files", "/ann/files/a", "/ann/files"),
    ],
)
def test_a_resource_takes_what_is_below_its_path(pattern, path, scriptName):
    route = Route(pattern, page())
    asked = request(path)

    assert route.matchRequest(asked) is (scriptName is not None)
    assert asked.scriptName == (scriptName or "")


def test_a_mount_puts_only_its_placeholders_into_the_query():
    asked = request("/ann/files/a?x=1")
    Route("/{user}/files", page()).matchRequest(asked)

    assert asked.query == {"user": "ann", "x": "1"}


def test_a_resource_takes_any_method_unless_told(conn):
    assert Route("/", page()).methods is None
    assert Route("/", page(), methods=["GET"]).methods == ("GET",)


def test_a_resource_may_be_wrapped_already():
    controller = ResourceController(page())
    route = Route("/x", controller)

    assert route.controller is controller
    assert route.isMount
