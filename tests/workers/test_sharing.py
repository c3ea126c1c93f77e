"""Which endpoints workers can share, and how the parent opens them."""

from __future__ import annotations

import pytest
import pytest_twisted
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.error import CannotListenError

from ratchet_py.errors import LocalError
from ratchet_py.workers.sharing import SharedSockets, checkEndpoint, contextOf


@pytest.mark.parametrize(
    "endpoint", ["tcp:80", "tcp6:80", "unix:/run/x.sock", "ssl:443:privateKey=a.pem:certKey=b.pem"]
)
def test_these_can_be_shared(endpoint):
    checkEndpoint(endpoint)


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("haproxy:tcp:80", "tcp:, tcp6:, unix: and ssl: endpoints only"),
        ("systemd:domain=INET:index=0", "endpoints only"),
        ("stdio:", "endpoints only"),
        ("", "endpoints only"),
        ("ssl:443:sslmethod=SSLv23_METHOD", "with sslmethod"),
        ("ssl:443:privateKey=a.pem:dhParameters=dh.pem", "with dhParameters"),
    ],
)
def test_others_cannot(endpoint, words):
    with pytest.raises(LocalError, match=words):
        checkEndpoint(endpoint)


@pytest.fixture
def shared():
    from twisted.internet import reactor

    sockets = SharedSockets(reactor)
    yield sockets
    pytest_twisted.blockon(sockets.close())


def test_each_has_its_purpose(shared, tmp_path):
    shared.open("clients", "tcp:0:interface=127.0.0.1")
    shared.open("push", f"unix:{tmp_path}/push")
    assert shared.describe() == [
        {"purpose": "clients", "pem": None},
        {"purpose": "push", "pem": None},
    ]
    assert len(set(shared.descriptors)) == 2


# Twisted's own, where it makes a TLS context.
@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
def test_what_tls_needs_goes_along(shared, certificate, tmp_path):
    """Whoever cannot read the files, after the user has changed, can still serve."""
    chain = tmp_path / "chain.pem"
    pem = certificate.read_text()
    chain.write_text(pem[pem.index("-----BEGIN CERTIFICATE") :])
    shared.open("clients", f"ssl:0:privateKey={certificate}:extraCertChain={chain}")
    [described] = shared.describe()
    context = contextOf(described["pem"])

    def text(one):
        return one.to_cryptography().public_bytes(Encoding.PEM).decode()

    assert text(context.certificate) == chain.read_text()
    assert [text(one) for one in context.extraCertChain] == [chain.read_text()]
    assert context.getContext()


def test_one_that_is_taken(shared):
    port = shared.open("clients", "tcp:0:interface=127.0.0.1").getHost().port
    with pytest.raises(CannotListenError, match=str(port)):
        shared.open("clients", f"tcp:{port}:interface=127.0.0.1")
    assert len(shared.descriptors) == 1


@pytest.mark.parametrize("endpoint", ["tcp:nonsense", "ssl:0:privateKey=/nowhere", "tcp:0:x=y"])
def test_one_that_there_is_not(shared, endpoint):
    with pytest.raises(LocalError, match="cannot listen on"):
        shared.open("clients", endpoint)
