"""Warnings for who serves with ``python``, where nobody has begun to log."""

from __future__ import annotations

import sys

from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    eventAsText,
    globalLogBeginner,
    globalLogPublisher,
)
from zope.interface import provider

__all__ = ["showWarnings"]

_SHOWN = (LogLevel.warn, LogLevel.error)


def showWarnings() -> None:
    """Write warnings to stderr as long as the program itself has not begun to log.

    Until then Twisted shows nothing below critical, and a client would be refused without a word
    about the option that would let it in.
    """
    globalLogPublisher.addObserver(_show)


@provider(ILogObserver)
def _show(event: LogEvent) -> None:
    # Its own temporary observer is how the beginner knows it, and there is no other way to ask.
    if event.get("log_level") in _SHOWN and globalLogBeginner._temporaryObserver is not None:
        sys.stderr.write(eventAsText(event, includeTimestamp=False, includeSystem=False) + "\n")
