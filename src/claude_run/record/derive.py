"""Everything of a run that is derived from its journal: read back, written anew, and checked against it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from claude_run.conversation.results import Outcome
from claude_run.conversation.sample import Sample
from claude_run.conversation.usage import total
from claude_run.record import transcripts
from claude_run.record.history import CUT_OFF, read_history
from claude_run.record.journal import read_lines, torn_bytes
from claude_run.record.summary import Ending, Gate, RunSummary, summarize
from claude_run.record.transcripts import Record
from claude_run.scenario.model import turn_number
from claude_run.text.strict_json import plain_json, read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

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


def read_samples(folder: RunFolder) -> tuple[Sample, ...]:
    """Return the samples of a run in the order of its plan; conversations never started are left out.

    `transcripts.jsonl` says the same as the journal and is read several times as fast. It is trusted only
    where it was written after the journal's last line and has a line for each planned conversation.
    """
    planned = len(folder.read_run().conversations)
    # The short way; a file that was changed by hand into something else does not count.
    try:
        if folder.transcripts.stat().st_mtime_ns >= folder.journal.stat().st_mtime_ns:
            lines = [read_json(line) for line in folder.transcripts.read_bytes().split(b"\n") if line]
            if len(lines) == planned:
                started = (line for line in lines if line["outcome"] != Outcome.SKIPPED)
                return tuple(map(transcripts.sample_from_json, started))
    except (OSError, KeyError, TypeError, ValueError, ArithmeticError):
        pass
    # The long way, for the journal is the truth.
    found = (record.transcript for record in read_played(folder).records)
    played = (each for each in found if each is not None and each.outcome is not Outcome.SKIPPED)
    return tuple(map(Sample.of, played))


def problems(folder: RunFolder, derived: Mapping[str, Callable[[Played], Iterable[bytes]]]) -> Iterator[str]:
    """Yield what is wrong with a run folder; StorageError when its journal cannot be read at all.

    `derived` makes the content of further derived files, by name.
    """
    # The journal itself, and what it tells of money that may have been spent for nothing.
    yield from _journal_problems(folder)
    yield from _history_problems(folder)
    # Each derived file against what the journal says now.
    played = read_played(folder)
    everything: dict[str, Iterable[bytes]] = {
        "transcripts.jsonl": transcripts.lines(played.records),
        "summary.json": [plain_json(played.summary.to_json(), indent=2).encode() + b"\n"],
        **{name: make(played) for name, make in derived.items()},
    }
    for name, parts in everything.items():
        yield from _file_problems(folder, name, parts)
    # The bookkeeping: the summary adds up conversations, this their replies.
    usage = total(
        exchange.reply.usage
        for record in played.records
        if record.transcript
        for exchange in record.transcript.exchanges
    )
    if usage != played.summary.totals.usage:
        yield "the usage totals are not the sum of the replies' usage: a bug of claude-run, please report it"


def _journal_problems(folder: RunFolder) -> Iterator[str]:
    torn = torn_bytes(folder.journal)
    if torn:
        yield (
            f"journal.jsonl ends in a torn line of {torn} bytes, whose request may be sent again:"
            f" `claude-run resume {folder.path}` sets it aside and goes on"
        )
    for expected, line in enumerate(read_lines(folder.journal)):
        if line.value.get("seq") != expected:
            yield (
                f"journal.jsonl:{line.number}: here belongs seq {expected}, not {line.value.get('seq')}:"
                " lines were removed, added or moved, so replies may be lost; restore the file from a backup"
            )
            return


def _history_problems(folder: RunFolder) -> Iterator[str]:
    history = read_history(folder.journal)
    if history.ending is CUT_OFF:
        yield f"the run was cut off before its end: `claude-run resume {folder.path}` goes on with it"
    for attempt in history.uncertain():
        cost = attempt.worst_cost_usd
        worst = "an unknown price" if cost is None else f"{cost:.6f} USD"
        yield (
            f"{attempt.conversation_id}: attempt {attempt.n} at turn {turn_number(attempt.turn)},"
            f" sent {attempt.at}, brought no reply and may have been billed, at most {worst}: look it up in"
            " the usage report of the API's console; until then it counts as spent"
        )


def _file_problems(folder: RunFolder, name: str, parts: Iterable[bytes]) -> Iterator[str]:
    try:
        found = (folder.path / name).read_bytes()
    except OSError:
        yield f"{name} is missing: `claude-run report {folder.path}` makes it"
        return
    if found != b"".join(parts):
        yield f"{name} differs from the journal: `claude-run report {folder.path}` makes it anew"
