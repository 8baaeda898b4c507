"""What a terminal or a log shows of a run: progress, the closing block, and when in colour."""

from __future__ import annotations

from claude_run.report.closing import print_summary
from claude_run.report.console import colour_wanted
from claude_run.report.progress import LineProgress, LiveProgress

__all__ = ["LineProgress", "LiveProgress", "colour_wanted", "print_summary"]
