"""Who is there: stores of users, and the two steps, without any WAMP around them."""

import asyncio
import json

import pytest
from autobahn.wamp.auth import AuthWampCra, compute_wcs
from autobahn.wamp.types import Challenge as AutobahnsChallenge
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock

from ratchet_py.wamp import Authenticator, AuthStore, CallableAuthStore, StaticAuthStore, User
from ratchet_py.wamp.authentication import Challenge, Refused
from ratchet_py.wamp.users import Accepted

JOE = User("joe", "member", secret="geheim", extra={"email": "joe@example.com"})
ANN = User.salted("ann", "her password", "admin", salt="pepper", iterations=100, keylen=16)
TIM = User("tim", ticket="t-0815")
USERS = [JOE, ANN, TIM]
PASSWORDS = {"joe": "geheim", "ann": "her password"}


def now(deferred):
    """What a Deferred has come to already."""
    outcomes = []
    deferred.addBoth(outcomes.append)
    (outcome,) = outcomes
    return outcome


def begin(authenticator, authid, *methods):
    return now(authenticator.begin(authid, list(methods), sessionId="a session"))


def finish(authenticator, challenge, signature, clock=None):
    clock = clock or Clock()
    done = authenticator.finish(challenge, signature, clock)
    if clock.getDelayedCalls():
        assert not done.called
        clock.advance(1)
    return now(done)


def sign(challenge, password):
    """As Autobahn's own client of version 2 answers."""
    client = AuthWampCra(authid="whoever", secret=password)
    return client.on_challenge(None, AutobahnsChallenge(challenge.method, challenge.extra))


# --- the first step


@pytest.mark.parametrize(
    ("authid", "methods", "outcome"),
    [
        (None, [], Accepted(None, "guest", "anonymous")),
        ("joe", [], Accepted(None, "guest", "anonymous")),
        (None, ["anonymous", "wampcra"], Accepted(None, "guest", "anonymous")),
        (None, ["cookie", "anonymous"], Accepted(None, "guest", "anonymous")),
        ("joe", ["cookie"], Refused("method")),
        ("x" * 1025, ["wampcra"], Refused("denied")),
        ("x" * 1025, ["ticket"], Refused("denied")),
    ],
)
def test_what_is_decided_at_once(authid, methods, outcome):
    assert begin(Authenticator(USERS, anonymous="guest"), authid, *methods) == outcome


@pytest.mark.parametrize("methods", [[], ["anonymous"], ["cookie", "anonymous"]])
def test_who_must_say_who_he_is(methods):
    assert begin(Authenticator(USERS), "joe", *methods) == Refused("anonymous")


@pytest.mark.parametrize(
    ("methods", "method"),
    [
        (["wampcra"], "wampcra"),
        (["ticket"], "ticket"),
        (["ticket", "wampcra"], "ticket"),
        (["scram", "wampcra", "ticket"], "wampcra"),
        (["anonymous", "ticket"], "ticket"),
    ],
)
@pytest.mark.parametrize("authid", ["joe", "ann", "tim", "nobody", "", None])
def test_the_client_chooses_the_method_and_not_who_it_is(authid, methods, method):
    challenge = begin(Authenticator(USERS), authid, *methods)
    assert challenge.method == method
    assert challenge.authid == (authid or "")


def test_methods_can_be_left_out():
    authenticator = Authenticator(USERS, methods=["ticket"])
    assert begin(authenticator, "joe", "wampcra") == Refused("method")
    assert begin(authenticator, "joe", "wampcra", "ticket").method == "ticket"


def test_what_a_challenge_of_version_2_says():
    challenge = begin(Authenticator(USERS), "ann", "wampcra")
    said = json.loads(challenge.extra["challenge"])
    assert said.pop("nonce")
    assert said.pop("timestamp")
    assert said == {"authid": "ann", "authmethod": "wampcra", "session": "a session"}
    assert {**challenge.extra, "challenge": ""} == {
        "challenge": "",
        "salt": "pepper",
        "iterations": 100,
        "keylen": 16,
    }
    assert set(begin(Authenticator(USERS), "joe", "wampcra").extra) == {"challenge"}
    assert begin(Authenticator(USERS), "tim", "ticket").extra == {}


# --- the second step


@pytest.mark.parametrize(("name", "role"), [("joe", "member"), ("ann", "admin")])
def test_who_signs_is_in(name, role):
    authenticator = Authenticator(USERS)
    challenge = begin(authenticator, name, "wampcra")
    accepted = finish(authenticator, challenge, sign(challenge, PASSWORDS[name]))
    assert (accepted.authid, accepted.role, accepted.method) == (name, role, "wampcra")
    assert accepted.extra == ({"email": "joe@example.com"} if name == "joe" else {})


def test_who_has_the_ticket_is_in():
    authenticator = Authenticator(USERS)
    challenge = begin(authenticator, "tim", "ticket")
    assert finish(authenticator, challenge, "t-0815") == Accepted("tim", "user", "ticket")


@pytest.mark.parametrize(
    ("method", "name", "signature"),
    [
        ("ticket", "tim", "t-0816"),
        ("ticket", "tim", ""),
        ("ticket", "tim", None),
        ("ticket", "tim", ["t-0815"]),
        ("ticket", "tim", b"t-0815"),
        ("ticket", "tim", "ä\ud800"),
        ("ticket", "joe", "t-0815"),
        ("ticket", "joe", ""),
        ("ticket", "joe", "None"),
        ("ticket", "joe", "geheim"),
        ("ticket", "nobody", "t-0815"),
        ("ticket", "nobody", ""),
        ("wampcra", "joe", ""),
        ("wampcra", "joe", "geheim"),
        ("wampcra", "joe", None),
        ("wampcra", "joe", 5),
        ("wampcra", "joe", "ä\ud800"),
        ("wampcra", "tim", "t-0815"),
        ("wampcra", "nobody", ""),
    ],
)
def test_who_does_not_prove_it_learns_so_late(method, name, signature):
    authenticator = Authenticator(USERS, delay=3)
    clock = Clock()
    done = authenticator.finish(begin(authenticator, name, method), signature, clock)
    clock.advance(2.9)
    assert not done.called
    clock.advance(0.1)
    assert now(done) == Refused("denied")


@pytest.mark.parametrize("first", ["wrong", "right"])
def test_there_is_one_try(first):
    authenticator = Authenticator(USERS)
    challenge = begin(authenticator, "joe", "wampcra")
    right = sign(challenge, "geheim")
    assert isinstance(
        finish(authenticator, challenge, right if first == "right" else "guessed"),
        Accepted if first == "right" else Refused,
    )
    assert finish(authenticator, challenge, right) == Refused("denied")


def test_a_signature_is_for_one_challenge():
    authenticator = Authenticator(USERS)
    one, other = (begin(authenticator, "joe", "wampcra") for _ in range(2))
    assert finish(authenticator, other, sign(one, "geheim")) == Refused("denied")


@given(st.text(max_size=60))
def test_no_text_proves_anything(text):
    authenticator = Authenticator(USERS)
    for method, name in [("wampcra", "joe"), ("wampcra", "nobody"), ("ticket", "tim")]:
        challenge = begin(authenticator, name, method)
        if text != "t-0815":
            assert finish(authenticator, challenge, text) == Refused("denied")


def test_comparing_takes_constant_time(monkeypatch):
    compared = []

    def compare(right, given):
        compared.append((right, given))
        return right == given

    monkeypatch.setattr("hmac.compare_digest", compare)
    authenticator = Authenticator(USERS)
    for method, name in [("wampcra", "joe"), ("wampcra", "nobody"), ("ticket", "tim")]:
        finish(authenticator, begin(authenticator, name, method), "guessed")
    finish(authenticator, begin(authenticator, "nobody", "ticket"), "guessed")
    assert [given for _, given in compared] == [b"guessed"] * 4
    assert all(isinstance(right, bytes) and len(right) > 5 for right, _ in compared)


def test_who_no_longer_waits_leaves_nothing_behind():
    clock = Clock()
    authenticator = Authenticator(USERS)
    done = authenticator.finish(begin(authenticator, "joe", "wampcra"), "guessed", clock)
    done.cancel()
    assert now(done).check(CancelledError)
    assert clock.getDelayedCalls() == []


# --- names that nobody has


@pytest.mark.parametrize(
    "store", [USERS, [JOE], [ANN], [TIM], [], CallableAuthStore(lambda _: None)]
)
def test_nobody_looks_like_somebody(store):
    authenticator = Authenticator(store)
    shapes = {"joe": {"challenge"}, "ann": {"challenge", "salt", "iterations", "keylen"}}
    possible = (
        [shapes[user.authid] for user in store if user.secret] if isinstance(store, list) else []
    )
    for name in map(str, range(20)):
        first, second = (begin(authenticator, name, "wampcra").extra for _ in range(2))
        assert set(first) in (possible or [shapes["ann"]])
        assert first.pop("challenge") != second.pop("challenge")
        assert first == second


def test_nobody_is_salted_as_somebody_is():
    authenticator = Authenticator([ANN])
    extras = [begin(authenticator, name, "wampcra").extra for name in ("x", "y", "ann")]
    assert {(each["iterations"], each["keylen"], len(each["salt"])) for each in extras} == {
        (100, 16, 6)
    }
    assert len({each["salt"] for each in extras}) == 3


def test_nobody_looks_the_same_after_a_restart_if_the_secret_is_the_same():
    def salt(**options):
        return begin(Authenticator([ANN], **options), "nobody", "wampcra").extra["salt"]

    assert salt(decoyKey=b"one") == salt(decoyKey=b"one")
    assert salt(decoyKey=b"one") != salt(decoyKey=b"other")
    assert salt() != salt()


def test_long_salts_of_nobody():
    authenticator = Authenticator([User("x", secret="k", salt="s" * 100)])
    salt = begin(authenticator, "nobody", "wampcra").extra["salt"]
    assert len(salt) == 100
    assert salt[:40] != salt[40:80]


def test_even_the_key_of_a_decoy_opens_nothing():
    class Careless(StaticAuthStore):
        def decoy(self, authid, key):
            return User(authid, secret="known")

    authenticator = Authenticator(Careless([]))
    challenge = begin(authenticator, "nobody", "wampcra")
    signature = compute_wcs("known", challenge.extra["challenge"]).decode()
    assert finish(authenticator, challenge, signature) == Refused("denied")


# --- stores


async def findLater(authid):
    return {"joe": JOE, "tim": TIM}.get(authid)


@pytest.mark.parametrize(
    "store",
    [
        [JOE, TIM],
        (JOE, TIM),
        {"joe": JOE, "tim": TIM},
        {"joe": {"secret": "geheim", "role": "member"}, "tim": {"ticket": "t-0815"}},
        {"joe": "geheim", "tim": TIM},
        StaticAuthStore([JOE, TIM]),
        {"joe": JOE, "tim": TIM}.get,
        findLater,
        lambda authid: succeed({"joe": JOE, "tim": TIM}.get(authid)),
        CallableAuthStore(findLater, salted=False),
    ],
)
def test_what_a_store_can_be(store):
    authenticator = Authenticator.of(store)
    challenge = begin(authenticator, "joe", "wampcra")
    assert finish(authenticator, challenge, sign(challenge, "geheim")).authid == "joe"
    assert finish(authenticator, begin(authenticator, "tim", "ticket"), "t-0815").authid == "tim"
    assert finish(authenticator, begin(authenticator, "ann", "ticket"), "x") == Refused("denied")
    assert isinstance(begin(authenticator, "ann", "wampcra"), Challenge)


def test_an_authenticator_stays_what_it_is():
    authenticator = Authenticator(USERS)
    assert Authenticator.of(authenticator) is authenticator


def test_a_callable_store_that_is_not_salted():
    authenticator = Authenticator(CallableAuthStore(lambda authid: None, salted=False))
    assert set(begin(authenticator, "nobody", "wampcra").extra) == {"challenge"}


def test_a_store_of_tickets_that_say_whom_they_prove():
    class Tickets(AuthStore):
        def find(self, authid):
            return None

        async def checkTicket(self, authid, ticket):
            return User(ticket.removeprefix("ticket of ")) if " of " in ticket else None

    authenticator = Authenticator(Tickets())
    challenge = begin(authenticator, None, "ticket")
    assert finish(authenticator, challenge, "ticket of sue").authid == "sue"
    challenge = begin(authenticator, None, "ticket")
    assert finish(authenticator, challenge, "ticket") == Refused("denied")


def test_a_store_of_asyncio():
    async def run():
        found = asyncio.get_running_loop().create_future()
        step = Authenticator(lambda authid: found).begin("joe", ["wampcra"], sessionId="x")
        assert not step.called
        found.set_result(JOE)
        await asyncio.sleep(0)
        return now(step)

    assert asyncio.run(run()).method == "wampcra"


@pytest.mark.parametrize("how", ["raises", "fails"])
def test_a_store_that_fails_is_our_fault(loggedFailures, how):
    class Broken(AuthStore):
        def find(self, authid):
            if how == "fails":
                return fail(ZeroDivisionError())
            raise ZeroDivisionError

    authenticator = Authenticator(Broken())
    assert begin(authenticator, "joe", "wampcra") == Refused("failed")
    challenge = begin(authenticator, "joe", "ticket")
    assert finish(authenticator, challenge, "ticket") == Refused("failed")
    assert len(loggedFailures.flush(ZeroDivisionError)) == 2


def test_a_store_that_is_asked_can_be_let_go():
    cancelled = []
    step = Authenticator(lambda authid: Deferred(cancelled.append)).begin(
        "joe", ["wampcra"], sessionId="x"
    )
    step.cancel()
    assert len(cancelled) == 1
    assert now(step).check(CancelledError)


# --- records


def test_a_user_does_not_tell_his_secrets():
    text = repr([JOE, ANN, TIM])
    assert not [word for word in ("geheim", "t-0815", ANN.secret, "pepper") if word in text]


def test_a_salted_user_is_not_his_password():
    one, other = (User.salted("ann", "pw", iterations=10, ticket="t") for _ in range(2))
    assert one.salt != other.salt
    assert one.secret != other.secret != "pw"
    assert one.ticket == "t"


@pytest.mark.parametrize("reason", ["method", "anonymous", "denied", "failed"])
def test_a_refusal_has_words_for_version_2(reason):
    refused = Refused(reason)
    assert refused.uri.startswith("wamp.error.")
    assert refused.message
