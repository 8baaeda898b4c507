"""What the author of a custom check imports; the documented door, whatever moves behind it."""

from claude_run.checks.custom import check
from claude_run.checks.kind import EVERYWHERE, TURN_ONLY, Check, Finding, errored, failed, passed
from claude_run.checks.subject import Subject

__all__ = [
    "EVERYWHERE",
    "TURN_ONLY",
    "Check",
    "Finding",
    "Subject",
    "check",
    "errored",
    "failed",
    "passed",
]
