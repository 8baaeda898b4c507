"""`compare`: two runs, or the models or variants inside one, judged and shown."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from claude_run.cli.talk import say_json, say_raw
from claude_run.errors import InputError
from claude_run.report.compare.html import contest_html
from claude_run.report.compare.json import contest_json
from claude_run.report.compare.markdown import contest_markdown
from claude_run.report.compare.terminal import print_contest
from claude_run.report.text.console import colour_wanted
from claude_run.session.compare import compare_runs, exit_code_of

if TYPE_CHECKING:
    from claude_run.cli.options import CompareOptions, OutputOptions
    from claude_run.session.request import GateRequest


def compare(compared: CompareOptions, gate: GateRequest, output: OutputOptions) -> int:
    """Print the comparison and return 1 when the gate says regressed."""
    forms = [name for name in ("markdown", "html", "json") if getattr(compared, name)]
    if len(forms) > 1:
        raise InputError(f"--{forms[0]} and --{forms[1]}: choose one form")
    contest = compare_runs(compared.runs, gate)
    match forms:
        case ["json"]:
            say_json(contest_json(contest))
        case ["markdown"]:
            say_raw(contest_markdown(contest))
        case ["html"]:
            say_raw(contest_html(contest))
        case _:
            colour = colour_wanted(output.color, os.environ, isatty=sys.stdout.isatty())
            print_contest(contest, stream=sys.stdout, colour=colour, verbose=output.verbose)
    return int(exit_code_of(contest, gate))
