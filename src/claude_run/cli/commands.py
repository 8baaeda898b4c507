"""The short commands: what each prints of what its use case brought."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import TYPE_CHECKING

from claude_run.cli.output import (
    print_error,
    print_json,
    print_line,
    print_lines,
    print_next,
)
from claude_run.cli.terminal import Terminal, ask_key
from claude_run.cli.write_reports import page_parts, redacted_before
from claude_run.errors import ExitCode, InputError, StorageError
from claude_run.process import is_in_ci
from claude_run.report.run.facts import RunFacts
from claude_run.report.run.formats import FILES, PAGE, drafts, get_ready, render, sections
from claude_run.report.text.numbers import usd
from claude_run.session import baselines, connect, project, results
from claude_run.session.next_command import awaits_fresh, play_line
from claude_run.session.play import RunObserver, RunResult
from claude_run.session.request import ResumeRequest
from claude_run.text.visible import count

if TYPE_CHECKING:
    from pathlib import Path

    from claude_run.cli.options import (
        AcceptOptions,
        FolderArgument,
        MergeOptions,
        OutputOptions,
        SimulateOptions,
    )
    from claude_run.session.request import RunRequest
    from claude_run.session.world import World


def observer(output: OutputOptions) -> RunObserver:
    """Return who watches a run: the terminal, as the options want it."""
    progress = Terminal.of(output).progress()

    def warn(line: str) -> None:
        if not output.quiet:
            progress.notify(line)

    return RunObserver(
        progress=progress,
        notify=progress.notify,
        warn=warn,
        sections=sections(page=output.page, redacted=output.redact),
        get_ready=get_ready,
        drafts=drafts(page=output.page, redacted=output.redact),
    )


def verify(path: Path | None, world: World) -> int:
    """Print what is wrong, a line each; exit code 3 when anything is."""
    found = results.verify_run(path, {name: partial(render, name) for name in FILES}, world)
    for problem in found.problems:
        print_lines([problem])
    totals = found.result.played.summary.totals
    conversations = count(totals.conversations, "conversation")
    replies = count(totals.replies, "reply", plural="replies")
    judges = RunFacts.of(found.result.played).judges
    money = f"{usd(totals.cost_usd)}{f', {judges}' if judges else ''}, uncertain {usd(totals.uncertain_usd)}"
    verdict = count(len(found.problems), "problem") if found.problems else "whole"
    print_lines([f"{found.result.folder.path}: {conversations}, {replies}, {money}: {verdict}"])
    return int(ExitCode.NOT_MEASURED if found.problems else ExitCode.PASSED)


def read_run(path: Path | None, output: OutputOptions, world: World) -> RunResult:
    """Read a run whose files are about to be written anew, and say which one it is."""
    result = results.read_run(path, world, sections(page=output.page, redacted=output.redact))
    print_error(f"run {result.folder.path}")
    world.signals.postpone()
    return result


def merge(merged: MergeOptions, out: Path | None, output: OutputOptions, world: World) -> RunResult:
    """Merge shards into a run, and say which one that is; go on with it where that is wanted and of use."""
    from claude_run.session import merge as merging  # noqa: PLC0415 - no other command reads options again
    from claude_run.session.run import resume  # noqa: PLC0415 - same

    made = sections(page=output.page, redacted=output.redact)
    result = asyncio.run(merging.merge(merged.runs, out, world, made))
    print_error(f"run {result.folder.path}")
    if merged.resume and awaits_fresh(result):
        going_on = resume(result.folder.path, ResumeRequest(), {}, observer=observer(output), world=world)
        return asyncio.run(going_on)
    world.signals.postpone()
    return result


def open_page(path: Path | None, world: World) -> int:
    """Show the page of a run, made anew where the run went on since, in the browser; print where it is."""
    import webbrowser  # noqa: PLC0415 - no other command opens one

    result = results.read_run(path, world)
    print_error(f"run {result.folder.path}")
    page = (result.folder.path / PAGE).absolute()
    if not page.exists() or page.stat().st_mtime < result.folder.journal.stat().st_mtime:
        try:
            result.folder.write(PAGE, page_parts(result, redacted=redacted_before(result) or False))
        except StorageError as error:
            # Where nobody may write, a page is there as a rule, and the journal of a copy only looks newer.
            if not page.exists():
                raise
            print_error(f"warning: the page is shown as it is: {error}")
    print_line(str(page))
    if not is_in_ci() and not webbrowser.open(page.as_uri()):
        print_error("no browser could be opened: open that file by hand")
    return 0


def accept(path: Path | None, options: AcceptOptions, world: World) -> int:
    """Say what was written; InputError in CI, and where failures need a yes that nobody can give."""
    baselines.refuse_reason(options.reason, world)
    found = baselines.acceptable(path, world)
    print_error(f"run {found.result.folder.path}")
    if found.failed and not options.with_failures:
        names = ", ".join(found.failed[:3]) + (", ..." if len(found.failed) > 3 else "")  # noqa: PLR2004
        failed = f"{count(len(found.failed), 'conversation')} failed: {names}"
        if not sys.stdin.isatty():
            raise InputError(f"{failed}; pass --with-failures to accept them as they are")
        print_error(failed)
        if ask_key("accept them as they are? y, or any other key for no", world.signals) != "y":
            print_error("nothing was accepted")
            return int(ExitCode.FAILED)
    world.signals.postpone()
    for line in baselines.accept(found, world, reason=options.reason):
        print_line(line)
    return 0


def schema(request: RunRequest) -> int:
    """Print the schema on stdout."""
    print_json(project.scenario_schema(request.own_checks))
    return 0


def simulate(options: SimulateOptions, request: RunRequest, machine: World) -> int:
    """Serve until a signal ends it; the address is the one line on stdout, so that a script can read it."""

    def ready(url: str) -> None:
        print_line(url)
        print_error(
            "simulating the Messages API: every reply is made up. Point a client at it with"
            f" ANTHROPIC_BASE_URL={url} and any key; stop with Ctrl-C"
        )

    faults = request.faults or ""
    asyncio.run(
        connect.simulate(
            options.paths, port=options.port, faults=faults, ready=ready, notify=print_error, world=machine
        )
    )
    return 0


def init(options: FolderArgument) -> int:
    """Say what was written, and what to try first."""
    folder = options.folder
    if options.ci is not None:
        print_line(f"wrote {project.write_workflow(folder, options.ci)}")
        print_error("commit it, and hand the key to the job that plays: a comment in the file says how")
    if options.skill:
        print_line(f"wrote {project.write_skill(folder)}")
    if options.ci is not None or options.skill:
        return 0
    for path in project.start_project(folder):
        print_line(f"wrote {path}")
    print_next(play_line([str(folder / "scenarios" / "first.yaml")], "--simulate"))
    return 0
