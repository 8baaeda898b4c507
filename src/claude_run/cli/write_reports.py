"""The end of every command on a run: derived files, the closing block, the exit code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.cli.output import print_json, print_next, print_workflow_command, workflow_folder
from claude_run.cli.terminal import Terminal
from claude_run.errors import ExitCode, StorageError
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
    played, comparison = result.played, result.comparison
    terminal = Terminal.of(output, aside=aside or output.json)

    # The files of the run folder, the comparison with the baseline among them.
    markdown: str | None = None
    if comparison is not None:
        from claude_run.report.compare.markdown import comparison_markdown  # noqa: PLC0415 - rarely needed

        markdown = comparison_markdown(comparison)
    facts = RunFacts.of(played, comparison=markdown)
    rendered = {name: render(name, played, facts=facts) for name in FILES}
    if markdown is not None:
        rendered["comparison.md"] = [markdown.encode()]
    write_files(result, rendered)
    is_compared = comparison is not None and (not output.quiet or result.gate_code is not ExitCode.PASSED)
    if is_compared:
        terminal.print_comparison(result)

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

    terminal.print_summary(result, facts, rules_told=is_compared)
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
