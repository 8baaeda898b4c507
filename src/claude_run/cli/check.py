"""`claude-run check`: what was found wrong, and how many scenarios are sound."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from claude_run.cli.output import print_error, print_line, print_next, print_workflow_command, workflow_folder
from claude_run.session.load import load_scenarios, numbered_cases
from claude_run.session.next_command import play_command
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.cli.options import OutputOptions
    from claude_run.session.request import RunRequest
    from claude_run.session.trial import Trial
    from claude_run.session.world import World


def check(request: RunRequest, output: OutputOptions, machine: World, *, examples: bool) -> int:
    """Say how many scenarios are sound; InvalidScenarioError lists what is wrong."""
    trials: list[Trial] = []
    loaded = load_scenarios(request, today=machine.today, examples=trials if examples else None)
    if not output.quiet:
        print_error(*loaded.warnings, *numbered_cases(loaded.scenarios))
        if os.environ.get("GITHUB_ACTIONS") == "true":
            from claude_run.report.run.github import warning_annotations  # noqa: PLC0415 - only GitHub needs it

            for line in warning_annotations(loaded.noticed, folder=workflow_folder()):
                print_workflow_command(line)
        print_line(f"{count(len(loaded.scenarios), 'scenario')}: no problems found")
        if examples:
            print_line(_tried(trials))
        print_next(play_command(request))
    return 0


def _tried(trials: Sequence[Trial]) -> str:
    untried = dict.fromkeys(kind for trial in trials for kind in trial.untried)
    text = f"{count(sum(trial.tried for trial in trials), 'expectation')} tried on examples"
    if left_out := sum(trial.cases_left_out for trial in trials):
        text += f", of all cases but {left_out:,}"
    if untried:
        look = "looks" if len(untried) == 1 else "look"
        text += f"; not tried: {', '.join(untried)}, which {look} at more than a text"
    calls = "calls_tool" in untried or "no_tool_calls" in untried
    return text + ("; calls of tools are played by `run --simulate`" if calls else "")
