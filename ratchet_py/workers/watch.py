"""How a worker tells its parent what it counts; needs the extra ``ratchet_py[metrics]``."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from ratchet_py.admin.figures import LocalFigures
from ratchet_py.app import App
from ratchet_py.server.io_server import IoServer
from ratchet_py.workers.link import Link
from ratchet_py.workers.mirror import Mirror

__all__ = ["Watch"]


class Watch:
    """Says each second how a worker is, and more when it is asked.

    Args:
        server: What the worker serves; it is measured from now on.
        link: Where to say it.
        mirror: Where to write what Prometheus is told.
    """

    def __init__(self, server: App | IoServer, link: Link, mirror: Mirror) -> None:
        self._figures = LocalFigures(server)
        self._mirror = mirror
        self._link = link
        self._loop = LoopingCall(self._beat)

    def start(self, reactor: Any) -> None:
        """Begin."""
        self._figures.start(reactor)
        self._loop.clock = reactor
        self._loop.start(1.0)

    def stop(self) -> None:
        """End, and write all that has been counted, because it goes on to count."""
        self._loop.stop()
        self._write()
        self._mirror.close()
        self._figures.stop()

    def answer(self, what: str, id: int) -> None:
        """Say what the parent has asked for: a ``"snapshot"``, or to ``"write"``."""
        asked: Deferred[Any] = self._figures.snapshot() if what == "snapshot" else self._write()
        asked.addCallback(lambda answer: self._link.report("answer", id=id, snapshot=answer))

    def _write(self) -> Deferred[None]:
        return self._figures.families().addCallback(self._mirror.write)

    def _beat(self) -> None:
        self._link.report("beat", row=self._figures.row(), health=self._figures.health())
