"""The command that a user is likely to want next, made of how a run ended."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode
from claude_run.scenario.beside import baseline_path
from claude_run.session.options import as_arguments, saved_options
from claude_run.session.request import HOW, WHAT, RunRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_run.scenario.model import Json
    from claude_run.session.options import Option
    from claude_run.session.play import RunResult


def next_command(result: RunResult) -> str | None:
    """Return what goes on with a run that is not whole, or follows one that is; None for nothing."""
    summary, folder = result.played.summary, str(result.folder.path)
    outcomes = summary.totals.outcomes

    run = summary.run
    # What was not recorded is sent, beside what was; a replay would find no more when it goes on.
    recording = run.options.get("replay")
    if outcomes[Outcome.ERRORED] and isinstance(recording, str) and run.paths:
        live = {**run.options, "replay": None, "simulate": summary.simulated}
        return _played_again(run.paths, live, "--reuse", recording)

    # What was not measured is gone on with; what failed is mended and played again.
    if summary.exit_code not in {ExitCode.PASSED, ExitCode.FAILED}:
        again = ["--retry-errors"] if outcomes[Outcome.ERRORED] else []
        return command_line("resume", folder, *again)
    if not run.paths:
        return None  # of labelled replies, which have no scenario
    against_baseline = result.comparison is not None or any(map(_has_baseline, run.files))
    if outcomes[Outcome.FAILED] and not against_baseline:
        return _played_again(run.paths, run.options, "--lf")

    # What passed becomes the baseline, unless it was only made up: then it is played for real.
    if summary.simulated and not against_baseline:
        return _played_again(run.paths, {**run.options, "simulate": False, "faults": None})
    return command_line("review" if against_baseline else "accept", folder)


def play_command(request: RunRequest, *more: str) -> str:
    """Return the command that plays what the request names."""
    return _played_again(request.paths, saved_options(request), *more)


def command_line(*arguments: str) -> str:
    """Return a command line of ours for a shell."""
    return shlex.join(["claude-run", *arguments])


def _played_again(paths: Sequence[str], options: Mapping[str, Json], *more: str) -> str:
    kept = as_arguments(RunRequest, options, keep=_says_what_is_played)
    return command_line(*paths, *kept, *(each for each in more if each not in kept))


def _says_what_is_played(option: Option) -> bool:
    return option.shapes and option.panel in {WHAT, HOW}


def _has_baseline(path: str) -> bool:
    return baseline_path(path).is_file()
