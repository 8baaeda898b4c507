"""`report`: every derived file rebuilt from the journal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from claude_run.cli.reports import finish
from claude_run.cli.terminal import Terminal
from claude_run.record.folder import RunFolder, latest
from claude_run.record.redact import Redactor

if TYPE_CHECKING:
    from pathlib import Path

    from claude_run.cli.options import RunOptions


def report(run: Path | None, options: RunOptions) -> int:
    """Rebuild the reports of a run and return the exit code that it had."""
    folder = RunFolder.open(run or latest(), redactor=Redactor.from_environment(os.environ))
    return finish(folder, Terminal.of(options), options)
