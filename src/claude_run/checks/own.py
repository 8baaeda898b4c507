"""What the author of a custom check imports; the documented door, whatever moves behind it."""

from claude_run.checks.custom import CustomCheck, check
from claude_run.checks.kind import EVERYWHERE, TURN_ONLY, Finding, errored, failed, passed
from claude_run.checks.subject import Subject

__all__ = [
    "EVERYWHERE",
    "TURN_ONLY",
    "CustomCheck",
    "Finding",
    "Subject",
    "check",
    "errored",
    "failed",
    "passed",
]
