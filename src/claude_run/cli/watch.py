"""`run --watch`: a round, then a wait for a save or a key, until its user has seen enough."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from claude_run.cli.commands import observer
from claude_run.cli.output import print_error, print_next
from claude_run.cli.terminal import Terminal, single_keys
from claude_run.cli.write_reports import finish, refuse_unwritable
from claude_run.errors import ClaudeRunError, InputError
from claude_run.process import is_in_ci
from claude_run.report.run.watching import HELP, waiting_line
from claude_run.session.watch import Watching

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
_LF = "plays what failed before: leave it out, and press f; with --reuse RUN what that recorded costs nothing"


def watch(ask: Callable[[], RunRequest], output: OutputOptions, plan: PlanOptions, world: World) -> int:
    """Play, and go on after saves and keys; return the exit code of the last round.

    InputError where nobody sits before it, and for options that are for one run. KeyboardInterrupt for a
    signal while it waits.
    """
    session = Watching(ask, world)
    _refuse(session.request, output, plan)
    refuse_unwritable(output)
    tell = (lambda _line: None) if output.quiet else print_error
    prepared = session.start(tell)
    told: tuple[str, ...] = ()
    while True:
        # A round, as any run is played and told.
        watcher = observer(output)
        if prepared.warnings != told:
            told = prepared.warnings
            for warning in told:
                watcher.warn(warning)
        result = asyncio.run(session.play(prepared, watcher))
        code = finish(result, output, goes_on=True)
        session.settle(result)
        # Ctrl-C has stopped the round, and no more; any other signal, and a second one, ends the command.
        if not world.signals.forgive():
            _say_what_follows(session, result, output)
            return code

        # What is played next, if anything is.
        with world.signals.raised():
            following = _following(session, output)
        if following is None:
            _say_what_follows(session, result, output)
            return code
        prepared = following


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
    }
    for flag, (is_given, why) in others.items():
        if is_given:
            raise InputError(f"{flag} cannot go with --watch, it {why}")


def _following(session: Watching, output: OutputOptions) -> Prepared | None:
    """Wait for what is to be played next; None where the user quits."""
    refused: tuple[str, ...] = ()
    # Keys are taken before anybody is told of them.
    with single_keys() as pressed:
        _say_how_it_stands(session, output)
        while (key := _key_or_save(session, pressed)) != "q":
            try:
                prepared = _planned(session, key)
            except ClaudeRunError as error:
                # What `check` would say, once; nothing is lost, and the next save may mend it.
                if key == _SAVE and error.lines == refused:
                    continue
                refused = error.lines
                print_error("", f"{error.prefix}{refused[0]}", *refused[1:])
            else:
                if prepared is not None:
                    return prepared
                # A save may only have taken back what could not be played.
                if not refused or key != _SAVE:
                    continue
                refused = ()
            _say_how_it_stands(session, output)
    return None


def _key_or_save(session: Watching, pressed: Callable[[float], str]) -> str:
    """Wait for a key, or for a save, which is none."""
    while not (key := pressed(_LOOK_S)):
        if session.was_saved():
            return _SAVE
    return key


def _planned(session: Watching, key: str) -> Prepared | None:
    """Return what a save or a key asks for; None where that is nothing to be played."""
    if key == _SAVE:
        prepared = session.saved()
        if prepared is not None:
            files = list(prepared.plan.files)
            print_error("", f"playing {', '.join(files[:_NAMED])}{', ...' if len(files) > _NAMED else ''}")
        return prepared
    if key in {"a", "\n", "\r"}:
        print_error("", "playing all again")
        return session.all()
    if key == "f":
        prepared = session.only_failed()
        print_error(
            "", "nothing failed when it was played last" if prepared is None else "playing what failed"
        )
        return prepared
    if key in {"h", "?"}:
        print_error(*HELP)
    return None


def _say_what_follows(session: Watching, result: RunResult, output: OutputOptions) -> None:
    if not output.quiet:
        print_next(session.next_command(result))


def _say_how_it_stands(session: Watching, output: OutputOptions) -> None:
    if not output.quiet:
        request = session.request
        spent = None if request.simulate or request.replay else session.spent_usd
        line = waiting_line(files=session.watched, failed=session.failed, spent_usd=spent)
        Terminal.of(output).print_waiting(line)
