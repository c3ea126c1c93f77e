import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet_py.errors import LocalError, RemoteError
from ratchet_py.rfc6455.client_negotiator import ClientNegotiator
from ratchet_py.rfc6455.handshake import ServerNegotiator
from ratchet_py.rfc6455.header_values import acceptKey
from ratchet_py.rfc6455.permessage_deflate import PerMessageDeflateOptions

COMPRESSION = PerMessageDeflateOptions()


class Fields:
    """Header fields by name; a value, several, or None for none."""

    def __init__(self, fields):
        self._fields = {}
        for name, value in dict(fields).items():
            values = [] if value is None else [value] if isinstance(value, str) else value
            self._fields[name.lower()] = values

    def getAll(self, name):
        return list(self._fields.get(name.lower(), ()))


def judge(negotiator=None, status=101, **changed):
    negotiator = negotiator or ClientNegotiator()
    fields = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": acceptKey(dict(negotiator.headers)["Sec-WebSocket-Key"]),
    }
    names = {
        "protocol": "Sec-WebSocket-Protocol",
        "extensions": "Sec-WebSocket-Extensions",
        "accept": "Sec-WebSocket-Accept",
    }
    fields.update({names.get(name, name.title()): value for name, value in changed.items()})
    return negotiator.judge(status, Fields(fields))


def refused(*args, **kwargs):
    with pytest.raises(RemoteError) as caught:
        judge(*args, **kwargs)
    return caught.value.reason


def test_it_is_asked_for():
    headers = dict(ClientNegotiator(["chat", "super-chat"], COMPRESSION).headers)
    key = headers.pop("Sec-WebSocket-Key")
    assert len(key) == 24
    assert headers == {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "chat, super-chat",
        "Sec-WebSocket-Extensions": "permessage-deflate; server_no_context_takeover; "
        "client_no_context_takeover; client_max_window_bits",
    }
    assert dict(ClientNegotiator().headers)["Sec-WebSocket-Key"] != key


@pytest.mark.parametrize("names", ["chat", ["two words"], [""], ["a,b"], ["a\r\nb"], ["a", "a"]])
def test_names_that_are_none(names):
    with pytest.raises(LocalError):
        ClientNegotiator(names)


def test_a_good_answer():
    assert judge() == (None, None)
    assert judge(upgrade="WebSocket", connection="keep-alive, UPGRADE") == (None, None)
    assert judge(ClientNegotiator(["a", "b"]), protocol="b") == ("b", None)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"status": 200}, "not switched"),
        ({"upgrade": None}, "upgrade"),
        ({"upgrade": "h2c"}, "upgrade"),
        ({"connection": "close"}, "Connection"),
        ({"connection": None}, "Connection"),
        ({"accept": None}, "answer to our key"),
        ({"accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, "answer to our key"),
        ({"accept": ["a", "b"]}, "answer to our key"),
        ({"protocol": "chat"}, "subprotocols"),
        ({"extensions": "permessage-deflate"}, "not offered"),
    ],
)
def test_a_bad_answer(changed, reason):
    assert reason in refused(**changed)


@pytest.mark.parametrize("protocol", [None, "", "other", "a, b", ["a", "b"], "A"])
def test_a_subprotocol_must_be_one_of_those_offered(protocol):
    assert "subprotocols" in refused(ClientNegotiator(["a", "b"]), protocol=protocol)


@pytest.mark.parametrize(
    "answer",
    [
        "x-webkit-deflate-frame",
        "permessage-deflate, permessage-deflate",
        "permessage-deflate; a",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover; client_max_window_bits=8",
        "permessage-deflate; server_no_context_takeover; client_max_window_bits=16",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate",  # we have asked for server_no_context_takeover
        "permessage-deflate;",
        "",
    ],
)
def test_compression_that_was_not_offered(answer):
    refused(ClientNegotiator(compression=COMPRESSION), extensions=answer)


def test_a_window_that_is_larger_than_asked_for():
    small = ClientNegotiator(compression=PerMessageDeflateOptions(serverMaxWindowBits=10))
    answer = "permessage-deflate; server_no_context_takeover; server_max_window_bits="
    assert "not the one offered" in refused(small, extensions=answer + "11")
    assert judge(small, extensions=answer + "10")[1] is not None


flags = st.booleans()
bits = st.integers(9, 15)
options = st.none() | st.builds(
    PerMessageDeflateOptions,
    serverNoContextTakeover=flags,
    clientNoContextTakeover=flags,
    serverMaxWindowBits=bits,
    clientMaxWindowBits=bits,
)


@given(options, options, st.lists(st.sampled_from(["a", "b", "c"]), unique=True))
def test_whatever_our_server_agrees_to_our_client_takes(mine, theirs, subProtocols):
    client = ClientNegotiator(subProtocols, mine)
    answer = ServerNegotiator(["c", "b", "a"], strict=bool(subProtocols), compression=theirs)
    handshake = answer.handshake("GET", "1.1", Fields({n: [v] for n, v in client.headers}))
    subProtocol, extension = client.judge(101, Fields({n: [v] for n, v in handshake.headers}))
    assert subProtocol == handshake.subProtocol
    assert (extension is None) == (handshake.extension is None) == (mine is None or theirs is None)
    if extension is None:
        return
    for sender, receiver in ((extension, handshake.extension), (handshake.extension, extension)):
        for message in (b"The quick brown fox " * 100, b"The quick brown fox " * 100, b"x"):
            assert receiver.decompress(sender.compress(message), 10_000, True) == message


@given(st.lists(st.text()), st.lists(st.text()), st.lists(st.text()), st.lists(st.text()))
def test_any_header_gives_an_answer_or_an_error(upgrade, connection, protocol, extensions):
    with contextlib.suppress(RemoteError):
        judge(
            ClientNegotiator(["a"], COMPRESSION),
            upgrade=upgrade or "websocket",
            connection=connection or "upgrade",
            protocol=protocol or "a",
            extensions=extensions,
        )
