"""What it costs to compare two large runs: 1,000 cases by 5 repeats each, read, judged and shown."""

from __future__ import annotations

import io
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from claude_run.record.derive import read_played, write_derived
from claude_run.record.folder import RunFolder
from claude_run.report.compare.terminal import print_comparison
from claude_run.session.compare import arm_of_played, arm_of_run
from claude_run.verdict.basics import ComparisonRules
from claude_run.verdict.comparison import Arm, compare
from tests.support.big_runs import write_run

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = 1000
REPEATS = 5
CHANCES = {"a": 0.9, "b": 0.88}
COMMAND = str(Path(sys.executable).with_name("claude-run"))
T = TypeVar("T")


def bench() -> str:
    """Return a line for the command, and one for each stage of it, in seconds of CPU."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in CHANCES]
        for path, chance in zip(paths, CHANCES.values(), strict=True):
            write_run(path, cases=CASES, repeats=REPEATS, chance=chance, seed=len(path.name))
            write_derived(RunFolder(path), read_played(RunFolder(path)))
        return "\n".join([_command(paths), *_stages(paths)])


def _command(paths: list[Path]) -> str:
    bare, whole = (
        _cpu(command) for command in ([COMMAND, "--version"], [COMMAND, "compare", *map(str, paths)])
    )
    return f"compare: two runs of {CASES} x {REPEATS} cost {whole:.2f} s of CPU, {bare:.2f} s of it to start"


def _stages(paths: list[Path]) -> list[str]:
    spent: dict[str, float] = {}
    _timed("reading both journals, for comparison,", lambda: list(map(_journal_arm, paths)), spent)
    arms = _timed("reading both runs", lambda: list(map(arm_of_run, paths)), spent)
    comparison = _timed("judging", lambda: compare(arms[0], arms[1:], ComparisonRules()), spent)
    _timed(
        "showing", lambda: print_comparison(comparison, stream=io.StringIO(), colour=False, verbose=0), spent
    )
    return [f"compare: {name} takes {seconds:.2f} s" for name, seconds in spent.items()]


def _journal_arm(path: Path) -> Arm:
    return arm_of_played(read_played(RunFolder(path)), name="run")


def _timed(name: str, work: Callable[[], T], spent: dict[str, float]) -> T:
    begin = time.process_time()
    result = work()
    spent[name] = time.process_time() - begin
    return result


def _cpu(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=False, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
