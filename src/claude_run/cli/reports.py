"""The end of every command on a run: derived files, the closing block, the exit code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.cli.gate import exit_code_of
from claude_run.cli.talk import command_runner, say_json
from claude_run.errors import ExitCode, StorageError
from claude_run.record.derive import read_played, write_derived
from claude_run.report.run.facts import RunFacts
from claude_run.report.run.markdown import summary_markdown, transcripts_markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from claude_run.cli.options import RunOptions
    from claude_run.cli.terminal import Terminal
    from claude_run.record.derive import Played
    from claude_run.record.folder import RunFolder
    from claude_run.record.redact import Redactor
    from claude_run.verdict.contest import Contest


_FILES: Mapping[str, Callable[[Played, RunFacts], Iterable[bytes]]] = {
    "transcripts.md": transcripts_markdown,
    "summary.md": summary_markdown,
}
"""The files for people, each made from what the journal tells."""

DERIVED: Mapping[str, Callable[[Played], Iterable[bytes]]] = {
    name: lambda played, make=make: make(played, RunFacts.of(played))  # type: ignore[misc] # binds the loop's
    for name, make in _FILES.items()
}
"""The same, made from the run alone."""


def finish(folder: RunFolder, terminal: Terminal, options: RunOptions, contest: Contest | None = None) -> int:
    """Write every derived file anew from the journal, say how the run ended, and return its exit code."""
    played = read_played(folder)
    write_derived(folder, played)
    comparison = None
    if contest is not None:
        from claude_run.report.compare.markdown import contest_markdown  # noqa: PLC0415 - rarely needed

        comparison = contest_markdown(contest)
    facts = RunFacts.of(played, comparison=comparison)
    for name, make in _FILES.items():
        folder.write(name, make(played, facts))
    if contest is not None and comparison is not None:
        folder.write("comparison.md", [comparison.encode()])
        if not options.quiet or exit_code_of(contest, options.gate) is not ExitCode.PASSED:
            terminal.print_contest(contest)
    if options.junit is not None:
        from claude_run.report.run.junit import junit_xml  # noqa: PLC0415 - rarely needed

        _write(options.junit, folder.redactor.data(b"".join(junit_xml(played, facts))))
    _tell_github(played, facts, folder.redactor)
    terminal.print_summary(played, facts, folder=folder.path)
    if options.json:
        say_json(played.summary.to_json())
    return int(played.summary.exit_code)


def refuse_unwritable(options: RunOptions) -> None:
    """Raise StorageError for a report that could not be written once everything is paid."""
    if options.junit is not None:
        _write(options.junit, b"", append=True)


def _tell_github(played: Played, facts: RunFacts, redactor: Redactor) -> None:
    """Append to the step summary and print annotations where GitHub Actions runs this."""
    target = os.environ.get("GITHUB_STEP_SUMMARY")
    if target:
        from claude_run.report.run.github import step_summary  # noqa: PLC0415 - only GitHub Actions needs it

        _write(Path(target), redactor.data(b"".join(step_summary(played, facts))), append=True)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from claude_run.report.run.annotations import error_annotations  # noqa: PLC0415 - same

        for line in error_annotations(played, facts):
            command_runner(line)


def _write(path: Path, data: bytes, *, append: bool = False) -> None:
    try:
        with path.open("ab" if append else "wb") as file:
            file.write(data)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
