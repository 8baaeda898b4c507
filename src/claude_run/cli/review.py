"""`review`: the replies that changed since the baseline, one at a time, each accepted or not by one key."""

from __future__ import annotations

import os
import sys
import termios
import tty
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claude_run.cli.accept import by_file, refuse_in_ci
from claude_run.cli.sides import side_of_played
from claude_run.cli.talk import complain, say, say_json
from claude_run.errors import InputError, StorageError
from claude_run.record.baseline import Baseline, baseline_path, read_baseline, write_baseline
from claude_run.record.derive import read_played
from claude_run.record.folder import RunFolder, latest
from claude_run.report.text.console import colour_wanted
from claude_run.report.text.diff import print_reply_diff
from claude_run.text.strict_json import read_json
from claude_run.text.visible import count
from claude_run.verdict.contest import typical

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from claude_run.cli.wiring import World
    from claude_run.conversation.attempt import Attempt

_REJECTED = "review.json"
_HELP = "a accept, r reject, s skip, o show both whole, q quit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One conversation whose replies are no longer those of the baseline, or that is new in it."""

    path: str
    id: str
    name: str
    before: tuple[Attempt, ...]
    after: tuple[Attempt, ...]

    def texts(self) -> Iterator[tuple[int, str, str]]:
        """Yield turn, accepted reply and new reply of the turns that differ."""
        old, new = typical(self.before, passed=True), typical(self.after, passed=True)
        before, after = old.replies if old else (), new.replies if new else ()
        for index in range(max(len(before), len(after))):
            left = before[index] if index < len(before) else ""
            right = after[index] if index < len(after) else ""
            if left != right:
                yield index + 1, left, right


def review(run: Path | None, world: World, *, pending: bool, as_json: bool) -> int:
    """Walk the changes; `pending` only lists them. Returns 0 when none is left, 1 otherwise."""
    folder = RunFolder.open(run or latest())
    played = read_played(folder)
    attempts = side_of_played(played, name="").attempts
    rejected = _read_rejected(folder)
    changes = [change for change in _changes(attempts) if change.id not in rejected]
    for stale in _stale(attempts):
        complain(f"stale: {stale}: in the baseline, but not in this run; accept a whole run to drop it")
    if pending or as_json:
        _list(changes, as_json=as_json)
        return int(bool(changes))
    refuse_in_ci()
    if not sys.stdin.isatty():
        raise InputError("review asks for a key: run it in a terminal, or list what is open with --pending")
    return _walk(folder, changes, Desk(world=world, simulated=played.summary.simulated))


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where accepted replies are written, and whether they are those of the simulator."""

    world: World
    simulated: bool


def _walk(folder: RunFolder, changes: Sequence[Change], desk: Desk) -> int:
    colour = colour_wanted("auto", os.environ, isatty=sys.stderr.isatty())
    left = len(changes)
    for number, change in enumerate(changes, start=1):
        score = f"{_score(change.before)} -> {_score(change.after)}"
        complain("", f"{number}/{len(changes)}  {change.id}  {score}")
        for turn, before, after in change.texts():
            complain(f"turn {turn}")
            print_reply_diff(before, after, stream=sys.stderr, colour=colour)
        key = _ask(change)
        if key == "q":
            break
        if key == "a":
            _accept(change, desk)
        elif key == "r":
            _reject(folder, change)
        left -= key in "ar"
    complain(f"{count(left, 'change')} left open" if left else "nothing is left open")
    return int(left > 0)


def _ask(change: Change) -> str:
    while True:
        key = _key(_HELP)
        if key == "o":
            _open(change)
        elif key in "arsq":
            return key


def _key(prompt: str) -> str:
    """Ask for one key press, and forget those before it; Ctrl-C and Ctrl-D quit."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        complain(prompt)
        return os.read(descriptor, 1).decode("ascii", "replace").lower().replace("\x04", "q") or "q"
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _open(change: Change) -> None:
    for turn, before, after in change.texts():
        shown = (f"== turn {turn}, accepted", before, "", f"== turn {turn}, now", after, "")
        for line in "\n".join(shown).split("\n"):
            say(line)


def _accept(change: Change, desk: Desk) -> None:
    target = baseline_path(change.path)
    first = change.after[0]
    known: tuple[Attempt, ...] = ()
    simulated = desk.simulated
    if target.exists():
        baseline = read_baseline(target, scenario_path=change.path)
        known, simulated = baseline.attempts, baseline.simulated or simulated
    kept = tuple(attempt for attempt in known if attempt.identity.name_in_scenario != change.name)
    shown = tuple(
        replace(attempt, identity=replace(attempt.identity, path=change.path)) for attempt in change.after
    )
    write_baseline(
        desk.world.disk,
        target,
        Baseline(
            scenario=first.identity.scenario,
            path=change.path,
            accepted_at=desk.world.clock.now(),
            simulated=simulated,
            attempts=(*kept, *shown),
        ),
    )


def _reject(folder: RunFolder, change: Change) -> None:
    folder.write_json(_REJECTED, sorted({*_read_rejected(folder), change.id}))


def _read_rejected(folder: RunFolder) -> frozenset[str]:
    path = folder.path / _REJECTED
    try:
        return frozenset(map(str, read_json(path.read_bytes()))) if path.exists() else frozenset()
    except (ValueError, TypeError) as error:
        raise StorageError(
            f"{path} is damaged: {error}; remove it, and reject those changes again"
        ) from error


def _list(changes: Sequence[Change], *, as_json: bool) -> None:
    if not as_json:
        for change in changes:
            say(f"{change.id}  {_score(change.before)} -> {_score(change.after)}")
        return
    say_json(
        [
            {
                "id": change.id,
                "path": change.path,
                "accepted": _score(change.before),
                "now": _score(change.after),
                "turns": [
                    {"turn": turn, "accepted": before, "now": after} for turn, before, after in change.texts()
                ],
            }
            for change in changes
        ]
    )


def _changes(attempts: Sequence[Attempt]) -> Iterator[Change]:
    for path, rows in by_file(attempts).items():
        accepted = _accepted(path)
        # What could not be measured says nothing to accept.
        measured = [row for row in rows if row.passed is not None]
        for name in dict.fromkeys(row.identity.name_in_scenario for row in measured):
            after = tuple(row for row in measured if row.identity.name_in_scenario == name)
            before = tuple(row for row in accepted if row.identity.name_in_scenario == name)
            change = Change(path=path, id=after[0].identity.case_name, name=name, before=before, after=after)
            if not before or any(change.texts()) or _score(before) != _score(after):
                yield change


def _stale(attempts: Sequence[Attempt]) -> Iterator[str]:
    for path, rows in by_file(attempts).items():
        played = {row.identity.name_in_scenario for row in rows}
        yield from sorted(
            {row.identity.case_name for row in _accepted(path) if row.identity.name_in_scenario not in played}
        )


def _accepted(path: str) -> tuple[Attempt, ...]:
    target = baseline_path(path)
    return read_baseline(target, scenario_path=path).attempts if target.exists() else ()


def _score(attempts: Sequence[Attempt]) -> str:
    measured = [attempt for attempt in attempts if attempt.passed is not None]
    return f"{sum(attempt.passed is True for attempt in measured)}/{len(measured)}" if measured else "new"
