import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet_py.rfc6455 import masking
from ratchet_py.rfc6455.masking import applyMask, unmask

MASKS = st.binary(min_size=4, max_size=4)
# On both sides of every size at which another way is taken.
SIZES = [0, 1, 2, 3, 4, 5, 63, 64, 65, 1023, 1024, 1025, 5000]


def slowly(payload, mask):
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


@pytest.fixture(params=["native", "pure"])
def way(request, monkeypatch):
    if request.param == "pure":
        monkeypatch.setattr(masking, "_xorInPlace", None)
    return request.param


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.usefixtures("way")
def test_sizes(size):
    payload = bytes(i * 7 % 256 for i in range(size))
    mask = b"\x00\x7f\x80\xff"
    before = bytes(payload[:1] + payload[1:])
    assert applyMask(payload, mask) == slowly(payload, mask)
    assert payload == before
    data = b"head!!" + payload + b"tail"
    assert unmask(data, 6, 6 + size, mask) == slowly(payload, mask)
    assert data == b"head!!" + before + b"tail"


@given(st.binary(max_size=300), MASKS)
def test_any_bytes(payload, mask):
    expected = slowly(payload, mask)
    assert applyMask(payload, mask) == expected
    assert masking._xorPure(payload, mask) == expected
    assert masking._xorStrides(payload, mask) == expected
    assert applyMask(expected, mask) == payload


def test_an_implementation_without_bytes_to_write_into_takes_the_pure_way(monkeypatch):
    monkeypatch.setattr(masking.sys, "implementation", type("pypy", (), {"name": "pypy"}))
    assert masking._native() is None


def test_without_autobahn_in_c(monkeypatch):
    monkeypatch.setitem(masking.sys.modules, "_nvx_xormasker", None)
    assert masking._native() is None


def test_a_native_function_that_changes_nothing_is_not_used(monkeypatch):
    class lib:
        nvx_xormask_new = nvx_xormask_free = staticmethod(lambda mask: None)
        nvx_xormask_process = staticmethod(lambda masker, data, length: None)

    monkeypatch.setitem(masking.sys.modules, "_nvx_xormasker", type("module", (), {"lib": lib}))
    assert masking._native() is None
