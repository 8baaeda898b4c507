"""`claude-run check`: what was found wrong, and how many scenarios are sound."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from claude_run.cli.output import (
    print_document,
    print_error,
    print_json,
    print_line,
    print_next,
    print_workflow_command,
    workflow_folder,
)
from claude_run.errors import ClaudeRunError
from claude_run.report.check import refused_json, sound_json
from claude_run.session.load import load_scenarios, numbered_cases
from claude_run.session.next_command import play_command
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from claude_run.cli.options import CheckOptions, OutputOptions
    from claude_run.session.request import RunRequest
    from claude_run.session.trial import Trial
    from claude_run.session.world import World


def check(
    requested: Callable[[], RunRequest], options: CheckOptions, output: OutputOptions, machine: World
) -> int:
    """Say how many scenarios are sound, or what is wrong, in the form that is asked for.

    In the form for people InvalidScenarioError lists what is wrong.
    """
    trials: list[Trial] = []
    try:
        request = requested()
        loaded = load_scenarios(request, today=machine.today, examples=trials if options.examples else None)
    except ClaudeRunError as error:
        return _refused(error, options.format)
    if options.format == "json":
        print_json(sound_json(len(loaded.scenarios), loaded.noticed))
        return 0

    if not output.quiet:
        print_error(*loaded.warnings, *numbered_cases(loaded.scenarios))
    in_actions = os.environ.get("GITHUB_ACTIONS") == "true"
    if options.format == "github" or (in_actions and not output.quiet):
        from claude_run.report.run.github import warning_annotations  # noqa: PLC0415 - only GitHub needs it

        mark = print_document if options.format == "github" else print_workflow_command
        for line in warning_annotations(loaded.noticed, folder=workflow_folder()):
            mark(line)
    if not output.quiet:
        print_line(f"{count(len(loaded.scenarios), 'scenario')}: no problems found")
        if options.examples:
            print_line(_tried(trials))
        print_next(play_command(request))
    return 0


def _refused(error: ClaudeRunError, form: str) -> int:
    """Tell what is wrong; for people whoever explains errors does, and marks it where GitHub runs it."""
    if form == "text":
        raise error
    if form == "json":
        print_json(refused_json(error))
    else:
        from claude_run.report.run.github import failure_annotations  # noqa: PLC0415 - only GitHub needs it

        print_error(*error.told)
        for line in failure_annotations(error, folder=workflow_folder()):
            print_document(line)
    return int(error.exit_code)


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
