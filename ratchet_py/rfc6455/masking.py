"""XOR with a frame's masking key (RFC 6455 section 5.3).

The operation is the ``websockets`` package's: in C where its extension is built, and one XOR of two
large integers where it is not.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["applyMask"]

applyMask: Callable[[bytes, bytes], bytes]
"""Mask a payload with a key of four bytes, or unmask it: the same operation."""

try:
    from websockets.speedups import apply_mask as applyMask
except ImportError:
    from websockets.utils import apply_mask as applyMask
