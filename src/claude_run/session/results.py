"""Runs that were played before: read again, written anew, and whether all of their files are whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.errors import InputError
from claude_run.record import transcripts
from claude_run.record.derive import read_played, verify, write_derived
from claude_run.record.folder import RunFolder, latest
from claude_run.scenario.diagnostics import did_you_mean
from claude_run.session.play import RunResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from claude_run.record.derive import Played, Sections
    from claude_run.record.records import Record
    from claude_run.scenario.json_values import JsonObject
    from claude_run.session.world import World

_NAMED = 10
"""How many conversations are named where more than one may be meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What is wrong with a run folder, in words, and what its journal tells."""

    problems: tuple[str, ...]
    result: RunResult


def read_run(path: Path | None, world: World, sections: Sections | None = None) -> RunResult:
    """Read a run, the latest one without a path; InputError where there is none.

    `sections` make the pieces of the files of reports, which will all be written anew.
    """
    folder = RunFolder.open(path or latest(), disk=world.disk)
    return RunResult(folder=folder, played=read_played(folder, sections))


class UnclearNameError(InputError):
    """More than one conversation may be meant: a line that says so, and one for each of the first."""

    @property
    def lines(self) -> tuple[str, ...]:
        """Its lines."""
        return tuple(map(str, self.args))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownConversation:
    """A run, and the record of the conversation in it that was asked for."""

    result: RunResult
    record: Record

    def to_json(self) -> JsonObject:
        """Return what `transcripts.jsonl` says of it."""
        return transcripts.to_json(self.record.planned, self.record.transcript)


def find_conversation(given: Sequence[str], world: World) -> ShownConversation:
    """Return the conversation that `given` names: a run folder and an id, or one of both.

    Without a folder the latest run is taken, and without an id its only conversation. An id may be a part of
    one, as long as no other has it: whole parts between slashes are looked for first. InputError where none,
    or more than one, is meant.
    """
    *folders, name = given or ("",)
    if len(folders) > 1:
        raise InputError(f"show takes a run and an id: {len(given)} arguments are too many")
    if not folders and (Path(name) / "run.json").exists():
        folders, name = [name], ""
    result = read_run(Path(folders[0]) if folders else None, world)
    records = result.played.records
    found = _named(name, [record.planned.id for record in records])
    if len(found) == 1:
        return ShownConversation(result=result, record=records[found[0]])
    if not found:
        near = did_you_mean(name, (record.planned.id for record in records)) or _near_part(name, records)
        hint = f"did you mean {near!r}?" if near else "`claude-run show` without an id names some"
        raise InputError(f"{result.folder.path} has no conversation {name!r}; {hint}")

    # Several: the first of them, those that did not pass before all others.
    found.sort(key=lambda place: records[place].outcome is Outcome.PASSED)
    named = [f"  {records[place].planned.id}  {records[place].outcome}" for place in found[:_NAMED]]
    more = [f"  and {len(found) - _NAMED:,} more"] if len(found) > _NAMED else []
    which = f"{name!r} names {len(found):,} conversations" if name else "name one of its conversations"
    raise UnclearNameError(f"{result.folder.path}: {which}; a part of an id is enough", *named, *more)


def _named(name: str, ids: Sequence[str]) -> list[int]:
    """Return the places of the ids that a name may mean: the id itself, or those that have it as a part."""
    if name in ids:
        return [ids.index(name)]
    whole = f"/{name.strip('/')}/"
    parts = [place for place, each in enumerate(ids) if not name or whole in f"/{each}/"]
    return parts or [place for place, each in enumerate(ids) if name in each]


def _near_part(name: str, records: Sequence[Record]) -> str | None:
    return did_you_mean(name, dict.fromkeys(part for each in records for part in each.planned.id.split("/")))


def write_files(result: RunResult, rendered: Mapping[str, Iterable[bytes]]) -> None:
    """Write every derived file anew: the transcripts and the summary, and those of reports, by name."""
    write_derived(result.folder, result.played)
    for name, parts in rendered.items():
        result.folder.write(name, parts)


def verify_run(
    path: Path | None, derived: Mapping[str, Callable[[Played], Iterable[bytes]]], world: World
) -> Verified:
    """Compare a run folder with its own journal; `derived` makes the content of the files of reports."""
    folder = RunFolder.open(path or latest(), disk=world.disk)
    played, problems = verify(folder, derived)
    return Verified(problems=problems, result=RunResult(folder=folder, played=played))
