"""A server in a process of its own."""

from __future__ import annotations

import re

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol

from tests.integration.wire import patient


class Process(ProcessProtocol):
    """A server in a process of its own.

    Attributes:
        output: What it has said, on both streams.
        status: Its exit status; negative if a signal has ended it.
    """

    def __init__(self):
        self.output = ""
        self.status = None
        self._waiting = []

    def childDataReceived(self, fd, data):
        self.output += data.decode()
        self._wake()

    def processEnded(self, reason):
        self.status = 0
        if not reason.check(ProcessDone):
            self.status = -reason.value.signal if reason.value.signal else reason.value.exitCode
        self._wake()

    def send(self, signum):
        self.transport.signalProcess(signum)

    async def said(self, pattern):
        while (found := re.search(pattern, self.output)) is None:
            assert self.status is None, f"{self.status}: {self.output}"
            await self._more(pattern)
        return found

    async def end(self):
        while self.status is None:
            await self._more("its end")
        return self.status

    def _wake(self):
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    async def _more(self, what):
        self._waiting.append(Deferred())
        await patient(self._waiting[-1], f"{what}; it has said {self.output}")

    def memory(self, what="VmRSS"):
        """A figure of Linux about its memory, in bytes: ``VmRSS`` is now, ``VmHWM`` the most."""
        with open(f"/proc/{self.transport.pid}/status", encoding="ascii") as status:
            return int(re.search(rf"{what}:\s+(\d+) kB", status.read())[1]) * 1024

    def forgetPeak(self):
        """Let ``VmHWM`` begin anew."""
        with open(f"/proc/{self.transport.pid}/clear_refs", "w", encoding="ascii") as refs:
            refs.write("5")
