"""Everything of a run that is derived from its journal, read back and written anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claude_run.record import transcripts
from claude_run.record.history import read_history
from claude_run.record.summary import Ending, Gate, RunSummary, summarize
from claude_run.record.transcripts import Record

if TYPE_CHECKING:
    from claude_run.record.folder import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A run as its journal tells it: one record per planned conversation, in the order of the plan."""

    summary: RunSummary
    records: tuple[Record, ...]
    ending: Ending

    def gated(self, gate: Gate) -> Played:
        """Return the run as it stands once a gate has decided it."""
        ending = replace(self.ending, gate=gate)
        summary = summarize(self.summary.run, self.records, ending)
        return Played(summary=summary, records=self.records, ending=ending)


def read_played(folder: RunFolder) -> Played:
    """Read a run folder; StorageError when its journal or `run.json` is missing or damaged."""
    run = folder.read_run()
    history = read_history(folder.journal)
    records = tuple(
        Record(
            planned=planned, transcript=log.transcript() if (log := history.logs.get(planned.id)) else None
        )
        for planned in run.conversations
    )
    return Played(summary=summarize(run, records, history.ending), records=records, ending=history.ending)


def write_derived(folder: RunFolder, played: Played) -> None:
    """Write `transcripts.jsonl` and `summary.json` anew, each at once."""
    folder.write("transcripts.jsonl", transcripts.lines(played.records))
    folder.write_json("summary.json", played.summary.to_json())
