"""From arguments to an exit code: errors become one clear text each, and nothing else escapes."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from typer.exceptions import TyperException

from claude_run.cli.app import COMMANDS, RUN, app
from claude_run.cli.options import BESIDE
from claude_run.cli.talk import complain, redacted_streams
from claude_run.cli.wiring import World
from claude_run.errors import ClaudeRunError, ExitCode, StorageError
from claude_run.record.folder import latest
from claude_run.record.redact import Redactor
from claude_run.scenario.diagnostics import InvalidScenarioError

if TYPE_CHECKING:
    from collections.abc import Sequence

_HELP = {"-h", "--help"}
_ISSUES = "please report it with that file (look through it first: it may quote your prompts)"


def run_command_line(arguments: Sequence[str], world: World | None = None) -> int:
    """Run one command and return the exit code of its process."""
    redactor = Redactor.from_environment(os.environ)
    with redacted_streams(redactor):
        return _run(arguments, redactor, world or World())


def _run(arguments: Sequence[str], redactor: Redactor, world: World) -> int:
    try:
        code = _dispatch(_with_values(_with_command(arguments)), world)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last resort: no traceback is a message
        return int(_explain(error, redactor))
    return code


def _explain(error: BaseException, redactor: Redactor) -> ExitCode:
    """Say on stderr what went wrong, and return the code for it."""
    match error:
        case InvalidScenarioError():
            complain(*error.lines)
            return error.exit_code
        case ClaudeRunError():
            first, *more = error.lines
            complain(f"error: {first}", *more)
            return error.exit_code
        case KeyboardInterrupt():
            complain("interrupted")
            return ExitCode.INTERRUPTED
        case BrokenPipeError():
            _drop_stdout()
            return ExitCode.PASSED
        case OSError():
            _settle_stdout()
            where = f": {error.filename}" if error.filename else ""
            complain(f"error: {error.strerror or error}{where}")
            return StorageError.exit_code
        case _:
            path = _write_details(redactor)
            complain(f"error: this is a bug in claude-run; the details are in {path}: {_ISSUES}")
            return ExitCode.BUG


def _settle_stdout() -> None:
    """Drop what stdout cannot take: a second complaint at exit would be noise, and change the code."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop_stdout()


def _drop_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _dispatch(arguments: Sequence[str], world: World) -> int:
    try:
        result = app(args=list(arguments), standalone_mode=False, prog_name="claude-run", obj=world)
    except typer.Exit as stop:
        return stop.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    except SystemExit:
        raise BrokenPipeError from None  # the one thing that Typer exits for by itself
    except TyperException as error:
        complain(f"error: {error.format_message().rstrip('.')}; see claude-run --help")
        return int(ExitCode.USAGE)
    return int(result or ExitCode.PASSED)


def _with_values(arguments: Sequence[str]) -> Sequence[str]:
    """Fill in the values of `--resume` and `--baseline` where they are left out, which Typer cannot say."""
    result: list[str] = []
    for index, argument in enumerate(arguments):
        result.append(argument)
        following = arguments[index + 1] if index + 1 < len(arguments) else "-"
        # A file is a scenario, to be ignored; a folder without a run must not become some other run.
        if argument == "--resume" and (following.startswith("-") or Path(following).is_file()):
            result.append(str(latest()))
        if argument == "--baseline" and not _is_baseline(following):
            result.append(str(BESIDE))
    return result


def _is_baseline(path: str) -> bool:
    return path.endswith(".baseline.json") or (Path(path) / "run.json").is_file()


def _with_command(arguments: Sequence[str]) -> Sequence[str]:
    """Put `run` in front of arguments that do not begin with a command."""
    if not arguments or arguments[0] in COMMANDS or arguments[0] in _HELP:
        return arguments or ["--help"]
    return [RUN, *arguments]


def _write_details(redactor: Redactor) -> str:
    with tempfile.NamedTemporaryFile("w", prefix="claude-run-bug-", suffix=".txt", delete=False) as file:
        file.write(redactor.text(traceback.format_exc()))
    return file.name
