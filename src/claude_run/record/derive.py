"""Everything of a run that is derived from its journal, read back and written anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_run.conversation.events import Started
from claude_run.conversation.transcript import fold
from claude_run.errors import ExitCode, StorageError
from claude_run.record import transcripts
from claude_run.record.codec import decode
from claude_run.record.journal import read_lines
from claude_run.record.summary import Ending, RunSummary, summarize
from claude_run.record.transcripts import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from claude_run.conversation.events import Event
    from claude_run.record.folder import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A run as its journal tells it: one record per planned conversation, in the order of the plan."""

    summary: RunSummary
    records: tuple[Record, ...]


def read_played(folder: RunFolder) -> Played:
    """Read a run folder; StorageError when its journal or `run.json` is missing or damaged."""
    run = folder.read_run()
    events, ending = _read_journal(folder.journal)
    records = tuple(
        Record(planned=planned, transcript=fold(rows) if (rows := events.get(planned.id)) else None)
        for planned in run.conversations
    )
    return Played(summary=summarize(run, records, ending), records=records)


def write_derived(folder: RunFolder, played: Played) -> None:
    """Write `transcripts.jsonl` and `summary.json` anew, each at once."""
    folder.write("transcripts.jsonl", transcripts.lines(played.records))
    folder.write_json("summary.json", played.summary.to_json())


def _read_journal(path: Path) -> tuple[Mapping[str, Sequence[Event]], Ending]:
    events: dict[str, list[Event]] = {}
    ending = Ending(stop=ExitCode.NOT_MEASURED, reason="the run was cut off before its end")
    for line in read_lines(path):
        kind = line.value["event"]
        if kind == "run":
            ending = _ending(line.value) if line.value.get("what") == "ended" else ending
        elif kind != "journal":
            try:
                event = decode(line.value)
            except ValueError as error:
                raise StorageError(f"{path}:{line.number}: {error}") from error
            events.setdefault(event.conversation_id, []).append(event)
    return {name: rows for name, rows in events.items() if isinstance(rows[0], Started)}, ending


def _ending(value: Mapping[str, Any]) -> Ending:
    stop = value.get("stop")
    return Ending(
        stop=None if stop is None else ExitCode(stop),
        reason=value.get("reason"),
        at=value.get("at"),
        duration_s=value.get("duration_s"),
    )
