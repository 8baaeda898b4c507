"""Everything of a run that is derived from its journal: read back, written anew, and checked against it."""

from __future__ import annotations

import hashlib
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from claude_run.conversation.results import Outcome
from claude_run.conversation.sample import Sample
from claude_run.conversation.served import ServedNames
from claude_run.conversation.usage import Usage, total
from claude_run.plan.model_rules import known_names
from claude_run.record import transcripts
from claude_run.record.disk import open_file
from claude_run.record.folder import json_parts
from claude_run.record.history import CUT_OFF, log_of
from claude_run.record.journal import Extent, torn_bytes
from claude_run.record.made_of import MadeOf
from claude_run.record.numbers import Numbers
from claude_run.record.records import Book, Figures, Record, Spool, records_of
from claude_run.record.summary import Ending, RunSummary, summarize
from claude_run.scenario.model import turn_number

Sections: TypeAlias = "Mapping[str, Callable[[Record], bytes]]"
"""What makes the piece of one conversation, by the name of the file that it belongs to."""

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from claude_run.conversation.log import ConversationLog
    from claude_run.conversation.transcript import Transcript
    from claude_run.record.folder import RunFolder
    from claude_run.record.gated import Gate
    from claude_run.record.history import Told
    from claude_run.record.journal import Journal
    from claude_run.record.run import Run
    from claude_run.scenario.json_values import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A run as its journal tells it: one record per planned conversation, in the order of the plan."""

    summary: RunSummary
    records: Sequence[Record]
    ending: Ending
    journal: Extent
    spools: Mapping[str, Spool] = field(default_factory=dict)

    def gated(self, gate: Gate, journal: Extent) -> Played:
        """Return the run as it stands once a gate has decided it, and the journal has taken that down."""
        ending = replace(self.ending, gate=gate)
        summary = summarize(self.summary.run, self.records, ending)
        return replace(self, summary=summary, ending=ending, journal=journal)

    def pieces(self, name: str, make: Callable[[Record], bytes]) -> Iterator[bytes]:
        """Yield the pieces of a derived file, one per record, made anew where they are not there already."""
        spool = self.spools.get(name)
        for record in self.records:
            yield (spool.get(record.planned.id) if spool else None) or make(record)


class Collector:
    """Adds a run up while it is played, and makes the pieces of its files as conversations end.

    `sections` make the pieces of the files of reports, by name. What it gives in the end is what
    `read_played` would read from the journal.
    """

    def __init__(
        self,
        folder: RunFolder,
        journal: Journal,
        run: Run,
        sections: Sections,
    ) -> None:
        self.run = run
        """What is planned; it grows by fresh attempts."""
        self._journal = journal
        self._makers = _pieces(folder, sections)
        # All are numbered before anything is played: what stays lies apart from all that comes and goes.
        numbers = journal.index.numbers
        for planned in run.conversations:
            numbers.of(planned.id)
        self._spools = {name: Spool(folder.path, numbers) for name in self._makers}
        self._figures = Book(numbers)

    def add(self, transcript: Transcript) -> None:
        """Take in a conversation that has ended."""
        name = transcript.started.conversation_id
        self._figures[name] = _add(self._spools, self._makers, transcript)

    def played(self, ending: Ending) -> Played:
        """Return the run as it stands in the journal, now that it has ended so."""
        index = self._journal.index

        def read(name: str) -> Transcript:
            return log_of(index, name).transcript()

        # Of those that began and did not end the journal knows alone.
        for name in index:
            if name not in self._figures:
                self._figures[name] = Figures.of(read(name))
        records = records_of(self.run.conversations, self._figures, read)
        return Played(
            summary=summarize(self.run, records, ending),
            records=records,
            ending=ending,
            journal=self._journal.extent,
            spools=self._spools,
        )


def read_played(folder: RunFolder, sections: Sections | None = None) -> Played:
    """Read a run folder; StorageError when its journal or `run.json` is missing or damaged.

    With `sections` the pieces of its files are made on the way, so that nothing is read twice for them.
    """
    return _read(folder, {} if sections is None else _pieces(folder, sections))[0]


def _read(folder: RunFolder, makers: Sections) -> tuple[Played, Told]:
    run = folder.read_run()
    served = ServedNames(ids=known_names(), allowed=run.allowed_models)
    # What is kept of a conversation is found by its number, so that its name is in memory once.
    numbers = Numbers(each.id for each in run.conversations)
    spools = {name: Spool(folder.path, numbers) for name in makers}

    def add_up(log: ConversationLog) -> Figures:
        transcript = _measured(log.transcript(), served)
        return _add(spools, makers, transcript)

    told = folder.read_told(run, add_up, numbers)
    records = records_of(
        run.conversations,
        told.figures,
        lambda name: _measured(log_of(told.index, name).transcript(), served),
    )
    played = Played(
        summary=summarize(run, records, told.ending),
        records=records,
        ending=told.ending,
        journal=Extent.of(folder.journal, told.lines),
        spools=spools,
    )
    return played, told


def _pieces(folder: RunFolder, sections: Sections) -> Sections:
    """Return what makes the pieces of the files of a run, our own among them."""
    return {folder.transcripts.name: transcripts.line, **sections}


def _add(spools: Mapping[str, Spool], makers: Sections, transcript: Transcript) -> Figures:
    """Make the pieces of a conversation, and return its figures."""
    figures = Figures.of(transcript)
    record = Record(planned=transcript.started.identity, figures=figures, read=lambda: transcript)
    for name, make in makers.items():
        spools[name].add(record.planned.id, make(record))
    return figures


def _measured(transcript: Transcript, served: ServedNames) -> Transcript:
    """Return the transcript, errored where another model answered: an earlier version did not look."""
    model = transcript.started.identity.model
    for turn in transcript.turns if transcript.outcome in {Outcome.PASSED, Outcome.FAILED} else ():
        for exchange in turn.exchanges:
            if (other := served.problem(model, exchange.reply.model)) is not None:
                return replace(transcript, outcome=Outcome.ERRORED, error=other, error_turn=turn.index)
    return transcript


def write_derived(folder: RunFolder, played: Played) -> None:
    """Write `transcripts.jsonl` and `summary.json` anew; the latter says what both are made of."""
    digest = hashlib.sha256()

    def counted() -> Iterator[bytes]:
        for line in played.pieces(folder.transcripts.name, transcripts.line):
            digest.update(line)
            yield line

    folder.write(folder.transcripts.name, counted())
    made_of = _made_of(played, digest)
    folder.write_json(folder.summary.name, _summary(played, made_of))


def read_samples(folder: RunFolder) -> Sequence[Sample]:
    """Return the samples of a run in the order of its plan, without those never started and fresh attempts.

    `transcripts.jsonl` says the same as the journal and is read several times as fast. It is trusted only
    where both are, byte for byte, those that `summary.json` was made with, and so is the plan in `run.json`.
    """
    # Of the plan only its digest stays in memory, while the samples are read.
    run_sha256, made = _plan_digest(folder.read_run()), folder.made_of()
    # The short way; a file of another version, or changed by hand, does not count.
    with suppress(OSError, KeyError, TypeError, ValueError, ArithmeticError):
        if made is not None and made.run_sha256 == run_sha256 and made.journal == Extent.of(folder.journal):
            with open_file(folder.transcripts) as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == made.transcripts_sha256:
                    file.seek(0)
                    return transcripts.SavedLines(folder.transcripts).samples(file)
    # The long way, for the journal is the truth.
    records = read_played(folder).records
    planned = (record for record in records if record.planned.confirm is None)
    played = (record.transcript for record in planned if record.outcome is not Outcome.SKIPPED)
    return tuple(Sample.of(each) for each in played if each is not None)


def verify(
    folder: RunFolder, derived: Mapping[str, Callable[[Played], Iterable[bytes]]]
) -> tuple[Played, tuple[str, ...]]:
    """Read a run folder, and say what is wrong with it; StorageError when its journal cannot be read at all.

    `derived` makes the content of further derived files, by name.
    """
    played, told = _read(folder, {})
    return played, tuple(_problems(folder, played, told, derived))


def _problems(
    folder: RunFolder,
    played: Played,
    told: Told,
    derived: Mapping[str, Callable[[Played], Iterable[bytes]]],
) -> Iterator[str]:
    # The journal itself, and what it tells of money that may have been spent for nothing.
    yield from _journal_problems(folder, told)
    # Each derived file against what the journal says now. The summary adds up conversations, this their
    # replies, as they stand in the transcripts.
    digest, usage = hashlib.sha256(), Usage()

    def lines() -> Iterator[bytes]:
        nonlocal usage
        for record in played.records:
            transcript = record.transcript
            replies = transcript.paid_exchanges if transcript else ()
            usage = total((usage, *(exchange.reply.usage for exchange in replies)))
            line = transcripts.line(Record.of(record.planned, transcript))
            digest.update(line)
            yield line

    yield from _file_problems(folder, folder.transcripts.name, lines())
    summary = json_parts(_summary(played, _made_of(played, digest)))
    yield from _file_problems(folder, folder.summary.name, summary)
    for name, make in derived.items():
        yield from _file_problems(folder, name, make(played))
    if usage != played.summary.totals.usage:
        yield "the usage totals are not the sum of the replies' usage: a bug of claude-run, please report it"


def _made_of(played: Played, transcripts_digest: hashlib._Hash) -> MadeOf:
    return MadeOf(
        run_id=played.summary.run.run_id,
        run_sha256=_plan_digest(played.summary.run),
        journal=played.journal,
        transcripts_sha256=transcripts_digest.hexdigest(),
    )


def _plan_digest(run: Run) -> str:
    digest = hashlib.sha256()
    for part in json_parts(run.to_json()):
        digest.update(part)
    return digest.hexdigest()


def _summary(played: Played, made_of: MadeOf) -> JsonObject:
    return {**played.summary.to_json(), "made_of": made_of.to_json()}


def _journal_problems(folder: RunFolder, told: Told) -> Iterator[str]:
    if torn := torn_bytes(folder.journal):
        yield (
            f"journal.jsonl ends in a torn line of {torn} bytes, whose request may be sent again:"
            f" `claude-run resume {folder.path}` sets it aside and goes on"
        )
    if told.ending is CUT_OFF:
        yield f"the run was cut off before its end: `claude-run resume {folder.path}` goes on with it"
    for attempt in told.uncertain:
        cost = attempt.worst_cost_usd
        worst = "an unknown price" if cost is None else f"{cost:.6f} USD"
        yield (
            f"{attempt.conversation_id}: attempt {attempt.n} at turn {turn_number(attempt.turn)},"
            f" sent {attempt.at}, brought no reply and may have been billed, at most {worst}: look it up in"
            " the usage report of the API's console; until then it counts as spent"
        )


def _file_problems(folder: RunFolder, name: str, parts: Iterable[bytes]) -> Iterator[str]:
    same = True
    try:
        with open_file(folder.path / name) as file:
            # To the end, whatever is found: making the parts is what else is looked at on the way.
            for part in parts:
                same = same and file.read(len(part)) == part
            same = same and not file.read(1)
    except OSError:
        deque(parts, maxlen=0)
        yield f"{name} is missing: `claude-run report {folder.path}` makes it"
        return
    if not same:
        yield f"{name} differs from the journal: `claude-run report {folder.path}` makes it anew"
