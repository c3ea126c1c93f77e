"""Several processes that serve one application on the same sockets.

The parent (:class:`Workers`) opens the sockets and keeps the processes running; nothing of the
application is in it. What runs in each of them is :mod:`ratchet_py.worker`.
"""

from ratchet_py.workers.pipes import PUBLISH
from ratchet_py.workers.plan import Plan
from ratchet_py.workers.sharing import checkEndpoint
from ratchet_py.workers.workers import SharedPush, Workers

__all__ = ["PUBLISH", "Plan", "SharedPush", "Workers", "checkEndpoint"]
