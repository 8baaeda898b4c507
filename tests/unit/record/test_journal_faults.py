"""Syncs that are shared, and a disk that fails at any of its operations."""

from __future__ import annotations

import asyncio
import errno
import threading
from typing import TYPE_CHECKING

import pytest

from claude_run.errors import StorageError
from claude_run.record.codec import decode
from claude_run.record.journal import Journal, read_lines
from tests.unit.conversation.builders import ended
from tests.unit.record.fakes import FaultDisk, SlowSyncs, events

if TYPE_CHECKING:
    from pathlib import Path

    from claude_run.conversation.events import Event

TORN = b'{"crc":"torn'
FAULTS = [(errno.ENOSPC, False), (errno.EIO, False), (errno.EIO, True)]


def test_waiters_share_a_sync(tmp_path: Path) -> None:
    """Fifty replies that arrive together cost one sync, or two where one was under way."""
    disk = SlowSyncs(lambda: None)

    async def wait(journal: Journal) -> None:
        journal.append(ended())
        await journal.synced()

    async def play() -> None:
        journal = Journal(tmp_path / "journal.jsonl", disk=disk)
        opened = disk.syncs
        await asyncio.gather(*(wait(journal) for _ in range(50)))
        assert 1 <= disk.syncs - opened <= 2
        done = disk.syncs
        await journal.synced()
        assert disk.syncs == done, "nothing was written since"
        journal.close()

    asyncio.run(play())


def test_what_is_written_during_a_sync_waits_for_the_next(tmp_path: Path) -> None:
    """A sync that had begun before proves nothing about a later line."""
    begun, go = threading.Event(), threading.Event()
    blocking = [False]

    def during() -> None:
        if blocking[0]:
            begun.set()
            assert go.wait(10)

    disk = SlowSyncs(during)

    async def play() -> None:
        journal = Journal(tmp_path / "journal.jsonl", disk=disk)
        opened, blocking[0] = disk.syncs, True
        journal.append(ended("a"))
        first = asyncio.create_task(journal.synced())
        await asyncio.to_thread(begun.wait, 10)
        journal.append(ended("b"))
        second = asyncio.create_task(journal.synced())
        await asyncio.sleep(0)
        assert not first.done()
        go.set()
        await asyncio.gather(first, second)
        assert disk.syncs - opened == 2
        journal.close()

    asyncio.run(play())


def test_a_waiter_that_is_cancelled_takes_no_sync_from_the_others(tmp_path: Path) -> None:
    """The sync belongs to all who wait for it."""
    begun, go = threading.Event(), threading.Event()

    def during() -> None:
        begun.set()
        assert go.wait(10)

    async def play() -> None:
        go.set()
        journal = Journal(tmp_path / "journal.jsonl", disk=SlowSyncs(during))
        go.clear()
        begun.clear()
        journal.append(ended())
        impatient, patient = (asyncio.create_task(journal.synced()) for _ in range(2))
        await asyncio.to_thread(begun.wait, 10)
        impatient.cancel()
        await asyncio.sleep(0)
        go.set()
        await patient
        assert impatient.cancelled()
        journal.close()

    asyncio.run(play())


def test_a_failed_sync_reaches_every_waiter_and_stops_all_writing(tmp_path: Path) -> None:
    """Nobody goes on as if the line were safe, and no further event is taken."""
    path = tmp_path / "journal.jsonl"

    def during() -> None:
        if failing[0]:
            raise OSError(errno.EIO, "Input/output error")

    failing = [False]

    async def play() -> None:
        journal = Journal(path, disk=SlowSyncs(during))
        failing[0] = True
        journal.append(ended("a"))
        results = await asyncio.gather(*(journal.synced() for _ in range(3)), return_exceptions=True)
        assert [str(result) for result in results] == [f"{path} cannot be synced: Input/output error"] * 3
        size = path.stat().st_size
        with pytest.raises(StorageError, match="cannot be synced"):
            journal.append(ended("b"))
        with pytest.raises(StorageError, match="cannot be synced"):
            await journal.synced()
        assert path.stat().st_size == size
        journal.close()

    asyncio.run(play())


def _use(path: Path, disk: FaultDisk, appended: list[Event]) -> None:
    """Open a journal with a torn tail, add events with a sync after each, and close it."""

    async def play(journal: Journal) -> None:
        for event in [*events(4)[1:], ended()]:
            journal.append(event)
            appended.append(event)
            await journal.synced()

    journal = Journal(path, disk=disk)
    try:
        asyncio.run(play(journal))
    finally:
        journal.close()


def _failure_of(path: Path, disk: FaultDisk, appended: list[Event]) -> str | None:
    try:
        _use(path, disk, appended)
    except StorageError as error:
        return str(error)
    return None


def _with_torn_tail(folder: Path) -> Path:
    folder.mkdir()
    path = folder / "journal.jsonl"
    journal = Journal(path, disk=FaultDisk())
    journal.append(events(1)[0])
    journal.close()
    path.write_bytes(path.read_bytes() + TORN)
    return path


@pytest.mark.parametrize(("code", "short"), FAULTS)
def test_a_disk_that_fails_at_any_operation_leaves_a_journal_that_can_be_read(
    tmp_path: Path, code: int, *, short: bool
) -> None:
    """It is a StorageError, nothing is written after it, and every event that was taken is still there."""
    clean = FaultDisk()
    _use(_with_torn_tail(tmp_path / "clean"), clean, [])
    assert len(clean.operations) > 20
    for number in range(1, len(clean.operations) + 1):
        path = _with_torn_tail(tmp_path / str(number))
        disk, appended = FaultDisk(at=number, code=code, short=short), events(1)
        error = _failure_of(path, disk, appended)
        operation = clean.operations[number - 1]
        # A short write is an error of the journal alone: that of another file is simply continued.
        assert error is not None or (short and operation == "write"), operation
        assert error is None or (str(path.parent) in error and "write" not in disk.after_the_fault), operation
        assert disk.struck
        Journal(path, disk=FaultDisk()).close()
        kept = _events(path)
        assert kept[: len(appended)] == appended
        assert len(kept) <= len(appended) + 1
        assert TORN in path.read_bytes() + path.with_suffix(".torn").read_bytes()


def _events(path: Path) -> list[Event]:
    return [decode(line.value) for line in read_lines(path) if line.value["event"] != "journal"]


def test_a_short_write_says_what_to_do(tmp_path: Path) -> None:
    """The numbers show a full disk, and the run can be resumed."""
    path = tmp_path / "journal.jsonl"
    probe = FaultDisk()
    Journal(path, disk=probe).close()
    # The first opening wrote the header and closed; the second does neither before its first event.
    disk = FaultDisk(at=len(probe.operations) - 1, short=True)
    journal = Journal(path, disk=disk)
    size = path.stat().st_size
    with pytest.raises(
        StorageError, match=r"took \d+ of \d+ bytes; make room and go on with `claude-run resume "
    ):
        journal.append(ended())
    assert path.stat().st_size > size
    with pytest.raises(StorageError, match="make room"):
        journal.append(ended())
    journal.close()
