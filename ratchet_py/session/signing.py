"""The library that knows how Django and Flask sign."""

from __future__ import annotations

from typing import Any

__all__ = ["itsdangerous"]


def itsdangerous() -> Any:
    """The module.

    Raises:
        ImportError: It is not installed.
    """
    try:
        import itsdangerous
    except ImportError:
        raise ImportError(
            "sessions of Django and Flask need itsdangerous: pip install 'ratchet_py[sessions]'"
        ) from None
    return itsdangerous
