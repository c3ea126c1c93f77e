import pytest

from ratchet_py.rfc6455.close_code import CloseCode, isSendable

SENDABLE = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}


def test_which_codes_may_be_on_the_wire():
    assert {code for code in range(-1, 70_000) if isSendable(code)} == SENDABLE


@pytest.mark.parametrize("code", CloseCode)
def test_named_codes_are_sendable_but_for_those_that_only_report(code):
    reportsOnly = {CloseCode.NO_STATUS, CloseCode.ABNORMAL, CloseCode.TLS}
    assert isSendable(code) == (code not in reportsOnly)


def test_a_named_code_is_its_number():
    assert CloseCode.TOO_BIG == 1009
    assert CloseCode(1013) is CloseCode.TRY_AGAIN
