"""`compare`: two runs, or the models or variants inside one, judged and shown."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from claude_run.cli.output import print_document, print_json, print_line
from claude_run.errors import InputError
from claude_run.report.compare.html import comparison_html
from claude_run.report.compare.json import comparison_json
from claude_run.report.compare.markdown import comparison_markdown
from claude_run.report.compare.terminal import print_comparison
from claude_run.report.compare.words import ending
from claude_run.report.text.console import colour_wanted
from claude_run.session.compare import compare_runs, exit_code_of

if TYPE_CHECKING:
    from claude_run.cli.options import CompareOptions, OutputOptions
    from claude_run.session.request import CompareRequest


def compare(compared: CompareOptions, request: CompareRequest, output: OutputOptions) -> int:
    """Print the comparison and return 1 when a candidate regressed."""
    forms = [name for name in ("markdown", "html", "json") if getattr(compared, name)]
    if len(forms) > 1:
        raise InputError(f"--{forms[0]} and --{forms[1]}: choose one form")
    comparison = compare_runs(compared.runs, request)
    code = exit_code_of(comparison, request)
    match forms:
        case ["json"]:
            print_json(comparison_json(comparison))
        case ["markdown"]:
            print_document(comparison_markdown(comparison))
        case ["html"]:
            print_document(comparison_html(comparison))
        case _:
            colour = colour_wanted(output.color, os.environ, isatty=sys.stdout.isatty())
            print_comparison(comparison, stream=sys.stdout, colour=colour, verbose=output.verbose)
            print_line(ending(comparison, code))
    return int(code)
