import pytest

from ratchet_py.errors import LocalError
from ratchet_py.wamp.names import NameMap, errorUri

NAMES = NameMap(
    {
        "http://example.com/*": "com.example.*",
        "http://example.com/simple#*": "com.example.simple.*",
        "http://example.com/simple#x": "org.special",
    }
)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("http://example.com/news", "com.example.news"),
        ("http://example.com/simple#news", "com.example.simple.news"),
        ("http://example.com/simple#x", "org.special"),
        ("http://example.com/", "com.example."),
        ("elsewhere", "elsewhere"),
        ("", ""),
    ],
)
def test_both_directions(ours, theirs):
    assert NAMES.toV2(ours) == theirs
    assert NAMES.fromV2(theirs) == ours


@pytest.mark.parametrize(
    "table", [{"a*": "b"}, {"a": "b*"}, {"a": "c", "b": "c"}, {"a*": "c*", "b*": "c*"}]
)
def test_a_table_that_cannot_be(table):
    with pytest.raises(LocalError):
        NameMap(table)


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("not-authorized", "not_authorized"),
        ("internal", "runtime_error"),
        ("generic", "runtime_error"),
        ("NoSuchRPCEndpoint", "no_such_procedure"),
        ("invalid-argument", "invalid_argument"),
    ],
)
def test_errors_of_version_1(uri, name):
    assert errorUri("http://api.wamp.ws/error#" + uri) == "wamp.error." + name


def test_other_errors_are_the_same():
    for uri in "urn:x", "http://example.com/error#internal", "wamp.error.canceled", "":
        assert errorUri(uri) == uri
