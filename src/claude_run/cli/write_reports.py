"""The end of every command on a run: derived files, the closing block, the exit code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.cli.output import print_json, print_next, print_workflow_command, workflow_folder
from claude_run.cli.terminal import Terminal
from claude_run.errors import StorageError
from claude_run.report.run.facts import RunFacts
from claude_run.report.run.formats import FILES, render
from claude_run.session.next_command import next_command
from claude_run.session.results import write_files

if TYPE_CHECKING:
    from claude_run.cli.options import OutputOptions
    from claude_run.session.play import RunResult


def finish(result: RunResult, output: OutputOptions, *, aside: bool = False) -> int:
    """Write every derived file anew from the journal, say how the run ended, and return its exit code.

    That stands on stderr where stdout is for something else: for JSON, or with `aside` for another result.
    """
    played = result.played
    terminal = Terminal.of(output, aside=aside or output.json)
    facts = RunFacts.of(played)
    write_files(result, {name: render(name, played, facts=facts) for name in FILES})

    # Files that somebody else names.
    if output.junit is not None:
        _write(output.junit, b"".join(render("junit", played, facts=facts)))
    step_summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if step_summary:
        _write(Path(step_summary), b"".join(render("github", played, facts=facts)), append=True)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from claude_run.report.run.github import error_annotations  # noqa: PLC0415 - only GitHub needs it

        for line in error_annotations(played, facts, folder=workflow_folder()):
            print_workflow_command(line)

    terminal.print_summary(result, facts)
    if output.json:
        print_json(played.summary.to_json())
    if not output.quiet:
        print_next(next_command(result))
    return int(played.summary.exit_code)


def refuse_unwritable(output: OutputOptions) -> None:
    """Raise StorageError for a report that could not be written once everything is paid."""
    if output.junit is not None:
        _write(output.junit, b"", append=True)


def _write(path: Path, data: bytes, *, append: bool = False) -> None:
    try:
        with path.open("ab" if append else "wb") as file:
            file.write(data)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
