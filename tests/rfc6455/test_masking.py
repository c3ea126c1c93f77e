import importlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet_py.rfc6455 import masking


def slowly(payload, mask):
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


@pytest.fixture(params=["compiled", "pure"])
def applyMask(request, monkeypatch):
    if request.param == "pure":
        monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    yield importlib.reload(masking).applyMask
    monkeypatch.undo()
    importlib.reload(masking)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 125, 126, 70_000])
def test_sizes(applyMask, size):
    payload = bytes(i * 7 % 256 for i in range(size))
    assert applyMask(payload, b"\x00\x7f\x80\xff") == slowly(payload, b"\x00\x7f\x80\xff")


@given(payload=st.binary(max_size=300), mask=st.binary(min_size=4, max_size=4))
def test_any_bytes(payload, mask):
    masked = masking.applyMask(payload, mask)
    assert masked == slowly(payload, mask)
    assert masking.applyMask(masked, mask) == payload
