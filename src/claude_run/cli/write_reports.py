"""The end of every command on a run: derived files, the closing block, the exit code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.cli.output import print_json, print_next, print_workflow_command, workflow_folder
from claude_run.cli.terminal import Terminal
from claude_run.errors import StorageError
from claude_run.report.run.facts import RunFacts
from claude_run.report.run.formats import FILES, PAGE, render, render_page
from claude_run.session.next_command import next_command
from claude_run.session.results import write_files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from claude_run.cli.options import OutputOptions
    from claude_run.session.play import RunResult


def finish(result: RunResult, output: OutputOptions, *, aside: bool = False, goes_on: bool = False) -> int:
    """Write every derived file anew from the journal, say how the run ended, and return its exit code.

    That stands on stderr where stdout is for something else: for JSON, or with `aside` for another result.
    Where the command `goes_on`, none is named that may follow it.
    """
    played = result.played
    terminal = Terminal.of(output, aside=aside or output.json)
    facts = RunFacts.of(played)
    files = {name: render(name, played, facts=facts) for name in FILES}
    redacted = output.redact if output.page else redacted_before(result)
    if redacted is not None:
        files[PAGE] = page_parts(result, redacted=redacted, facts=facts)
    write_files(result, files)

    # Files that somebody else names.
    if output.junit is not None:
        _write(output.junit, b"".join(render("junit", played, facts=facts)))
    if output.comment is not None:
        _write(output.comment, b"".join(render("comment", played, facts=facts)))
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
    if not output.quiet and not goes_on:
        print_next(next_command(result))
    return int(played.summary.exit_code)


def redacted_before(result: RunResult) -> bool | None:
    """Return whether the page that a run has leaves out what was said; None where it has no page."""
    from claude_run.report.run.html import is_redacted  # noqa: PLC0415 - only a run with a page needs it

    try:
        with (result.folder.path / PAGE).open("rb") as file:
            return is_redacted(file.readline() + file.readline())
    except OSError:
        return None


def page_parts(result: RunResult, *, redacted: bool, facts: RunFacts | None = None) -> Iterable[bytes]:
    """Return the content of the page of a run, piece by piece."""
    return render_page(result.played, facts=facts or RunFacts.of(result.played), redacted=redacted)


def refuse_unwritable(output: OutputOptions) -> None:
    """Raise StorageError for a report that could not be written once everything is paid."""
    for path in filter(None, (output.junit, output.comment)):
        _write(path, b"", append=True)


def _write(path: Path, data: bytes, *, append: bool = False) -> None:
    try:
        with path.open("ab" if append else "wb") as file:
            file.write(data)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
