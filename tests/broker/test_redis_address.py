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


def test_sentinels_know_where_it_is():
    address = RedisAddress.parse(
        "rediss+sentinel://me:s%40cret@one,[::1]:7000,three:26380/my%20main/2"
        "?sentinel_username=watch&sentinel_password=other+secret&ssl_ca_certs=/etc/ca.pem"
    )
    assert address.sentinels == tuple(
        RedisAddress(
            *(host, port, "", True, "/etc/ca.pem"), username="watch", password="other secret"
        )
        for host, port in (("one", 26379), ("::1", 7000), ("three", 26380))
    )
    assert address.master == "my main"
    assert (address.username, address.password, address.database) == ("me", "s@cret", 2)
    assert (address.isSecure, address.authorities, address.host) == (True, "/etc/ca.pem", "")
    # Nobody says that the sentinels have the password of the master, or any.
    (sentinel,) = RedisAddress.parse("redis+sentinel://:x@h/main").sentinels
    assert (sentinel.password, sentinel.isSecure, sentinel.port) == (None, False, 26379)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis://[::1",
        "redis+sentinel://:secret@h",
        "redis+sentinel:///main",
        "redis+sentinel://:secret@one,,two/main",
        "redis+sentinel://:secret@one:secret/main",
        "redis+sentinel://:secret@one/main/nought",
        "redis+sentinel://:secret@one/main?sentinel=secret",
        "redis+sentinel://:secret@one/main/1/2",
        "unix+sentinel://one/main",
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
        "redis+sentinel://:secret@a,[::1]:1/m/1?sentinel_password=secret": (
            "redis+sentinel://a:26379,[::1]:1/m"
        ),
    }.items():
        address = RedisAddress.parse(url)
        assert str(address) == shown
        assert "secret" not in repr(address)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"", "no certificate"),
        (b"\xff-----END CERTIFICATE-----", "ca.pem: "),
    ],
)
def test_authorities_that_cannot_be_read(tmp_path, content, said):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    address = RedisAddress.parse(f"rediss://h?ssl_ca_certs={file}")
    with pytest.raises(LocalError, match=said):
        address.trusted()
