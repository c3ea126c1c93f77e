"""How a worker tells its parent what it counts; needs the extra ``ratchet_py[metrics]``."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import LoopingCall

from ratchet_py.admin.figures import LocalFigures
from ratchet_py.app import App
from ratchet_py.server.io_server import IoServer
from ratchet_py.workers.link import Link
from ratchet_py.workers.merge import pack

__all__ = ["Watch"]


class Watch:
    """Says each second how a worker is, and more when it is asked.

    Args:
        server: What the worker serves; it is measured from now on.
        link: Where to say it.
    """

    def __init__(self, server: App | IoServer, link: Link) -> None:
        self._figures = LocalFigures(server)
        self._link = link
        self._loop = LoopingCall(self._beat)

    def start(self, reactor: Any) -> None:
        """Begin."""
        self._figures.start(reactor)
        self._loop.clock = reactor
        self._loop.start(1.0)

    def stop(self) -> None:
        """End, and say all that has been counted, because it goes on to count."""
        self._loop.stop()
        self.answer("families")
        self._figures.stop()

    def answer(self, what: str, id: int | None = None) -> None:
        """Say what the parent has asked for: ``"snapshot"`` or ``"families"``."""
        figures = self._figures
        asked = figures.snapshot() if what == "snapshot" else figures.families().addCallback(pack)
        asked.addCallback(
            lambda answer: self._link.report("answer", id=id, what=what, answer=answer)
        )

    def _beat(self) -> None:
        self._link.report("beat", row=self._figures.row(), health=self._figures.health())
