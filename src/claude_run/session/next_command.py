"""The command that a user is likely to want next, made of how a run ended. It can be typed as it stands."""

from __future__ import annotations

import re
import shlex
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode, InputError
from claude_run.scenario.beside import baseline_path
from claude_run.session.options import as_arguments, build, saved_options
from claude_run.session.project_file import defaults, find_project_file
from claude_run.session.request import RunRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from claude_run.record.gated import Gate
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.session.play import RunResult

_REQUESTS = re.compile(r"--max-requests ([0-9]+)")
_COST = re.compile(
    r"--max-cost ([0-9.]+): ([0-9.]+) USD are spent, and the next request may cost up to ([0-9.]+)"
)
_CENT = Decimal("0.01")

COMMANDS = frozenset(
    {
        "run",
        "resume",
        "check",
        "compare",
        "judge-eval",
        "merge",
        "accept",
        "review",
        "chat",
        "report",
        "verify",
        "export",
        "import",
        "init",
        "models",
        "open",
        "schema",
        "show",
        "simulate",
    }
)
"""The names that a first argument is taken for, be it a path."""


def next_command(result: RunResult, *, asked: RunRequest | None = None) -> str | None:
    """Return what goes on with a run that is not whole, or follows one that is; None for nothing.

    `asked` is what its user has asked for, where the run is a part of that.
    """
    # A run may be read again from another folder than it was started in, where none of it could be done.
    is_here = any(Path(file).exists() for file in result.played.summary.run.files)
    options = result.played.summary.run.options if asked is None else saved_options(asked)
    return _following(result, options) if is_here else None


def awaits_fresh(result: RunResult) -> bool:
    """Return whether cases are unclear of which no fresh attempt was made, though some may be."""
    gate, options = result.played.summary.gate, result.played.summary.run.options
    if gate is None or not gate.most_fresh or options.get("replay") is not None:
        return False
    return any(each.standing == "unclear" and each.fresh is None for each in gate.cases)


def play_command(request: RunRequest) -> str | None:
    """Return the command that plays what the request names; None where no shell would pass it on as it is."""
    out = () if request.out is None else ("-o", str(request.out))
    return _played_again(request.paths, saved_options(request), *out)


def command_line(*arguments: str) -> str | None:
    """Return a command line of ours for a shell; None for arguments that cannot be shown as they are."""
    line = shlex.join(["claude-run", *arguments])
    return line if line.isprintable() else None


def play_line(paths: Sequence[str], *options: str) -> str | None:
    """Return the command that plays these files and folders, whatever they are called."""
    files = [f"./{path}" if path.startswith("-") else path for path in paths]
    # A folder may be called as a command is.
    run = ["run"] if files[0] in COMMANDS else []
    return command_line(*run, *files, *options)


def _following(result: RunResult, options: JsonObject) -> str | None:
    summary, folder = result.played.summary, str(result.folder.path)
    outcomes, run = summary.totals.outcomes, summary.run

    # What was not recorded is sent, beside what was; a replay would find no more when it goes on.
    recording = options.get("replay")
    if outcomes[Outcome.ERRORED] and isinstance(recording, str) and run.paths:
        live = {**options, "replay": None, "simulate": summary.simulated}
        return _played_again(run.paths, live, "--reuse", recording)

    # What was not measured is gone on with, past the cap that has stopped it.
    # No shard has confirmed anything: what is unclear of the whole is told by fresh attempts.
    if awaits_fresh(result) or summary.exit_code not in {ExitCode.PASSED, ExitCode.FAILED}:
        again = ["--retry-errors"] if outcomes[Outcome.ERRORED] else []
        return command_line("resume", folder, *again, *_raised(summary.stopped or ""))
    # Labelled replies have no scenario, and a run in which all is as it was accepted leaves nothing to do.
    # After a shard comes `merge`, of folders that it knows nothing of.
    is_settled = summary.gate is not None and not _has_news(summary.gate)
    if not run.paths or is_settled or run.shard is not None:
        return None

    # What failed is mended and played again; held against a baseline, somebody looks at it first.
    against_baseline = summary.gate is not None or any(map(_has_baseline, run.files))
    if outcomes[Outcome.FAILED] and not against_baseline:
        return _played_again(run.paths, options, "--lf")

    # What passed becomes the baseline, unless it was only made up: then it is played for real.
    if summary.simulated and not against_baseline:
        live = {**options, "simulate": False, "faults": None}
        return None if recording is not None else _played_again(run.paths, live)
    return command_line("review" if against_baseline else "accept", folder)


def _played_again(paths: Sequence[str], options: Mapping[str, Json], *more: str) -> str | None:
    """Return the command with all options that hold: caps and checks too, or it would be another run."""
    kept = as_arguments(RunRequest, options, defaults=_defaults(paths))
    return play_line(paths, *kept, *(each for each in more if each not in kept))


def _defaults(paths: Sequence[str]) -> JsonObject:
    """Return the options that hold where none is given: those of the project file, where there is one."""
    try:
        project = find_project_file(paths)
        return saved_options(build(RunRequest, {}, defaults(project, RunRequest) if project else {}))
    except InputError:
        return saved_options(RunRequest())  # it was another file when the run was started


def _raised(stopped: str) -> Sequence[str]:
    """Return twice the cap that has stopped the run: under the same one it would stop again at once.

    Of money it is at least what was spent with what the next request may cost, as the reason has it.
    """
    if found := _REQUESTS.search(stopped):
        return ("--max-requests", str(2 * int(found[1])))
    if found := _COST.search(stopped):
        cap, spent, following = map(Decimal, found.groups())
        least = (spent + following + _CENT).quantize(_CENT)
        return ("--max-cost", f"{max(2 * cap, least):f}")
    return ()


def _has_news(gate: Gate) -> bool:
    return bool(gate.gone) or any(each.standing != "same" or each.reworded for each in gate.cases)


def _has_baseline(path: str) -> bool:
    return baseline_path(path).is_file()
