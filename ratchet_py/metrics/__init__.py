"""What the servers count, for Prometheus; needs the extra ``ratchet_py[metrics]``."""

from ratchet_py.metrics.metrics import Health, Metrics
from ratchet_py.metrics.reactor_lag import ReactorLag

__all__ = ["Health", "Metrics", "ReactorLag"]
