"""What holds for every test: it cleans up after itself, and nothing fails unseen."""

from __future__ import annotations

import datetime
import ipaddress
import os
import secrets
import signal
import socket
import sys

import hypothesis
import pytest
from twisted.logger import globalLogPublisher

# No deadlines: on a busy machine they fail by the clock. In CI the same examples every time.
hypothesis.settings.register_profile("dev", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")

# What a shell starts in the background ignores SIGINT, and so would every server that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption(
        "--fail-on-skip",
        action="store_true",
        help="fail if anything was skipped: for machines where everything is installed",
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if not session.config.getoption("--fail-on-skip"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    # A worker of pytest-xdist has none: its results are counted where they come together.
    if reporter and reporter.stats.get("skipped") and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line("--fail-on-skip: some tests were skipped", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def freePort(freePorts):
    """A TCP port of 127.0.0.1 for a server that is another process."""
    return next(freePorts)


@pytest.fixture
def freePorts():
    """As many as one likes, each another one.

    Below those that a system gives to clients, and to who asks for any: nobody gets it meanwhile.
    """
    return _ports()


def _ports():
    given = set()
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        if port in given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        given.add(port)
        yield port


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """The file of a key and a certificate for localhost."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


class LoggedFailures:
    """The failures that were logged since the last :meth:`flush`."""

    def __init__(self):
        self._failures = []

    def __call__(self, event):
        if event.get("log_failure") is not None:
            self._failures.append(event["log_failure"])

    def flush(self, *types):
        """Take out the failures of these types, or all, and return them."""
        flushed = [failure for failure in self._failures if not types or failure.check(*types)]
        self._failures = [failure for failure in self._failures if failure not in flushed]
        return flushed


@pytest.fixture(autouse=True)
def loggedFailures():
    """Fails a test that leaves a logged failure; one that expects it takes ``flush(ItsType)``."""
    failures = LoggedFailures()
    globalLogPublisher.addObserver(failures)
    yield failures
    globalLogPublisher.removeObserver(failures)
    left = failures.flush()
    assert not left, "logged, and not expected:\n" + "\n".join(map(_traceback, left))


def _traceback(failure):
    return failure.getTraceback(elideFrameworkCode=True)


@pytest.fixture(autouse=True)
def cleanReactor():
    """Fails a test that leaves a delayed call, an open port or a connection on the reactor."""
    before = _onReactor()
    yield
    # What was closed last needs a few turns of the reactor to be gone.
    for _ in range(20):
        left = _onReactor() - before
        if not left:
            return
        _turn()
    for call in left:
        if hasattr(call, "cancel"):
            call.cancel()
    pytest.fail("left on the reactor: " + ", ".join(map(str, left)))


def _onReactor():
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is None:
        return set()
    used = {*reactor.getDelayedCalls(), *reactor.getReaders(), *reactor.getWriters()}
    return used - reactor._internalReaders


def _turn():
    import pytest_twisted
    from twisted.internet import reactor, task

    pytest_twisted.blockon(task.deferLater(reactor, 0))
