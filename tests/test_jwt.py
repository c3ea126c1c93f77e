"""JSON Web Tokens, made by PyJWT itself and by hand."""

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from ratchet_py import App, HttpError
from ratchet_py.http.request import Request
from ratchet_py.jwt import JwtAuth
from ratchet_py.server import EchoServer
from ratchet_py.testing import connect
from ratchet_py.wamp import Authenticator, User

KEY = "a secret of at least thirty-two bytes"
PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
SOON = 4_000_000_000
BEFORE = 1_000_000_000


def token(key=KEY, algorithm="HS256", headers=None, **claims):
    """A good token, but for what is given; None leaves a claim out."""
    claims = {"sub": "joe", "aud": "chat", "exp": SOON, **claims}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers)


def part(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def request(target="/", **fields):
    lines = [f"GET {target} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return Request("\r\n".join([*lines, "", ""]).encode())


@pytest.fixture
def tokens():
    return JwtAuth(KEY, audience="chat", cookie="session", query="token")


def bearer(text):
    return request(Authorization=f"Bearer {text}")


@pytest.mark.parametrize(
    ("options", "made", "user"),
    [
        ({}, {}, User("joe")),
        ({}, {"role": "admin"}, User("joe", "admin")),
        ({"roleClaim": "group"}, {"role": "admin", "group": "staff"}, User("joe", "staff")),
        ({}, {"aud": ["mail", "chat"]}, User("joe")),
        ({"audience": None}, {"aud": None}, User("joe")),
        ({"issuer": "the site"}, {"iss": "the site"}, User("joe")),
        ({"leeway": SOON}, {"exp": BEFORE}, User("joe")),
        ({"algorithm": "HS512"}, {"algorithm": "HS512", "key": KEY * 2}, User("joe")),
        (
            {"algorithm": "ES256", "key": PUBLIC},
            {"algorithm": "ES256", "key": PRIVATE},
            User("joe"),
        ),
    ],
)
def test_a_good_token(options, made, user):
    options = {"key": made.get("key", KEY), "audience": "chat", **options}
    assert JwtAuth(**options).authenticate(bearer(token(**made))) == user


@pytest.mark.parametrize(
    "wrong",
    [
        token(exp=BEFORE),
        token(exp=None),
        token(sub=None),
        token(aud="mail"),
        token(aud=None),
        token(nbf=SOON),
        token(key=KEY + "x"),
        token(algorithm="HS512", key=KEY * 2),
        token(algorithm="ES256", key=PRIVATE),
        token(role=["admin"]),
        token(role=5),
        token()[:-1],
        token() + "A",
        token().replace(".", "", 1),
        token() + "." + "x" * 20_000,
        part({"alg": "none"}) + "." + part({"sub": "joe", "aud": "chat", "exp": SOON}) + ".",
        part(b"[" * 9000) + "." + part({}) + ".x",
        part(b"\xff") + "." + part({}) + ".x",
        part([1]) + "." + part({}) + ".x",
        "",
        ".",
        "..",
        "x",
        "ä.ö.ü",
    ],
)
def test_a_bad_token(tokens, wrong):
    with pytest.raises(HttpError) as refused:
        tokens.authenticate(request("/", Cookie=f"session={wrong}".encode().decode("latin-1")))
    assert refused.value.status == 401
    assert refused.value.headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    assert tokens.checkTicket("", wrong) is None


def test_a_public_key_is_no_secret():
    """The classic: the public key, which everybody knows, as the secret of an HMAC."""
    header, payload = part({"alg": "HS256"}), part({"sub": "joe", "aud": "chat", "exp": SOON})
    signature = jwt.algorithms.HMACAlgorithm("sha256").sign(f"{header}.{payload}".encode(), PUBLIC)
    forged = f"{header}.{payload}.{part(signature)}"
    assert JwtAuth(PUBLIC, audience="chat", algorithm="ES256").checkTicket("", forged) is None


def test_names_and_roles_are_text():
    tokens = JwtAuth(KEY, audience="chat")
    assert tokens.user({"sub": 5}) is None
    assert tokens.user({"sub": "joe", "role": None}) is None


@given(st.text(max_size=200))
def test_no_text_is_a_token(text):
    assert JwtAuth(KEY, audience="chat").checkTicket("", text) is None


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_nothing_unsigned_is_a_token(header, payload):
    forged = f"{part(header)}.{part(payload)}.{part(b'signature')}"
    assert JwtAuth(KEY, audience="chat").checkTicket("", forged) is None


@pytest.mark.parametrize("algorithm", ["none", "HS1024", "", "hs256"])
def test_an_algorithm_must_be_one(algorithm):
    with pytest.raises(ValueError, match="signed"):
        JwtAuth(KEY, audience=None, algorithm=algorithm)


@pytest.mark.parametrize(
    "good",
    [
        lambda: bearer(token()),
        lambda: request(Authorization=f"bearer   {token()}"),
        lambda: request(Cookie=f"a=b; session={token()}"),
        lambda: request(f"/?token={token()}"),
        lambda: request("/?token=wrong", Cookie=f"session={token()}"),
        lambda: request("/?token=wrong", Cookie="session=wrong", Authorization=f"Bearer {token()}"),
        lambda: request(f"/?token={token()}", Authorization="Basic eDp5"),
    ],
)
def test_where_a_token_is_looked_for(tokens, good):
    assert tokens.authenticate(good()).authid == "joe"


@pytest.mark.parametrize(
    "without",
    [
        request(),
        request(Authorization="Basic eDp5"),
        request(Cookie="other=x"),
        request(f"/?other={token()}"),
    ],
)
def test_without_a_token(tokens, without):
    with pytest.raises(HttpError) as refused:
        tokens.authenticate(without)
    assert refused.value.status == 401
    assert refused.value.headers == {"WWW-Authenticate": "Bearer"}


def test_cookies_and_queries_are_read_only_if_named():
    tokens = JwtAuth(KEY, audience="chat")
    for elsewhere in (request(Cookie=f"session={token()}"), request(f"/?token={token()}")):
        with pytest.raises(HttpError):
            tokens.authenticate(elsewhere)


def test_in_front_of_a_server(tokens):
    app = App(None)
    app.route("/", EchoServer(), ["*"], authenticate=tokens.authenticate)
    client = connect(app)
    assert (client.status, client.headers["www-authenticate"]) == (401, "Bearer")
    assert connect(app, headers={"Authorization": f"Bearer {token()}"}).status == 101


@pytest.mark.parametrize(("authid", "isIn"), [(None, True), ("joe", True), ("ann", False)])
def test_as_a_ticket(tokens, authid, isIn):
    authenticator = Authenticator(tokens, methods=["ticket"])
    outcomes, clock = [], Clock()
    step = authenticator.begin(authid, ["ticket"], sessionId="x")
    step.addCallback(lambda challenge: authenticator.finish(challenge, token(role="staff"), clock))
    step.addCallback(outcomes.append)
    clock.advance(1)
    (outcome,) = outcomes
    if isIn:
        assert (outcome.authid, outcome.role, outcome.method) == ("joe", "staff", "ticket")
    else:
        assert outcome.reason == "denied"
    assert tokens.find("joe") is None


def test_a_subclass_says_more_about_a_user():
    class Tenants(JwtAuth):
        def user(self, claims):
            return User(claims["sub"], f"{claims['tenant']}-user") if "tenant" in claims else None

    tokens = Tenants(KEY, audience="chat")
    assert tokens.authenticate(bearer(token(tenant="acme"))).role == "acme-user"
    with pytest.raises(HttpError):
        tokens.authenticate(bearer(token()))
