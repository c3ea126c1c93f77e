import pytest

from ratchet_py.errors import LocalError
from ratchet_py.wamp import curie

PREFIXES = {
    "plain": "http://example.com/simple",
    "hash": "http://example.com/simple#",
    "slash": "http://example.com/",
    "urn": "urn:x:",
    "query": "http://example.com/?",
    "equals": "http://example.com/?a=",
    "": "http://empty.example",
    "http": "gopher://",
}


@pytest.mark.parametrize(
    ("uri", "auto", "spec", "ratchet"),
    [
        ("plain:x", "http://example.com/simple#x", "http://example.com/simplex", None),
        ("hash:x", "http://example.com/simple#x", None, "http://example.com/simple##x"),
        ("slash:x", "http://example.com/x", None, "http://example.com/#x"),
        ("urn:x", "urn:x:x", None, "urn:x:#x"),
        ("query:x", "http://example.com/?x", None, "http://example.com/?#x"),
        ("equals:x", "http://example.com/?a=x", None, "http://example.com/?a=#x"),
        (
            "plain:x:y",
            "http://example.com/simple#x:y",
            "http://example.com/simplex:y",
            "http://example.com/simple#x",
        ),
        ("plain:", "http://example.com/simple#", "http://example.com/simple", None),
        (":x", "http://empty.example#x", "http://empty.examplex", None),
        ("other:x", "other:x", None, None),
        ("plain", "plain", None, None),
        ("", "", None, None),
        ("http://a", "gopher:////a", None, "http://a"),
        (
            "plain:https://a",
            "http://example.com/simple#https://a",
            "http://example.com/simplehttps://a",
            "plain:https://a",
        ),
    ],
)
def test_rules(uri, auto, spec, ratchet):
    assert curie.auto(uri, PREFIXES) == auto
    assert curie.spec(uri, PREFIXES) == (auto if spec is None else spec)
    assert curie.ratchet(uri, PREFIXES) == (auto if ratchet is None else ratchet)


@pytest.mark.parametrize("name", ["auto", "spec", "ratchet"])
def test_rules_have_names(name):
    assert curie.rule(name) is getattr(curie, name)


def test_other_names_are_refused():
    with pytest.raises(LocalError, match="auto, spec, ratchet, not 'best'"):
        curie.rule("best")
