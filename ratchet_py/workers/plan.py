"""What there is to serve, as the parent of the workers has to know it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from ratchet_py.errors import LocalError

__all__ = ["CANNOT", "COMMAND", "Plan"]

COMMAND = [sys.executable, "-m", "ratchet_py.worker"]
"""What runs a worker; with ``--plan`` it only says what it would serve."""

CANNOT = 3
"""The exit status of one that cannot serve, and has said why."""


@dataclass
class Plan:
    """What there is to serve.

    Attributes:
        clients: The endpoints for clients.
        ifPossible: Further ones, if they can be opened.
        others: Endpoints for something else, by their purpose.
        drainSeconds: How long the clients are waited for at the end.
        isCarried: Whether a broker carries topics between processes.
        pushSize: How large a push may be, in bytes; 0 if there are no topics to push to.
    """

    clients: list[str]
    ifPossible: list[str]
    drainSeconds: float
    isCarried: bool
    pushSize: int = 0
    others: dict[str, list[str]] = field(default_factory=dict)

    @staticmethod
    def ask(options: dict[str, Any]) -> Plan:
        """Have a process of its own find out, so that nothing of the application is in this one.

        Args:
            options: Those of the command line.

        Raises:
            LocalError: It cannot be served; the message is one line.
        """
        config = json.dumps({"path": sys.path, "options": options})
        done = subprocess.run(
            [*COMMAND, "--plan"],
            input=config,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode == CANNOT:
            raise LocalError(done.stdout.removeprefix("ratchet: "))
        if done.returncode:
            said = [f"status {done.returncode}", *done.stderr.strip().splitlines()]
            raise LocalError(f"what there is to serve cannot be found out: {said[-1]}")
        return Plan(**json.loads(done.stdout))

    def tell(self) -> str:
        """The same as a line of text."""
        return json.dumps(asdict(self))
