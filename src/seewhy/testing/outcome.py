"""What a check can end in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from seewhy.errors import SeewhyError

Status = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class CheckResult:
    """How one check of one method ended on one network; `message` says why it failed or was skipped."""

    method: str
    network: str
    check: str
    status: Status
    message: str = ""

    def to_dict(self) -> dict[str, str]:
        """JSON-safe."""
        return asdict(self)


class CheckFailed(SeewhyError, AssertionError):
    """A method breaks a promise; the message says which, with numbers."""


class CheckSkipped(SeewhyError):
    """A check does not apply here; the message says why."""
