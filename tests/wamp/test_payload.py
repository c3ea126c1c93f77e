from ratchet_py.wamp import Params, Payload
from ratchet_py.wamp.json_text import encode


def test_a_payload_compares_by_what_it_holds():
    assert Payload([1], {"a": 2}) == Payload((1,), {"a": 2})
    assert Payload() == Payload([], {})
    assert Payload([1]) != Payload([2])
    assert Payload([1]) != Payload([1], {"a": 2})
    assert Payload([1]) != [1]


def test_a_payload_is_an_object_where_there_are_no_keywords():
    assert encode([Payload([1], {"a": 2})]) == '[{"args":[1],"kwargs":{"a":2}}]'


def test_params_are_a_list():
    params = Params([1, 2], {"a": 3})
    assert params == [1, 2]
    assert params.kwargs == {"a": 3}
    assert encode(params) == "[1,2]"
