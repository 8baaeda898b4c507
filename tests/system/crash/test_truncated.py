"""A good journal cut off at every byte: it opens, is repaired, is reported, and lacks only what was cut."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from claude_run.record.derive import read_played, verify, write_derived
from claude_run.record.folder import RunFolder
from claude_run.record.made_of import DERIVED
from claude_run.report.run.formats import FILES, render
from tests.system.crash.promises import RunState, key_of
from tests.system.harness.forking_process import QuickDisk
from tests.system.harness.sweeps import spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.system.crash.workspace import CrashWorkspace

PARTS = 2
AGAIN = 5
"""Every so many bytes the journal is opened a second time, which must change nothing."""
NEAR = 3
"""How many bytes on each side of an end of a line are always cut at."""
STEP = 11
"""Bytes between two cuts whose reports are built."""


@pytest.fixture
def whole(workspace: CrashWorkspace) -> bytes:
    """Give the journal of a run that nothing happened to; nothing was made of it yet, as where it is cut."""
    assert workspace.play("-k", "ada").code == 0
    _forget_derived(workspace)
    return workspace.journal.read_bytes()


@pytest.mark.parametrize("part", range(PARTS))
def test_cut_at_every_byte(workspace: CrashWorkspace, whole: bytes, part: int) -> None:
    """Opening leaves exactly the whole lines, keeps the rest aside, and does so only once."""
    folder = RunFolder.open(workspace.run_folder, disk=QuickDisk(0, tear=False))
    torn = workspace.journal.with_suffix(".torn")
    # Around each end of a line every byte counts; within one they are all alike.
    for size in _sizes(whole)[part::PARTS]:
        kept = whole[: whole.rfind(b"\n", 0, size) + 1]
        workspace.journal.write_bytes(whole[:size])
        torn.unlink(missing_ok=True)
        for _ in range(2 if size % AGAIN == 0 else 1):
            folder.open_journal()[0].close()
        if kept:
            assert workspace.journal.read_bytes() == kept
        else:
            assert workspace.journal.read_bytes() == whole[: whole.find(b"\n") + 1], (
                "the first line is made anew"
            )
        cut = whole[len(kept) : size]
        assert (torn.read_bytes() if torn.exists() else b"") == (cut + b"\n" if cut else b"")


@pytest.mark.parametrize("part", range(PARTS))
def test_reported_at_every_place_of_a_line(workspace: CrashWorkspace, whole: bytes, part: int) -> None:
    """`verify` and `report` read what is whole, without repairing anything."""
    folder = RunFolder.open(workspace.run_folder, disk=QuickDisk(0, tear=False))
    for size in range(part * STEP, len(whole), PARTS * STEP):
        workspace.journal.write_bytes(whole[:size])
        _, found = verify(folder, {name: partial(render, name) for name in FILES})
        played = read_played(folder)
        write_derived(folder, played)
        replies = whole[:size].count(b'"event":"reply"', 0, whole.rfind(b"\n", 0, size) + 1)
        assert played.summary.totals.replies == replies
        assert sum("torn line" in problem for problem in found) == (
            not whole[:size].endswith(b"\n") and size > 0
        )
        assert workspace.journal.stat().st_size == size


def test_a_resume_needs_only_what_was_cut(workspace: CrashWorkspace, whole: bytes) -> None:
    """After each line, and in the middle of each: a turn whose reply is whole is not sent again."""
    assert workspace.run("report", "run").code == 0
    undisturbed = workspace.transcripts()
    for size in _cuts(whole):
        _forget_derived(workspace)
        workspace.journal.write_bytes(whole[:size])
        workspace.api.ledger.clear()
        replies = RunState.of(workspace).replies
        assert workspace.resume().code == 0
        sent = [key_of(body) for body in workspace.api.ledger]
        assert not set(sent) & set(replies)
        assert len(sent) == len(set(sent)) == 3 - len(replies)
        assert workspace.transcripts() == undisturbed


def test_commands_on_a_cut_run(workspace: CrashWorkspace, whole: bytes) -> None:
    """They say that it was cut off and how to go on, change no byte of the journal, and exit with 3."""
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        _forget_derived(workspace)
        workspace.journal.write_bytes(whole[:size])
        verified, reported = workspace.run("verify", "run"), workspace.run("report", "run")
        assert (verified.code, reported.code) == (3, 3)
        assert (
            "the run was cut off before its end: `claude-run resume run` goes on with it" in verified.stdout
        )
        assert "\nnext: claude-run resume run\n" in f"\n{reported.stderr}"
        assert workspace.journal.read_bytes() == whole[:size]


def _forget_derived(workspace: CrashWorkspace) -> None:
    for name in DERIVED:
        (workspace.run_folder / name).unlink(missing_ok=True)


def _sizes(whole: bytes) -> Sequence[int]:
    """Return the places to cut at: those near an end of a line, and of the others every one or some."""
    ends = [place for place, byte in enumerate(whole) if byte == ord("\n")]
    near = {end + step for end in (-1, *ends) for step in range(-NEAR, NEAR + 1)}
    return sorted((near | set(spread(range(len(whole)), one_in=13))) & set(range(len(whole))))


def _cuts(whole: bytes) -> Iterator[int]:
    """Yield, for each line, a place within it and its end; of the last line only the former."""
    begin = 0
    for line in whole.splitlines(keepends=True):
        yield begin + len(line) // 2
        begin += len(line)
        if begin < len(whole):
            yield begin
