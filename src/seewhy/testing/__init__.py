"""Public checks for attribution methods, ours and yours: `check_method(MyMethod())`.

On the command line: `python -m seewhy.testing check gradcam`, or `check my_file.py:MyMethod`.
"""

from __future__ import annotations

from seewhy.testing.family import CHECKS, check_method, run_check
from seewhy.testing.networks import Network, default_networks
from seewhy.testing.outcome import CheckFailed, CheckResult, CheckSkipped

__all__ = [
    "CHECKS",
    "CheckFailed",
    "CheckResult",
    "CheckSkipped",
    "Network",
    "check_method",
    "default_networks",
    "run_check",
]
