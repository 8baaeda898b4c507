"""Holding a run folder against its own journal: what does not agree and what to do about it, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_run.conversation.script import turn_number
from claude_run.conversation.usage import total
from claude_run.record import transcripts
from claude_run.record.derive import read_played
from claude_run.record.history import CUT_OFF, read_history
from claude_run.record.journal import read_lines, torn_bytes
from claude_run.text.strict_json import plain_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from claude_run.record.derive import Played
    from claude_run.record.folder import RunFolder


def problems(folder: RunFolder, derived: Mapping[str, Callable[[Played], Iterable[bytes]]]) -> Iterator[str]:
    """Yield what is wrong with a run folder; StorageError when its journal cannot be read at all.

    `derived` makes the content of further derived files, by name.
    """
    yield from _journal_problems(folder)
    yield from _history_problems(folder)
    played = read_played(folder)
    everything: dict[str, Iterable[bytes]] = {
        "transcripts.jsonl": transcripts.lines(played.records),
        "summary.json": [plain_json(played.summary.to_json(), indent=2).encode() + b"\n"],
        **{name: make(played) for name, make in derived.items()},
    }
    for name, parts in everything.items():
        yield from _file_problems(folder, name, parts)
    yield from _total_problems(played)


def _journal_problems(folder: RunFolder) -> Iterator[str]:
    torn = torn_bytes(folder.journal)
    if torn:
        yield (
            f"journal.jsonl ends in a torn line of {torn} bytes, whose request may be sent again:"
            f" `claude-run --resume {folder.path}` sets it aside and goes on"
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
        yield f"the run was cut off before its end: `claude-run --resume {folder.path}` goes on with it"
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
    if found != b"".join(map(folder.redactor.data, parts)):
        yield f"{name} differs from the journal: `claude-run report {folder.path}` makes it anew"


def _total_problems(played: Played) -> Iterator[str]:
    usage = total(
        exchange.reply.usage
        for record in played.records
        if record.transcript
        for exchange in record.transcript.exchanges
    )
    if usage != played.summary.totals.usage:
        yield "the usage totals are not the sum of the replies' usage: a bug of claude-run, please report it"
