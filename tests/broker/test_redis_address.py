import pytest

from ratchet_py.broker.redis_address import RedisAddress
from ratchet_py.errors import LocalError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", RedisAddress("localhost")),
        ("redis://example.com", RedisAddress("example.com")),
        ("redis://[::1]:7000/2", RedisAddress("::1", 7000, database=2)),
        ("redis://:s%3Acret@h", RedisAddress("h", password="s:cret")),
        ("redis://me:secret@h/", RedisAddress("h", username="me", password="secret")),
        ("redis://h?db=4&password=x", RedisAddress("h", password="x", database=4)),
        (
            "rediss://h?ssl_ca_certs=/etc/ca.pem",
            RedisAddress("h", isSecure=True, authorities="/etc/ca.pem"),
        ),
        ("unix:///run/redis%201.sock", RedisAddress(path="/run/redis 1.sock")),
        (
            "unix://me:x@/run/redis.sock?db=1",
            RedisAddress(path="/run/redis.sock", username="me", password="x", database=1),
        ),
    ],
)
def test_a_url_says_where_redis_is(url, expected):
    assert RedisAddress.parse(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "http://example.com",
        "redis://h:secret-port",
        "redis://h:99999",
        "redis://:secret@h/nought",
        "redis://:secret@h/-1",
        "redis://:secret@h?timeout=secret",
        "redis://:secret@h?db",
        "unix://",
        "unix://secret/redis.sock",
    ],
)
def test_another_is_refused_and_not_repeated(url):
    with pytest.raises(LocalError, match="Redis") as caught:
        RedisAddress.parse(url)
    assert "secret" not in str(caught.value)


def test_what_is_logged_has_no_password():
    for url, shown in {
        "redis://me:secret@h/1": "redis://h:6379",
        "rediss://:secret@[::1]": "rediss://[::1]:6379",
        "unix://:secret@/run/r.sock": "unix:///run/r.sock",
    }.items():
        address = RedisAddress.parse(url)
        assert str(address) == shown
        assert "secret" not in repr(address)
