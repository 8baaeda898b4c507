"""`show`: one conversation of a run, as a talk or as JSON."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from claude_run.cli.output import print_error, print_json
from claude_run.report.run.show import print_conversation
from claude_run.report.text.console import colour_wanted
from claude_run.session.results import find_conversation

if TYPE_CHECKING:
    from claude_run.cli.options import OutputOptions, ShowOptions
    from claude_run.session.world import World


def show(options: ShowOptions, output: OutputOptions, world: World) -> int:
    """Print one conversation; InputError where the id names none, or several."""
    found = find_conversation(options.given, world)
    print_error(f"run {found.result.folder.path}")
    if options.json:
        print_json(found.to_json())
        return 0
    print_conversation(
        found.record,
        stream=sys.stdout,
        colour=colour_wanted(output.color, os.environ, isatty=sys.stdout.isatty()),
        exit_reason=found.result.played.summary.exit_reason,
        quiet=output.quiet,
    )
    return 0
