"""Ratchet for Python: WebSocket servers as stacks of components, on Twisted."""

__version__ = "0.1.0"
