"""The one writer of a journal: when it acknowledges, whom it refuses, and what it takes over."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from claude_run.cluster.actors import ActorLostError
from claude_run.cluster.leased import RemoteRecorder
from claude_run.cluster.recorder import Recorder
from claude_run.conversation.events import Asked
from claude_run.errors import InputError, StorageError
from claude_run.record.codec import decode
from claude_run.record.journal import Journal, Seal, read_lines, spelled
from claude_run.record.redact import Redactor
from tests.unit.cluster.fakes import CountingDisk, FakeActor, Network, run
from tests.unit.record.fakes import events

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from claude_run.conversation.events import Event


def _spelled(wanted: Sequence[Event]) -> list[tuple[str, str]]:
    return [(event.conversation_id, spelled(event, Redactor())) for event in wanted]


def _decoded(path: Path) -> list[Event]:
    return [decode(line.value) for line in read_lines(path) if line.value["event"] not in {"journal", "run"}]


def test_what_is_acknowledged_is_on_the_disk(tmp_path: Path) -> None:
    """Not only written: a loss of power takes nothing of it."""
    path, disk = tmp_path / "journal.jsonl", CountingDisk()

    async def work() -> None:
        recorder = Recorder(disk)
        await recorder.open(path, Seal(run_id=None), driver=os.getpid())
        for event in events(3):
            await recorder.append("p", _spelled([event]))
            assert disk.synced == disk.written
        await recorder.close()

    run(work())
    assert _decoded(path) == events(3)
    Journal(path).close()  # it is free again


def test_a_player_that_was_given_up_writes_nothing_more(tmp_path: Path) -> None:
    """What it wrote before is told by conversation, and others write on."""
    path, (first, *later) = tmp_path / "journal.jsonl", events(4)

    async def work() -> None:
        recorder = Recorder(CountingDisk())
        await recorder.open(path, Seal(run_id=None), driver=os.getpid())
        await recorder.append("p", _spelled([first]))
        assert await recorder.fence("p", [first.conversation_id, "unknown"]) == [(first,), ()]
        with pytest.raises(ActorLostError, match="the player p was given up"):
            await recorder.append("p", _spelled(later))
        await recorder.append("q", _spelled(later))
        await recorder.close()

    run(work())
    assert _decoded(path) == events(4)


def test_a_journal_is_lent_and_given_back(tmp_path: Path) -> None:
    """The recorder goes on where the lender was, which goes on where the recorder was."""
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append(events(1)[0])

    async def work() -> None:
        with journal.lent() as seal:
            recorder = Recorder(CountingDisk())
            await recorder.open(path, seal, driver=os.getpid())
            await recorder.append("p", _spelled(events(2)[1:]))
            await recorder.close()
        journal.append(events(3)[2])
        journal.close()

    run(work())
    assert _decoded(path) == events(3)
    assert [line.value["seq"] for line in read_lines(path)] == [0, 1, 2, 3]


@pytest.mark.parametrize("meanwhile", ["went on", "is at it", "changed", "removed"])
def test_only_the_journal_that_was_left_is_taken_over(tmp_path: Path, meanwhile: str) -> None:
    """Where another process went on with the run, or is at it, nothing is written."""
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append(*events(2))
    expected: dict[str, tuple[type[Exception], str]] = {
        "went on": (StorageError, "another process has gone on with the run meanwhile; resume it again"),
        "is at it": (InputError, "the run is still going on"),
        "changed": (StorageError, "are not those that the files beside it were made of"),
        "removed": (StorageError, "is missing"),
    }
    error, words = expected[meanwhile]

    async def work() -> None:
        disk, before = CountingDisk(), path.read_bytes()
        with journal.lent() as seal:
            other = Journal(path) if meanwhile in {"went on", "is at it"} else None
            if other is not None:
                other.append(events(3)[2])
            if other is not None and meanwhile == "went on":
                other.close()
            if meanwhile == "changed":
                path.unlink()
                again = Journal(path)
                again.append(*reversed(events(2)))
                again.close()
            if meanwhile == "removed":
                path.rename(tmp_path / "aside")
            there = path.read_bytes() if path.exists() else b""
            with pytest.raises(error, match=words):
                await Recorder(disk).open(path, seal, driver=os.getpid())
            assert not path.exists() or path.read_bytes() == there
            disk.close_all()
            if other is not None and meanwhile == "is at it":
                other.close()
            path.write_bytes(before)
        journal.close()

    run(work())


def test_a_credential_reaches_neither_recorder_nor_journal(tmp_path: Path) -> None:
    """Who knows it spells the event: what was said in a conversation is refused, where it is."""
    path = tmp_path / "journal.jsonl"
    started, asked = events(2)
    assert isinstance(asked, Asked)

    async def work() -> None:
        actor = FakeActor(Network(), lambda: Recorder(CountingDisk()))
        await actor.call("open", path, Seal(run_id=None), driver=os.getpid())
        recorder = RemoteRecorder(actor, "p", Redactor([asked.key]))
        recorder.append(started)
        await recorder.written()
        with pytest.raises(StorageError, match="the credential in use stands in what"):
            recorder.append(asked)
        await recorder.synced()
        await actor.call("close")
        actor.end()

    run(work())
    assert _decoded(path) == [started]


def test_a_sync_that_fails_is_told_to_whoever_waits(tmp_path: Path) -> None:
    """And to all who come later: nothing is acknowledged any more."""

    class Syncless(CountingDisk):
        is_worn_out = False

        def sync(self, descriptor: int) -> None:
            if self.is_worn_out:
                raise OSError(5, "Input/output error")
            super().sync(descriptor)

    async def work() -> None:
        disk = Syncless()
        recorder = Recorder(disk)
        await recorder.open(tmp_path / "journal.jsonl", Seal(run_id=None), driver=os.getpid())
        disk.is_worn_out = True
        for _ in range(2):
            with pytest.raises(StorageError, match="cannot be"):
                await recorder.append("p", _spelled(events(1)))
        with pytest.raises(StorageError, match="cannot be synced: Input/output error"):
            await recorder.fence("q", [])

    run(work())
