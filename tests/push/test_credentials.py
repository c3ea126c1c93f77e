"""Who may push: tokens and signatures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet_py import HttpError, Limits
from ratchet_py.errors import LocalError
from ratchet_py.push import PushCredentials
from ratchet_py.push.signature import sign

BODY = b'{"topic":"news","event":1}'


class Gate:
    """Credentials with a secret, at a time of the test's choosing."""

    def __init__(self, **options):
        self.time = 1000.0
        options = {"secret": "secret", "now": lambda: self.time, **options}
        self.credentials = PushCredentials(**options)

    def why(self, timestamp="1000", body=BODY, signature=None):
        """Why a signature does not count; None if it does."""
        signature = sign("secret", timestamp, body) if signature is None else signature
        try:
            self.credentials.check(body, timestamp=timestamp, signature=signature)
        except HttpError as error:
            return f"{error.status}: {error.reason}"
        return None


@pytest.fixture
def gate():
    return Gate()


def test_the_signature_of_another_language():
    # printf '1700000000.5\n{"topic":"news","event":1}' | openssl dgst -sha256 -hmac secret
    expected = "bf6db5032f9a6ef262c37b569c53b0866fc7df3abb4146ad1242f2f3c8a49832"
    assert sign("secret", "1700000000.5", BODY) == expected


@pytest.mark.parametrize(
    "options", [{}, {"token": ""}, {"secret": ""}, {"token": "a b"}, {"token": "é"}]
)
def test_what_lets_nobody_in_or_everybody_is_refused(options):
    with pytest.raises(LocalError, match="token"):
        PushCredentials(**options)


def test_a_signature_counts_once(gate):
    assert gate.why() is None
    assert gate.why() == "401: this signature was used before"
    assert gate.why("1000.000000001") is None
    assert gate.why(body=BODY + b" ") is None
    assert gate.why(signature=sign("secret", "1000", BODY).upper()) is not None


def test_a_signature_counts_within_the_window(gate):
    assert gate.why("940") is None
    assert gate.why("1060.0") is None
    assert gate.why("939.9") == "401: the Ratchet-Timestamp is -60.1 s off the time here"
    assert gate.why("1060.1") == "401: the Ratchet-Timestamp is +60.1 s off the time here"
    gate.time = 1100
    assert gate.why("1060.0") == "401: this signature was used before"
    assert gate.why("1060.1") is None
    assert Gate(window=5).why("994") is not None


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        "1000\n",
        "1e3",
        "-1",
        "+1000",
        " 1000",
        "1000.",
        ".5",
        "1000.1234567890",
        "\u0661\u0660\u0660\u0660",
        "9" * 12,
    ],
)
def test_a_time_that_is_none(gate, timestamp):
    assert "seconds since 1970" in gate.why(timestamp)


@pytest.mark.parametrize(
    "signature",
    ["", "0" * 64, "é" * 64, sign("Secret", "1000", BODY), sign("secret", "1001", BODY)],
)
def test_a_signature_that_is_none(gate, signature):
    assert gate.why(signature=signature) == (
        "401: the Ratchet-Signature is not that of this Ratchet-Timestamp and body"
    )


def test_what_is_remembered_is_bounded_and_still_nothing_counts_twice():
    gate = Gate(limits=Limits(pushSignatures=3))
    for time in "1000", "1010", "990", "1020":
        assert gate.why(time) is None
    # The oldest had to be forgotten.
    assert gate.why("990") == "401: too many pushes to remember: this Ratchet-Timestamp is too old"
    assert gate.why("989") is not None
    for time in "1000", "1010", "1020":
        assert gate.why(time) == "401: this signature was used before"
    assert gate.why("991") is None
    assert gate.why("991") is not None


def test_what_is_too_old_anyway_is_forgotten():
    gate = Gate(limits=Limits(pushSignatures=2))
    for step in range(100):
        gate.time = 1000 + 40 * step
        assert gate.why(str(gate.time)) is None


def test_a_clock_that_is_set_back_lets_nothing_count_twice(gate):
    assert gate.why("1000") is None
    gate.time = 1100
    assert gate.why("1100") is None
    gate.time = 1000
    assert gate.why("1000") is not None
    assert gate.why("1001") is None


@given(st.lists(st.tuples(st.integers(-70, 70), st.integers(0, 9)), max_size=50))
def test_nothing_counts_twice_whatever_happens(steps):
    gate = Gate(limits=Limits(pushSignatures=5), window=10)
    taken = set()
    for offset, forward in steps:
        gate.time += forward
        timestamp = str(int(gate.time) + offset // 7)
        if gate.why(timestamp) is None:
            assert timestamp not in taken
            taken.add(timestamp)


def test_either_will_do_if_both_are_given():
    gate = Gate(token="token")
    assert gate.why() is None
    gate.credentials.check(BODY, authorization="Bearer token")
    with pytest.raises(HttpError):
        gate.credentials.check(BODY)
    with pytest.raises(HttpError):
        # A signature that is wrong is not made good by anything else.
        gate.credentials.check(BODY, authorization="Bearer token", signature="x")


def test_a_token_alone_knows_no_signatures():
    credentials = PushCredentials("token")
    credentials.check(BODY, authorization="Bearer token", signature="whatever")
    with pytest.raises(HttpError):
        credentials.check(BODY, signature=sign("token", "1000", BODY), timestamp="1000")
