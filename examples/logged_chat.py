"""The chat of ``hello_world_chat.py`` with a log of all that is said and passed on.

Start it with ``python logged_chat.py``, then ``telnet localhost 8080`` in two windows.
"""

import logging

from hello_world_chat import Chat
from message_logger import MessageLogger

from ratchet_py.server import IoServer

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    server = IoServer.factory(MessageLogger(Chat()), 8080)
    server.run()
