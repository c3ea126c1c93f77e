"""What an operator looks at: ``/metrics``, ``/healthz``, a live page; on an endpoint of its own.

Needs the extra ``ratchet_py[metrics]``; see :class:`Admin`.
"""

from ratchet_py.admin.admin import Admin
from ratchet_py.admin.figures import Figures, LocalFigures
from ratchet_py.admin.live import Live
from ratchet_py.admin.local_router import LocalRouter

__all__ = ["Admin", "Figures", "Live", "LocalFigures", "LocalRouter"]
