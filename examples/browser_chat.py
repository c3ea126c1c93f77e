"""The chat with a page to chat on, both from one server.

Start it with ``python browser_chat.py``, then open http://localhost:8080/ in two windows.
"""

from pathlib import Path

from hello_world_chat import Chat
from twisted.web.static import File

from ratchet_py import App

app = App("localhost", 8080)
app.route("/chat", Chat())
app.route("/", File(str(Path(__file__).with_name("browser_chat"))))
app.run()
