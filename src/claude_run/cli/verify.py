"""`verify`: whether a run folder is whole, and its files say what its journal says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.cli.reports import DERIVED
from claude_run.cli.talk import complain, say
from claude_run.errors import ExitCode
from claude_run.record.derive import read_played
from claude_run.record.folder import RunFolder, latest
from claude_run.record.verify import problems
from claude_run.report.text.numbers import usd
from claude_run.text.visible import count

if TYPE_CHECKING:
    from pathlib import Path


def verify(run: Path | None) -> int:
    """Print what is wrong, a line each; exit code 3 when anything is."""
    folder = RunFolder.open(run or latest())
    found = list(problems(folder, DERIVED))
    for problem in found:
        say(problem)
    totals = read_played(folder).summary.totals
    conversations = count(totals.conversations, "conversation")
    replies = count(totals.replies, "reply", plural="replies")
    money = f"{usd(totals.cost_usd)}, uncertain {usd(totals.uncertain_usd)}"
    verdict = count(len(found), "problem") if found else "whole"
    complain(f"{folder.path}: {conversations}, {replies}, {money}: {verdict}")
    return int(ExitCode.NOT_MEASURED if found else ExitCode.PASSED)
