"""Tells ``twistd`` and ``twist`` that there is a ``ratchet`` to serve.

Twisted imports every plugin module on every ``twistd --help``, so this one imports nothing of ours.
"""

from twisted.application.service import ServiceMaker

ratchet = ServiceMaker(
    "Ratchet",
    "ratchet_py.tap",
    "A WebSocket and WAMP server; the demo unless told otherwise.",
    "ratchet",
)
