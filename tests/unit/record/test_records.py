"""A run as reports see it: figures in memory, and what was said read again from the journal."""

from __future__ import annotations

import errno
import os
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_run.conversation.events import Attempted, SetAside
from claude_run.conversation.results import Outcome
from claude_run.conversation.usage import Usage
from claude_run.errors import StorageError
from claude_run.plan.caching import PromptUse
from claude_run.record.caching import ConversationCaching
from claude_run.record.derive import Collector, read_played, write_derived
from claude_run.record.folder import RunFolder
from claude_run.record.history import read_history
from claude_run.record.records import Book, Figures, Spool
from claude_run.record.summary import Ending
from claude_run.record.transcripts import line
from tests.unit.conversation.builders import AT, body, ended, events_of
from tests.unit.record.fakes import FaultDisk, conversation, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from claude_run.conversation.events import Event

CASES = [conversation(case=name) for name in ("phone", "sofa", "lamp")]


def _folder(path: Path) -> RunFolder:
    return RunFolder.create(run(*CASES), out=path, stamp="", disk=FaultDisk())


def _append(folder: RunFolder, events: Sequence[Event]) -> None:
    journal, _ = folder.open_journal()
    for event in events:
        journal.append(event)
    journal.close()


def _again(name: str, events: Sequence[Event], *, outcome: Outcome) -> list[Event]:
    """Return what follows where a conversation is over, its reply is set aside and asked for again."""
    _, _, attempted, replied, _ = events
    assert isinstance(attempted, Attempted)
    aside = SetAside(conversation_id=name, turn=0, key=attempted.key, reason="of another model", at=AT)
    return [aside, attempted, replied, ended(name, outcome=outcome)]


@given(
    st.lists(
        st.tuples(st.sampled_from(range(3)), st.integers(0, 5), st.booleans()),
        unique_by=lambda each: each[0],
        min_size=1,
        max_size=3,
    ),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_figures_and_transcripts_are_those_of_the_whole_journal(
    tmp_path_factory: pytest.TempPathFactory, plays: list[tuple[int, int, bool]], random: Any
) -> None:
    """However the lines of conversations lie, whether they ended, and whether one went on after its end."""
    queues: list[list[Event]] = []
    for at, length, goes_on in plays:
        events = events_of(CASES[at], [body(f"Hello {at}")])
        queue = events[:length] if length else [*events]
        if goes_on and queue == events:
            queue += _again(CASES[at].id, events, outcome=Outcome.FAILED)
        queues.append(queue)
    folder = _folder(tmp_path_factory.mktemp("run") / "run")
    while any(queues):
        queue = random.choice([each for each in queues if each])
        _append(folder, [queue.pop(0)])

    logs, played = read_history(folder.journal, folder.read_run()).logs, read_played(folder)
    for record in played.records:
        log = logs.get(record.planned.id)
        assert record.transcript == (log.transcript() if log else None)
        assert record.figures == (Figures.of(log.transcript()) if log else None)
    assert read_played(folder, {"other": line}).summary == played.summary


def test_a_run_that_is_added_up_while_it_is_played_is_the_one_of_its_journal(tmp_path: Path) -> None:
    """Its files are the same, and so is what became of a conversation that has not ended."""
    folder = _folder(tmp_path / "run")
    journal, _ = folder.open_journal()
    collector = Collector(folder, journal, folder.read_run(), {})
    events = [events_of(each, [body(f"To {each.id}")]) for each in CASES]
    for event in (*events[1], *events[0][:3]):
        journal.append(event)
    record = read_history(folder.journal).logs[CASES[1].id].transcript()
    collector.add(record)
    ending = Ending(at=AT, duration_s=1.0)
    journal.append_run("ended", at=AT, duration_s=1.0, stop=None, reason=None)
    played = collector.played(ending)
    journal.close()
    names = ("transcripts.jsonl", "summary.json")
    write_derived(folder, played)
    while_playing = [(folder.path / name).read_bytes() for name in names]
    again = read_played(folder)
    write_derived(folder, again)
    assert [(folder.path / name).read_bytes() for name in names] == while_playing
    assert [record.outcome for record in played.records] == [
        Outcome.SKIPPED,
        Outcome.PASSED,
        Outcome.SKIPPED,
    ]
    assert played.journal == again.journal


def test_a_journal_that_changes_under_a_report_is_noticed(tmp_path: Path) -> None:
    """What is read again must be what was read."""
    folder = _folder(tmp_path / "run")
    _append(folder, events_of(CASES[0], [body()]))
    played = read_played(folder)
    data = folder.journal.read_bytes()
    folder.journal.write_bytes(data[:200] + b"#" + data[201:])
    with pytest.raises(StorageError, match="was changed while it was read"):
        _ = [record.transcript for record in played.records]


def test_a_spool_gives_back_what_it_was_given(tmp_path: Path) -> None:
    """Pieces of any size, the last one of a conversation; None for others, and nothing lies in the folder."""
    spool = Spool(tmp_path)
    assert spool.get("a") is None
    for name, piece in (("a", b"first"), ("b", b""), ("c", b"x" * 100_000), ("a", b"second\n")):
        spool.add(name, piece)
    assert [spool.get(name) for name in ("a", "b", "c", "d")] == [b"second\n", b"", b"x" * 100_000, None]
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_no_piece_loses_nothing(tmp_path: Path) -> None:
    """The piece is not there, so that it is made anew from the journal."""
    spool = Spool(tmp_path / "gone")
    spool.add("a", b"piece")
    assert spool.get("a") is None
    full = Spool(tmp_path)
    full.add("a", b"piece")
    device = os.open("/dev/full", os.O_WRONLY)
    assert full._file is not None  # noqa: SLF001 - the disk that is full
    os.dup2(device, full._file.fileno())  # noqa: SLF001 - same
    os.close(device)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        os.write(full._file.fileno(), b"x")  # noqa: SLF001 - it is full indeed
    full.add("b", b"x" * 1_000_000)
    assert full.get("b") is None


USAGES = st.builds(Usage, **{each.name: st.none() | st.integers(0, 10**12) for each in fields(Usage)})
MONEY = st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=9)
COUNTS = st.integers(0, 10**6)
CACHINGS = st.builds(
    ConversationCaching,
    prefix=st.none() | st.binary(min_size=8, max_size=8),
    alone=st.builds(PromptUse, fresh=COUNTS, written=COUNTS, read=COUNTS),
    first_read=COUNTS,
    first_written=COUNTS,
    missed=COUNTS,
    reasons=st.lists(st.text(max_size=60)).map(tuple),
)
FIGURES = st.builds(
    Figures,
    outcome=st.sampled_from(Outcome),
    usage=USAGES,
    judge_usage=USAGES,
    cost_usd=st.none() | MONEY,
    known_usd=MONEY,
    uncertain_usd=MONEY,
    judge_cost_usd=st.none() | MONEY,
    unpriced=st.lists(st.text(max_size=60)).map(tuple),
    caching=st.none() | CACHINGS,
)


@given(FIGURES)
def test_a_book_gives_back_the_figures_that_were_put_in(figures: Figures) -> None:
    """Packed or not, they are the same, down to the digits of their amounts."""
    book = Book()
    book["a"] = figures
    assert (book["a"], list(book), "a" in book, "b" in book, len(book)) == (figures, ["a"], True, False, 1)
    assert str(book["a"].known_usd) == str(figures.known_usd)
    del book["a"]
    assert not book
