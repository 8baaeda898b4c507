"""The end of every command on a run: derived files, the closing block, the exit code."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.cli.gate import exit_code_of
from claude_run.cli.talk import command_runner, say_json
from claude_run.errors import ExitCode, StorageError
from claude_run.record.derive import read_played, write_derived
from claude_run.report.run.facts import RunFacts
from claude_run.report.run.formats import FILES, render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from claude_run.cli.options import RunOptions
    from claude_run.cli.terminal import Terminal
    from claude_run.record.derive import Played
    from claude_run.record.folder import RunFolder
    from claude_run.record.redact import Redactor
    from claude_run.verdict.contest import Contest


DERIVED: Mapping[str, Callable[[Played], Iterable[bytes]]] = {name: partial(render, name) for name in FILES}
"""The files for people, each made from what the journal tells."""


def finish(folder: RunFolder, terminal: Terminal, options: RunOptions, contest: Contest | None = None) -> int:
    """Write every derived file anew from the journal, say how the run ended, and return its exit code."""
    played = read_played(folder)
    write_derived(folder, played)
    comparison: str | None = None
    if contest is not None:
        from claude_run.report.compare.markdown import contest_markdown  # noqa: PLC0415 - rarely needed

        comparison = contest_markdown(contest)
    facts = RunFacts.of(played, comparison=comparison)
    for name in FILES:
        folder.write(name, render(name, played, facts=facts))
    if contest is not None and comparison is not None:
        folder.write("comparison.md", [comparison.encode()])
        if not options.quiet or exit_code_of(contest, options.gate) is not ExitCode.PASSED:
            terminal.print_contest(contest)
    if options.junit is not None:
        _write(options.junit, folder.redactor.data(b"".join(render("junit", played, facts=facts))))
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
        _write(Path(target), redactor.data(b"".join(render("github", played, facts=facts))), append=True)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from claude_run.report.run.github import error_annotations  # noqa: PLC0415 - only GitHub needs it

        for line in error_annotations(played, facts):
            command_runner(line)


def _write(path: Path, data: bytes, *, append: bool = False) -> None:
    try:
        with path.open("ab" if append else "wb") as file:
            file.write(data)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
