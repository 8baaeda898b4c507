"""`compare`: two runs, or the models or variants inside one, judged and shown."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.cli.gate import exit_code_of
from claude_run.cli.sides import side_of_run
from claude_run.cli.talk import say_json, say_raw
from claude_run.errors import InputError
from claude_run.report.compare.html import contest_html
from claude_run.report.compare.json import contest_json
from claude_run.report.compare.markdown import contest_markdown
from claude_run.report.compare.terminal import print_contest
from claude_run.report.text.console import colour_wanted
from claude_run.verdict.contest import Contest, compare, sides_within

if TYPE_CHECKING:
    from pathlib import Path

    from claude_run.cli.options import GateOptions
    from claude_run.verdict.contest import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """How a comparison is shown: as `text`, `markdown`, `html` or `json`."""

    form: str = "text"
    color: str = "auto"
    verbose: int = 0


def compare_runs(paths: tuple[Path, ...], options: GateOptions, output: Output) -> int:
    """Compare and return 1 when the gate says regressed."""
    contest = _contest(paths, options)
    if output.form == "json":
        say_json(contest_json(contest))
    elif output.form == "markdown":
        say_raw(contest_markdown(contest))
    elif output.form == "html":
        say_raw(contest_html(contest))
    else:
        colour = colour_wanted(output.color, os.environ, isatty=sys.stdout.isatty())
        print_contest(contest, stream=sys.stdout, colour=colour, verbose=output.verbose)
    return int(exit_code_of(contest, options))


def _contest(paths: tuple[Path, ...], options: GateOptions) -> Contest:
    sides = [side_of_run(path) for path in paths]
    if len(sides) > 1:
        return compare(sides[0], sides[1:], options.rules())
    inside: tuple[Side, ...] = sides_within(sides[0].attempts)
    if len(inside) == 1:
        raise InputError(
            f"{paths[0]} was played on one model and one variant: name a second run to compare it with"
        )
    return compare(inside[0], inside[1:], options.rules())
