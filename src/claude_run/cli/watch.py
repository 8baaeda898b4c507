"""`run --watch`: a round, then a wait for a save or a key, until its user has seen enough."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from claude_run.cli.commands import observer
from claude_run.cli.output import print_error, print_next
from claude_run.cli.terminal import Keys, Terminal, single_keys
from claude_run.cli.write_reports import finish, refuse_unwritable
from claude_run.errors import ClaudeRunError, ExitCode, InputError
from claude_run.process import is_in_ci
from claude_run.report.run.watching import HELP, waiting_line
from claude_run.session.watch import Watching, names_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from claude_run.cli.options import OutputOptions, PlanOptions
    from claude_run.session.play import RunResult
    from claude_run.session.prepare import Prepared
    from claude_run.session.request import RunRequest
    from claude_run.session.world import World

_LOOK_S = 0.2
"""How long between two looks at the files. What is written in between is one save."""

_SAVE = ""
_NAMED = 3  # files that a line names
_LINE = "names a line, and lines move while you write: select the case by -k instead"
_LF = "plays what failed before: leave it out, and press f; with --reuse RUN what that recorded costs nothing"


def watch(ask: Callable[[], RunRequest], output: OutputOptions, plan: PlanOptions, world: World) -> int:
    """Play, and go on after saves and keys; return the exit code of the last round.

    InputError where nobody sits before it, and for options that are for one run. KeyboardInterrupt for a
    signal while it waits.
    """
    session = Watching(ask, world)
    _refuse(session.request, output, plan)
    refuse_unwritable(output)
    prepared = session.start((lambda _line: None) if output.quiet else print_error)
    # What is typed during a round is neither shown nor heard.
    with single_keys(world.signals) as keys:
        return _play_on(session, prepared, keys, output, world)


def _play_on(session: Watching, prepared: Prepared, keys: Keys, output: OutputOptions, world: World) -> int:
    result: RunResult | None = None
    told: tuple[str, ...] = ()
    while True:
        # A round, as any run is played and told.
        watcher = observer(output)
        if prepared.warnings != told:
            told = prepared.warnings
            for warning in told:
                watcher.warn(warning)
        try:
            played = asyncio.run(session.play(prepared, watcher))
            try:
                code = finish(played, output, goes_on=True)
            finally:
                session.settle(played)
            result = played
        except ClaudeRunError as error:
            # What an edit brought, or the disk, may be mended while it waits; the first round is any run.
            if result is None or error.exit_code is ExitCode.BUG:
                raise
            print_error("", *error.told)
            code = int(error.exit_code)
        # Ctrl-C has stopped the round, and no more; any other signal, and a second one, ends the command.
        if not world.signals.forgive():
            _say_what_follows(session, result, output)
            return code

        # What is played next, if anything is.
        with world.signals.raised():
            following = _following(session, keys, output)
        if following is None:
            _say_what_follows(session, result, output)
            return code
        prepared, line = following
        print_error("", line)


def _refuse(request: RunRequest, output: OutputOptions, plan: PlanOptions) -> None:
    """Raise InputError where --watch makes no sense, with what to do instead."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("--watch asks for keys: run it in a terminal, or leave it out to play once")
    if is_in_ci():
        raise InputError("--watch waits for a person, and CI is set: leave it out to play once")
    once = "describes one run: leave it out, or play once without --watch"
    others = {
        "--json": (output.json, once),
        "--dry-run": (plan.dry_run, "plays nothing: leave one of the two out"),
        "--list": (plan.list_only, "plays nothing: leave one of the two out"),
        "--batch": (request.batch, "may take a day: leave one of the two out"),
        "--shard": (request.shard is not None, "is for several machines: select by -k or --tag instead"),
        "-o": (request.out is not None, "names the folder of one run, and --watch plays many: leave it out"),
        "--lf": (request.last_failed, _LF),
        **{path: (True, _LINE) for path in request.paths if names_line(path)},
    }
    for flag, (is_given, why) in others.items():
        if is_given:
            raise InputError(f"{flag} cannot go with --watch, it {why}")


def _following(session: Watching, keys: Keys, output: OutputOptions) -> tuple[Prepared, str] | None:
    """Wait for what is to be played next, with a line that says so; None where the user quits."""
    refused: tuple[str, ...] = ()
    keys.forget()
    _say_how_it_stands(session, output)
    while (key := _key_or_save(session, keys)) != "q":
        try:
            prepared, line = _planned(session, key)
        except ClaudeRunError as error:
            # What `check` would say, once; nothing is lost, and the next save may mend it.
            if key == _SAVE and error.lines == refused:
                continue
            refused = error.lines
            print_error("", *error.told)
        else:
            gone, session.gone = session.gone, ()
            for path in gone:
                print_error("", f"{path} is played no more: it is gone, or no scenario")
            if prepared is not None:
                return prepared, line
            if line:
                print_error("", line)
            # A save may only have taken back what could not be played.
            if key != _SAVE or not (refused or gone):
                continue
            refused = ()
        _say_how_it_stands(session, output)
    return None


def _key_or_save(session: Watching, keys: Keys) -> str:
    """Wait for a key, or for a save, which is none."""
    while not (key := keys.pressed(_LOOK_S)):
        if session.was_saved():
            return _SAVE
    return key


def _planned(session: Watching, key: str) -> tuple[Prepared | None, str]:
    """Return what a save or a key asks for, and what is said of it; None where nothing is to be played."""
    if key == _SAVE:
        prepared = session.saved()
        files = [] if prepared is None else list(prepared.plan.files)
        named = f"{', '.join(files[:_NAMED])}{', ...' if len(files) > _NAMED else ''}"
        return prepared, f"playing {named}" if files else ""
    if key in {"a", "\n", "\r"}:
        return session.all(), "playing all again"
    if key == "f":
        prepared = session.only_failed()
        nothing = "nothing failed when it was played last"
        return prepared, nothing if prepared is None else "playing what failed"
    if key in {"h", "?"}:
        print_error(*HELP)
    return None, ""


def _say_what_follows(session: Watching, result: RunResult | None, output: OutputOptions) -> None:
    if result is not None and not output.quiet:
        print_next(session.next_command(result))


def _say_how_it_stands(session: Watching, output: OutputOptions) -> None:
    if not output.quiet:
        request = session.request
        spent = None if request.simulate or request.replay else session.spent_usd
        line = waiting_line(files=session.watched, failed=session.failed, spent_usd=spent)
        Terminal.of(output).print_waiting(line)
