"""The demo that ``twistd ratchet`` serves when it is given nothing else.

A page with a chat of several rooms, an open pub/sub and an echo; see :func:`mount`.
"""

from ratchet_py.demo.chat_rooms import ChatRooms
from ratchet_py.demo.open_pub_sub import OpenPubSub
from ratchet_py.demo.site import Asset, mount, pages

__all__ = ["Asset", "ChatRooms", "OpenPubSub", "mount", "pages"]
