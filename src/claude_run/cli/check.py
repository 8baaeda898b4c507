"""`claude-run check`: what was found wrong, and how many scenarios are sound."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from claude_run.cli.output import (
    print_error,
    print_json,
    print_line,
    print_next,
    print_workflow_command,
    workflow_folder,
)
from claude_run.errors import InputError
from claude_run.report.check import refused_json, sound_json
from claude_run.session.load import load_scenarios, numbered_cases
from claude_run.session.next_command import play_command
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from claude_run.cli.options import CheckOptions, OutputOptions
    from claude_run.session.request import RunRequest
    from claude_run.session.trial import Trial
    from claude_run.session.world import World


def check(request: RunRequest, options: CheckOptions, output: OutputOptions, machine: World) -> int:
    """Say how many scenarios are sound; InvalidScenarioError lists what is wrong, unless JSON does."""
    trials: list[Trial] = []
    in_actions = os.environ.get("GITHUB_ACTIONS") == "true"
    try:
        loaded = load_scenarios(request, today=machine.today, examples=trials if options.examples else None)
    except InputError as error:
        refused = refused_json(error) if options.format == "json" else None
        if refused is not None:
            print_json(refused)
            return int(error.exit_code)
        # In a workflow every error is marked where it stands, by whoever explains it.
        if options.format == "github" and not in_actions:
            from claude_run.report.run.github import failure_annotations  # noqa: PLC0415 - only GitHub needs it

            _mark(failure_annotations(error, folder=workflow_folder()))
        raise
    if options.format == "json":
        print_json(sound_json(len(loaded.scenarios), loaded.noticed))
        return 0
    if not output.quiet:
        print_error(*loaded.warnings, *numbered_cases(loaded.scenarios))
        if in_actions or options.format == "github":
            from claude_run.report.run.github import warning_annotations  # noqa: PLC0415 - same

            _mark(warning_annotations(loaded.noticed, folder=workflow_folder()))
        print_line(f"{count(len(loaded.scenarios), 'scenario')}: no problems found")
        if options.examples:
            print_line(_tried(trials))
        print_next(play_command(request))
    return 0


def _mark(annotations: Iterable[str]) -> None:
    for line in annotations:
        print_workflow_command(line)


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
