"""The end of every command on a run: derived files, the closing block, the exit code."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.cli.output import print_error, print_json, print_next, print_workflow_command, workflow_folder
from claude_run.cli.terminal import Terminal
from claude_run.errors import StorageError
from claude_run.report.run.facts import RunFacts
from claude_run.report.run.formats import FILES, PAGE, render, render_page
from claude_run.session.next_command import next_command
from claude_run.session.results import write_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from claude_run.cli.options import OutputOptions
    from claude_run.errors import ExitCode
    from claude_run.session.play import RunResult
    from claude_run.session.world import World


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

    # Where a file that somebody else names cannot be written, the verdict is told all the same.
    unwritten = _write_named(result, facts, output)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from claude_run.report.run.github import error_annotations  # noqa: PLC0415 - only GitHub needs it

        for line in error_annotations(played, facts, folder=workflow_folder()):
            print_workflow_command(line)

    terminal.print_summary(result, facts)
    if output.json:
        print_json(played.summary.to_json())
    if not output.quiet and not goes_on:
        print_next(next_command(result))
    if unwritten is not None:
        raise unwritten
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


def comment_failure(path: Path, code: ExitCode, lines: Sequence[str], world: World) -> None:
    """Write the comment of a command that came to nothing: none that tells of another run stays."""
    from claude_run.report.run.github import failure_comment  # noqa: PLC0415 - only a pull request needs it

    # Where it cannot be written, that is as a rule what went wrong, and is told already.
    with suppress(StorageError):
        _write(path, world.redactor.text(failure_comment(code, lines)).encode(errors="backslashreplace"))


def refuse_unwritable(output: OutputOptions) -> None:
    """Raise StorageError for a report that could not be written once everything is paid."""
    for path in filter(None, (output.junit, output.comment)):
        _write(path, b"", append=True)


def _write_named(result: RunResult, facts: RunFacts, output: OutputOptions) -> StorageError | None:
    """Write the reports whose place others name; return why one that was asked for could not be written."""
    unwritten = None
    for path, name in ((output.junit, "junit"), (output.comment, "comment")):
        try:
            if path is not None:
                _write(path, b"".join(render(name, result.played, facts=facts)))
        except StorageError as error:
            # The last one ends the command; one before it is told here.
            if unwritten is not None:
                print_error(*unwritten.told)
            unwritten = error
    # For the summary of a step nobody has asked: without it the run is what it is.
    if step_summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            _write(Path(step_summary), b"".join(render("github", result.played, facts=facts)), append=True)
        except StorageError as error:
            print_error(f"warning: the summary of the step is not there: {error}")
    return unwritten


def _write(path: Path, data: bytes, *, append: bool = False) -> None:
    try:
        with path.open("ab" if append else "wb") as file:
            file.write(data)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
