import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet_py.errors import HttpError
from ratchet_py.rfc6455.handshake import ServerNegotiator
from ratchet_py.rfc6455.permessage_deflate import PerMessageDeflateOptions

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GOOD = {
    "Upgrade": ["websocket"],
    "Connection": ["Upgrade"],
    "Sec-WebSocket-Key": [KEY],
    "Sec-WebSocket-Version": ["13"],
}
UPGRADE = {
    "Connection": "Upgrade, close",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
}


class Fields:
    def __init__(self, fields):
        self._fields = {name.lower(): values for name, values in fields.items()}

    def getAll(self, name):
        return list(self._fields.get(name.lower(), ()))


def handshake(negotiator=None, method="GET", version="1.1", **changed):
    names = {name.replace("-", "").lower(): name for name in GOOD}
    names["protocol"] = "Sec-WebSocket-Protocol"
    names["extensions"] = "Sec-WebSocket-Extensions"
    fields = dict(GOOD)
    for name, values in changed.items():
        fields[names.get(name, names.get("secwebsocket" + name))] = values
    return (negotiator or ServerNegotiator()).handshake(method, version, Fields(fields))


def refused(*args, **kwargs):
    with pytest.raises(HttpError) as caught:
        handshake(*args, **kwargs)
    return caught.value


def test_a_good_one():
    answer = handshake()
    assert answer.headers == [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ]
    assert answer.subProtocol is None
    assert answer.extension is None


@pytest.mark.parametrize(
    "changed",
    [
        {"upgrade": ["WebSocket"]},
        {"upgrade": ["h2c, websocket"]},
        {"upgrade": ["foo/1", "websocket"]},
        {"connection": ["keep-alive, Upgrade"]},
        {"connection": ["keep-alive", "UPGRADE"]},
        {"connection": [" ,,\t upgrade ,"]},
        {"key": ["AAAAAAAAAAAAAAAAAAAAAA=="]},
        {"key": ["/+/+/+/+/+/+/+/+/+/+/w=="]},
    ],
)
def test_good_ones_too(changed):
    assert handshake(**changed).headers


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "get", "GETX", ""])
def test_method(method):
    error = refused(method=method)
    assert (error.status, error.headers) == (405, {"Allow": "GET"})


@pytest.mark.parametrize("version", ["1.0", "2.0", "1.10", "1.2", "0.9"])
def test_http_version(version):
    error = refused(version=version)
    assert (error.status, error.headers) == (505, {})


@pytest.mark.parametrize(
    "values",
    [[], [""], ["h2c"], ["websocket/13"], ["websockets"], ["websocket;"], ["web socket"], [","]],
)
def test_upgrade(values):
    error = refused(upgrade=values)
    assert (error.status, error.headers) == (426, UPGRADE)


@pytest.mark.parametrize(
    "values",
    [[], [""], ["keep-alive"], ["Upgrade;q=1"], ["up grade"], ["upgrade\x0b"], ["\xa0upgrade"]],
)
def test_connection(values):
    error = refused(connection=values)
    assert (error.status, error.headers) == (400, {})


@pytest.mark.parametrize(
    "values",
    [
        [],
        [KEY, KEY],
        [""],
        ["dGhlIHNhbXBsZSBub25jZQ="],
        ["dGhlIHNhbXBsZSBub25jZQ"],
        ["dGhlIHNhbXBsZSBub25jZR=="],  # bits that belong to no byte
        ["dGhlIHNhbXBsZSBub25j\nZQ=="],
        [KEY + "\n"],
        ["dGhlIHNhbXBsZSBub25j-Q=="],
        ["dGhlIHNhbXBsZSBub25jZSE="],  # 17 bytes
        ["dGhlIHNhbXBsZSBub25j"],  # 15 bytes
        [KEY + ", " + KEY],
        ["dGhlIHNhbXBsZSBub25j\u0661Q=="],
    ],
)
def test_key(values):
    error = refused(key=values)
    assert (error.status, error.headers) == (400, {})


@pytest.mark.parametrize(
    "values",
    [[], [""], ["13abc"], ["12"], ["013"], ["13", "13"], ["13, 8"], ["+13"], ["\u0661\u0663"]],
)
def test_websocket_version(values):
    fields = dict(GOOD, **{"Sec-WebSocket-Version": values})
    with pytest.raises(HttpError) as caught:
        ServerNegotiator().handshake("GET", "1.1", Fields(fields))
    error = caught.value
    assert (error.status, error.headers) == (426, UPGRADE)


@pytest.mark.parametrize(
    ("spoken", "offered", "chosen"),
    [
        (["wamp"], ["wamp"], "wamp"),
        (["wamp"], ["soap, wamp"], "wamp"),
        (["wamp"], ["soap", "wamp"], "wamp"),
        (["a", "b"], ["b, a"], "b"),  # the client's preference
        ([], [], None),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_subprotocol(spoken, offered, chosen, strict):
    answer = handshake(ServerNegotiator(spoken, strict), protocol=offered)
    assert answer.subProtocol == chosen
    sent = [value for name, value in answer.headers if name == "Sec-WebSocket-Protocol"]
    assert sent == ([] if chosen is None else [chosen])


@pytest.mark.parametrize(
    ("spoken", "offered"),
    [(["wamp"], ["soap"]), (["wamp"], ["WAMP"]), (["wamp"], []), ([], ["soap"]), ([], ["a", "b"])],
)
def test_no_common_subprotocol(spoken, offered):
    error = refused(ServerNegotiator(spoken), protocol=offered)
    extra = {"Sec-WebSocket-Protocol": "wamp"} if spoken else {}
    assert (error.status, error.headers) == (426, UPGRADE | extra)
    assert handshake(ServerNegotiator(spoken, strict=False), protocol=offered).subProtocol is None


@pytest.mark.parametrize("offered", [["a b"], [""], [","], ["a;b"], ["a", "b\x0b"], ['"a"']])
def test_a_subprotocol_list_that_is_none(offered):
    for strict in (True, False):
        assert refused(ServerNegotiator(["a"], strict), protocol=offered).status == 400


def test_ratchets_setters():
    negotiator = ServerNegotiator()
    negotiator.setSupportedSubProtocols(["wamp", "soap"])
    assert handshake(negotiator, protocol=["soap"]).subProtocol == "soap"
    error = refused(negotiator, protocol=["rest"])
    assert error.headers["Sec-WebSocket-Protocol"] == "wamp, soap"
    negotiator.setStrictSubProtocolCheck(False)
    assert handshake(negotiator, protocol=["rest"]).subProtocol is None


def test_the_first_fault_answers():
    # Each with all that come after it, in the order of the checks.
    faults = [
        ("version", {"version": "1.0"}, 505),
        ("upgrade", {"upgrade": []}, 426),
        ("connection", {"connection": []}, 400),
        ("key", {"key": []}, 400),
        ("protocol", {"protocol": ["x"]}, 426),
        ("extensions", {"extensions": [";"]}, 400),
    ]
    reasons = set()
    for i, (_, _, status) in enumerate(faults):
        changes = {}
        for _, change, _ in faults[i:]:
            changes |= change
        error = refused(**changes)
        assert error.status == status
        reasons.add(error.reason)
    assert len(reasons) == len(faults)
    assert refused(method="POST", version="1.0").status == 405


ALONE = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offered", "answered"),
    [
        (["permessage-deflate"], ALONE),
        (["permessage-deflate; client_max_window_bits"], ALONE),
        (["x-webkit-deflate-frame, permessage-deflate"], ALONE),
        (['foo; a=b;c; d="e"', "permessage-deflate"], ALONE),
        (
            ['permessage-deflate; server_max_window_bits="10"'],
            ALONE + "; server_max_window_bits=10",
        ),
        (
            ['permessage-deflate;server_max_window_bits="1\\0"'],
            ALONE + "; server_max_window_bits=10",
        ),
        (
            ["permessage-deflate ; server_max_window_bits = 10 "],
            ALONE + "; server_max_window_bits=10",
        ),
        (["permessage-deflate; server_max_window_bits=8, permessage-deflate"], ALONE),
        (["permessage-deflate; server_max_window_bits=8", ", permessage-deflate ,"], ALONE),
        (["permessage-deflate; server_max_window_bits=8"], None),
        (["permessage-deflate; what=ever"], None),
        (["Permessage-Deflate"], None),
        (["foo"], None),
        ([], None),
    ],
)
def test_extensions(offered, answered):
    answer = handshake(ServerNegotiator((), True, PerMessageDeflateOptions()), extensions=offered)
    sent = [value for name, value in answer.headers if name == "Sec-WebSocket-Extensions"]
    assert sent == ([] if answered is None else [answered])
    assert (answer.extension is None) == (answered is None)


def test_without_compression():
    answer = handshake(extensions=["permessage-deflate"])
    assert answer.extension is None
    assert "Sec-WebSocket-Extensions" not in dict(answer.headers)


@pytest.mark.parametrize(
    "offered",
    [
        [""],
        [" "],
        [","],
        [";"],
        ["foo;"],
        ["foo; ;a"],
        ["foo; =a"],
        ["foo; a="],
        ["foo; a=b c"],
        ["foo bar"],
        ["foo, ba r"],
        ['foo; a="b'],
        ['foo; a="b c"'],
        ['foo; a=""'],
        ['foo; a="b\\"'],
        ['foo; a="b"c'],
        ["foo/1"],
        ["f\xf6\xf6"],
        ["foo\x0b"],
        ["foo; a=b\n"],
        ["foo; a", "b="],
    ],
)
@pytest.mark.parametrize("compression", [None, PerMessageDeflateOptions()])
def test_malformed_extensions(offered, compression):
    error = refused(ServerNegotiator((), True, compression), extensions=offered)
    assert (error.status, error.headers) == (400, {})


TEXT = st.text(st.sampled_from('ab1=;,"\\ \t\x0b\xe9') | st.characters(), max_size=30)


@given(TEXT, TEXT, TEXT, TEXT)
def test_any_values_are_judged(upgrade, connection, protocol, extensions):
    negotiator = ServerNegotiator(["a"], True, PerMessageDeflateOptions())
    for changed in (
        {"upgrade": [upgrade]},
        {"connection": [connection]},
        {"protocol": [protocol]},
        {"protocol": ["a"], "extensions": [extensions]},
    ):
        status = 101
        try:
            handshake(negotiator, **changed)
        except HttpError as error:
            status = error.status
        assert status in (101, 400, 426)


@pytest.mark.parametrize(
    "hostile", ["a;" * 8000, "a; " * 5000, " " * 16000, 'a;b="' + "\\a" * 8000, "a" * 16000 + " ;"]
)
def test_long_nonsense_is_refused_in_time_that_grows_with_its_length(hostile):
    # A pattern that backtracks would take hours for these.
    assert refused(extensions=[hostile]).status == 400
