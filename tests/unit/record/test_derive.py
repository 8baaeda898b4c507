"""Everything that is derived from a journal: read back, written anew, and the same each time."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.conversation.events import Asked, Attempted, Replied, Started
from claude_run.conversation.results import Outcome
from claude_run.errors import ExitCode, StorageError
from claude_run.record.derive import read_played, write_derived
from claude_run.record.folder import RunFolder
from claude_run.record.history import CUT_OFF, read_history
from claude_run.record.redact import REDACTED, Redactor
from claude_run.record.run import Change
from tests.unit.conversation.builders import AT, COST, WORST, body, ended, events_of
from tests.unit.record.fakes import FaultDisk, conversation, run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from claude_run.conversation.events import Event

PHONE, SOFA = conversation(case="phone"), conversation(case="sofa")
PLAYED = events_of(PHONE, [body()])


def _folder(tmp_path: Path, redactor: Redactor | None = None) -> RunFolder:
    return RunFolder.create(
        run(PHONE, SOFA), out=tmp_path / "run", stamp="", disk=FaultDisk(), redactor=redactor
    )


def _append(folder: RunFolder, events: Iterable[Event], **end: Any) -> None:
    """Add what one process journals; without `end` it dies before it can write one."""
    journal, _ = folder.open_journal()
    journal.append_run("started", at=AT)
    for event in events:
        journal.append(event)
    if end:
        journal.append_run("ended", **end)
    journal.close()


END: dict[str, Any] = {"at": AT, "duration_s": 2.5, "stop": None, "reason": None}


def test_records_come_in_the_order_of_the_plan(tmp_path: Path) -> None:
    """However the conversations were interleaved in the journal."""
    folder = _folder(tmp_path)
    both = [event for pair in zip(events_of(SOFA, [body()]), PLAYED, strict=True) for event in pair]
    _append(folder, both, **END)
    played = read_played(folder)
    assert [record.planned.id for record in played.records] == [PHONE.id, SOFA.id]
    assert [record.outcome for record in played.records] == [Outcome.PASSED] * 2
    assert played.summary.totals.cost_usd == 2 * COST
    assert (played.summary.exit_code, played.summary.duration_s) == (ExitCode.PASSED, 2.5)


def test_derived_files_are_the_same_whenever_they_are_made(tmp_path: Path) -> None:
    """They hold one line per planned conversation, and can be thrown away."""
    folder = _folder(tmp_path)
    _append(folder, PLAYED, stop=4, reason="the cap", at=AT, duration_s=1.0)
    write_derived(folder, read_played(folder))
    names = ("transcripts.jsonl", "summary.json")
    first = [(folder.path / name).read_bytes() for name in names]
    for name in names:
        (folder.path / name).unlink()
    write_derived(folder, read_played(RunFolder.open(folder.path)))
    assert [(folder.path / name).read_bytes() for name in names] == first
    lines = [json.loads(line) for line in first[0].splitlines()]
    assert [(line["conversation_id"], line["outcome"]) for line in lines] == [
        (PHONE.id, "passed"),
        (SOFA.id, "skipped"),
    ]
    summary = json.loads(first[1])
    assert (summary["exit_code"], summary["exit_reason"]) == (4, "the cap")
    assert summary["totals"]["usage"] == lines[0]["usage"]


@pytest.mark.parametrize("earlier", [False, True])
def test_a_run_without_an_end_was_cut_off(tmp_path: Path, *, earlier: bool) -> None:
    """It was not measured, and an end that an earlier process wrote does not count for a later one."""
    folder = _folder(tmp_path)
    if earlier:
        _append(folder, [], **{**END, "stop": 130, "reason": "interrupted"})
    _append(folder, PLAYED[:-1])
    summary = read_played(folder).summary
    assert (summary.exit_code, summary.exit_reason) == (ExitCode.NOT_MEASURED, CUT_OFF.reason)
    assert summary.ended_at is None
    assert summary.totals.outcomes[Outcome.SKIPPED] == 2
    assert summary.totals.cost_usd == COST


def test_a_resumed_run_ends_as_its_last_process_did(tmp_path: Path) -> None:
    """The time of all its processes adds up."""
    folder = _folder(tmp_path)
    _append(folder, PLAYED[:2], **{**END, "stop": 130, "reason": "interrupted"})
    _append(folder, [*PLAYED[2:], *events_of(SOFA, [body()])], **END)
    summary = read_played(folder).summary
    assert (summary.exit_code, summary.duration_s, summary.replayed) == (ExitCode.PASSED, 5.0, False)
    assert summary.totals.replies == 2


def test_a_changed_conversation_counts_anew(tmp_path: Path) -> None:
    """From the line on that the new plan names; what it cost before is still counted as spent."""
    folder = _folder(tmp_path)
    _append(folder, PLAYED[:3])
    journal, _ = folder.open_journal()
    change = Change(lines=journal.lines, superseded=(PHONE.id, SOFA.id))
    journal.close()
    folder.write_json("run.json", replace(folder.read_run(), changes=(change,)).to_json())
    assert folder.read_history().logs == {}
    _append(folder, events_of(PHONE, [body("Better.")]), **END)
    record, history = read_played(folder).records[0], folder.read_history()
    assert record.transcript is not None
    assert record.transcript.turns[0].text == "Better."
    (superseded,) = history.superseded
    assert list(superseded.attempts.uncertain) == [PLAYED[2]]
    assert history.logs[PHONE.id].ended == ended(PHONE.id)
    assert SOFA.id not in history.logs


def test_what_was_spent_counts_every_attempt_and_no_replay(tmp_path: Path) -> None:
    """Attempts without an end count at their worst, replies at their price, replayed ones not at all."""
    folder = _folder(tmp_path)
    _append(folder, [*PLAYED, *events_of(SOFA, [])], **END)
    assert read_history(folder.journal).spent_usd() == COST + WORST
    assert read_played(folder).summary.totals.uncertain_usd == WORST
    empty = _folder(tmp_path / "other")
    _append(empty, [])
    assert read_history(empty.journal).spent_usd() == Decimal(0)


STARTED, REQUEST, ATTEMPT, REPLY = PLAYED[:4]
assert isinstance(STARTED, Started)
assert isinstance(REQUEST, Asked)
assert isinstance(ATTEMPT, Attempted)
assert isinstance(REPLY, Replied)


@pytest.mark.parametrize(
    ("events", "line", "message"),
    [
        (PLAYED[1:], 3, "goes on here, and never began"),
        ([PLAYED[0], *PLAYED], 4, "begins a second time"),
        ([PLAYED[0], replace(REQUEST, turn=1)], 4, "has no turn of index 1"),
        ([PLAYED[0], REQUEST, replace(ATTEMPT, turn=-1)], 5, "has no turn of index -1"),
        ([PLAYED[0], ATTEMPT], 4, "the request of this attempt was never made"),
        ([*PLAYED[:3], replace(REPLY, n=2)], 6, "the attempt of this reply was never made"),
        ([*PLAYED[:2], REPLY], 5, "the attempt of this reply was never made"),
        ([PLAYED[0], REQUEST, replace(REPLY, key="0" * 64)], 5, "the request of this reply was never made"),
        (
            [*PLAYED, *events_of(conversation(case="stranger"), [body()])],
            8,
            "is not a conversation of this run",
        ),
        ([replace(STARTED, identity=replace(PHONE.identity, model="m-2")), *PLAYED[1:]], 3, "not a conv"),
    ],
)
def test_an_event_that_cannot_stand_where_it_does_is_refused(
    tmp_path: Path, events: list[Event], line: int, message: str
) -> None:
    """Whoever wrote it, and though each line is whole: nothing is guessed."""
    folder = _folder(tmp_path)
    _append(folder, events, **END)
    with pytest.raises(StorageError, match=rf"journal\.jsonl:{line}: .*{message}"):
        read_played(folder)


def test_an_event_that_is_not_understood_names_its_line(tmp_path: Path) -> None:
    """A journal of a later version is not half-read."""
    folder = _folder(tmp_path)
    journal, _ = folder.open_journal()
    journal.append_run("started", event="from_the_future")
    journal.close()
    with pytest.raises(StorageError, match=r"journal\.jsonl:2: unknown event 'from_the_future'"):
        read_played(folder)


def test_a_missing_journal_is_an_error_of_storage(tmp_path: Path) -> None:
    """A run folder without its journal has nothing to tell."""
    with pytest.raises(StorageError, match=r"journal\.jsonl cannot be read"):
        read_played(_folder(tmp_path))


def test_what_was_said_is_never_rewritten_and_never_holds_the_credential(tmp_path: Path) -> None:
    """Replies come in without it; a text that holds it all the same is refused, the journal stays whole."""
    known, other = "canary-0123456789", "sk-ant-api03-AbCd_efgh"
    folder = _folder(tmp_path, Redactor([known, "short"]))
    journal, _ = folder.open_journal()
    for event in events_of(PHONE, [body(f"Not {other}, in short.")]):
        journal.append(event)
    *before, reply, _ = events_of(SOFA, [body(f"It is {known}.")])
    for event in before:
        journal.append(event)
    with pytest.raises(StorageError, match=rf"stands in what {SOFA.id} says"):
        journal.append(reply)
    journal.append(ended(SOFA.id, error=f"the server says {known}"))
    journal.close()
    write_derived(folder, read_played(folder))
    assert not any(known.encode() in path.read_bytes() for path in folder.path.iterdir())
    phone, sofa = (record.transcript for record in read_played(folder).records)
    assert phone is not None
    assert sofa is not None
    assert phone.turns[0].text == f"Not {other}, in short."
    assert sofa.error == f"the server says {REDACTED}"
