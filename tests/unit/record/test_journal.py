"""The journal: what it looks like, what it repairs, what it refuses, and that it is locked."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import zlib
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from claude_run.errors import InputError, StorageError
from claude_run.record.codec import decode
from claude_run.record.disk import LocalDisk
from claude_run.record.journal import VERSION, Extent, Journal, read_lines, refuse_if_held
from tests.unit.conversation.builders import ended
from tests.unit.record.fakes import FaultDisk, events

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from claude_run.conversation.events import Event


def _written(path: Path, wanted: Sequence[Event]) -> bytes:
    journal = Journal(path, disk=FaultDisk())
    for event in wanted:
        journal.append(event)
    journal.close()
    return path.read_bytes()


def _framed(rest: bytes) -> bytes:
    return b'{"crc":"%08x",%s\n' % (zlib.crc32(rest + b"\n"), rest)


def _values(path: Path) -> list[Any]:
    return [line.value for line in read_lines(path)]


def test_events_come_back_in_order(tmp_path: Path) -> None:
    """The lines are numbered without a gap, over any number of openings."""
    path = tmp_path / "journal.jsonl"
    _written(path, events(2))
    _written(path, events(4)[2:])
    values = _values(path)
    assert [value["seq"] for value in values] == [0, 1, 2, 3, 4]
    assert values[0]["event"] == "journal"
    assert [decode(value) for value in values[1:]] == events(4)
    assert [line.number for line in read_lines(path)] == [1, 2, 3, 4, 5]


def test_the_format_is_fixed(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """Journals outlive the version that wrote them: the bytes change only with `VERSION`."""
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, disk=FaultDisk())
    for event in [*events(4), ended()]:
        journal.append(event)
    journal.append_run("ended", stop=None, reason="\u2028 done")
    journal.close()
    assert path.read_text(encoding="ascii") == snapshot
    assert VERSION == 1


def test_each_line_begins_with_the_checksum_of_its_rest(tmp_path: Path) -> None:
    """The CRC-32 covers all bytes after it, the end of the line included."""
    for line in _written(tmp_path / "journal.jsonl", events(3)).splitlines(keepends=True):
        assert line == _framed(line[len(b'{"crc":"01234567",') : -1])


def test_a_tail_torn_at_any_byte_is_repaired_and_kept_aside(tmp_path: Path) -> None:
    """Whatever was whole stays, what was torn moves to `journal.torn`, and the journal goes on."""
    good = _written(tmp_path / "good.jsonl", [ended(), ended("x")])
    ends = [index + 1 for index, byte in enumerate(good) if byte == ord("\n")]
    for cut in range(len(good) + 1):
        path = tmp_path / f"{cut}.jsonl"
        path.write_bytes(good[:cut])
        whole = max((end for end in ends if end <= cut), default=0)
        count = ends.index(whole) + 1 if whole else 0
        assert len(_values(path)) == count, cut
        assert path.read_bytes() == good[:cut], "reading changed the file"
        data = _written(path, [ended("next")])
        values = _values(path)
        assert data.startswith(good[:whole])
        assert [value["seq"] for value in values] == list(range(max(count, 1) + 1)), cut
        assert decode(values[-1]) == ended("next")
        torn = path.with_suffix(".torn")
        assert torn.exists() is (cut > whole), cut
        assert not torn.exists() or torn.read_bytes() == good[whole:cut] + b"\n"


def test_torn_tails_of_several_deaths_are_all_kept(tmp_path: Path) -> None:
    """What is set aside is added to what was set aside before."""
    path = tmp_path / "journal.jsonl"
    for torn in (b"one", b"two"):
        good = _written(path, [])
        path.write_bytes(good + torn)
        Journal(path, disk=FaultDisk()).close()
    assert path.with_suffix(".torn").read_bytes() == b"one\ntwo\n"


def test_a_changed_last_line_is_damage(tmp_path: Path) -> None:
    """Only a line without its end is torn: one that was whole once may be a reply that was paid for."""
    path = tmp_path / "journal.jsonl"
    good = _written(path, events(2))
    path.write_bytes(good[:-9] + b"X" + good[-8:])
    with pytest.raises(StorageError, match=r"journal\.jsonl:3: this line is damaged"):
        _values(path)
    with pytest.raises(StorageError, match=r"journal\.jsonl:3: this line is damaged"):
        Journal(path, disk=FaultDisk())
    assert not path.with_suffix(".torn").exists()


def test_a_change_of_any_byte_in_the_middle_is_damage(tmp_path: Path) -> None:
    """It is never skipped over: the place is named, nothing is changed, and nothing may be written."""
    path = tmp_path / "journal.jsonl"
    good = _written(path, [ended("a"), ended("b"), ended("c")])
    second = good.index(b"\n") + 1
    third = good.index(b"\n", second) + 1
    for place in range(second, third):
        bad = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        path.write_bytes(bad)
        with pytest.raises(StorageError, match=r"journal\.jsonl:2: this line is damaged"):
            _values(path)
        with pytest.raises(StorageError, match=r"journal\.jsonl:2: this line is damaged.*from a backup"):
            Journal(path, disk=FaultDisk())
        assert path.read_bytes() == bad


def test_a_refused_journal_is_unlocked(tmp_path: Path) -> None:
    """After the user has mended the file, the same process can open it."""
    path = tmp_path / "journal.jsonl"
    good = _written(path, events(2))
    path.write_bytes(b"damage\n" + good)
    with pytest.raises(StorageError, match=r"journal\.jsonl:1: "):
        Journal(path)
    path.write_bytes(good)
    Journal(path, disk=FaultDisk()).close()


@pytest.mark.parametrize("rest", [b'"seq":0,"event":"journal","version":2}', b'"seq":0,"event":"reply"}'])
def test_a_journal_of_another_version_is_refused(tmp_path: Path, rest: bytes) -> None:
    """It is neither read nor repaired, and the message says which version can be read."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(_framed(rest))
    with pytest.raises(StorageError, match="not a journal of version 1"):
        _values(path)
    with pytest.raises(StorageError, match="not a journal of version 1"):
        Journal(path)
    assert path.read_bytes() == _framed(rest)


@pytest.mark.parametrize("rest", [b"not json", b'"seq":1}', b'"event":5}', b'"a":' + b"[" * 200_000])
def test_a_line_with_a_true_checksum_must_be_an_event_all_the_same(tmp_path: Path, rest: bytes) -> None:
    """A line that is not valid JSON, too deep, or names no event counts as damaged."""
    path = tmp_path / "journal.jsonl"
    good = _written(path, [])
    path.write_bytes(good + _framed(rest) + good)
    with pytest.raises(StorageError, match=r"journal\.jsonl:2: "):
        _values(path)


def test_a_missing_journal_is_an_error_and_stays_missing(tmp_path: Path) -> None:
    """Reading creates nothing."""
    path = tmp_path / "journal.jsonl"
    with pytest.raises(StorageError, match=r"journal\.jsonl cannot be read: No such file"):
        _values(path)
    assert not path.exists()


@pytest.mark.parametrize("kind", ["folder", "link", "nowhere"])
def test_a_journal_that_is_no_plain_file_cannot_be_opened(tmp_path: Path, kind: str) -> None:
    """A link could lead the journal anywhere, so none is followed."""
    path = tmp_path / "journal.jsonl"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path = tmp_path / "missing" / "journal.jsonl"
    with pytest.raises(StorageError, match="cannot be opened"):
        Journal(path)
    assert not (tmp_path / "elsewhere").exists()


HOLD = """
import sys
from pathlib import Path
from claude_run.record.journal import Journal
journal = Journal(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_who_holds_the_journal(tmp_path: Path) -> None:
    """The lock is the kernel's: it names the pid while that process lives and is free after its death."""
    path = tmp_path / "journal.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(InputError, match=rf"the run is still going on \(pid {holder.pid}\)"):
            Journal(path)
        holder.kill()
    data = _written(path, events(1))
    assert data.count(b"\n") == 2


def test_a_second_opening_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    """And a holder that cannot be read is unknown, not an error of its own."""
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, disk=FaultDisk())
    with pytest.raises(InputError, match=rf"\(pid {os.getpid()}\)"):
        Journal(path)
    path.with_suffix(".lock").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"\(pid unknown\)"):
        Journal(path)
    journal.close()
    Journal(path, disk=FaultDisk()).close()


def test_files_are_for_their_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    """The journal, its lock and what was torn off may all hold what the model said."""
    path = tmp_path / "journal.jsonl"
    before = os.umask(0)
    try:
        _written(path, [])
        with path.open("ab") as file:
            file.write(b"torn")
        Journal(path, disk=FaultDisk()).close()
    finally:
        os.umask(before)
    modes = {entry.name: entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir()}
    assert modes == {"journal.jsonl": 0o600, "journal.lock": 0o600, "journal.torn": 0o600}


def test_a_journal_that_is_written_for_a_dead_process_is_waited_for(tmp_path: Path) -> None:
    """A recorder whose driver was killed ends a little later: nobody is told to wait for it."""
    path = tmp_path / "journal.jsonl"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    orphan = Journal(path, writes_for=dead.pid)
    ending = threading.Timer(0.3, orphan.close)
    ending.start()
    refuse_if_held(path, LocalDisk())
    ending.join()


def test_a_journal_that_is_written_for_a_living_process_is_held(tmp_path: Path) -> None:
    """The writer is named, and not whom it writes for."""
    path = tmp_path / "journal.jsonl"
    with closing(Journal(path, writes_for=os.getppid())), pytest.raises(InputError) as error:
        refuse_if_held(path, LocalDisk())
    assert f"(pid {os.getpid()})" in str(error.value)


def test_a_lent_journal_is_written_by_another_and_goes_on_behind_it(tmp_path: Path) -> None:
    """Nothing can be written meanwhile, and what the other has written stands before what comes next."""
    path = tmp_path / "journal.jsonl"
    with closing(Journal(path)) as journal:
        journal.append_run("started")
        with journal.lent() as seal:
            with pytest.raises(StorageError, match="lent"):
                journal.append_run("ended")
            with closing(Journal(path, seal=seal)) as other:
                other.append_run("gated")
        journal.append_run("ended")
    assert [line.value.get("what") for line in read_lines(path)] == [None, "started", "gated", "ended"]
    assert Extent.of(path) == journal.extent


def test_a_lent_journal_that_was_changed_is_refused(tmp_path: Path) -> None:
    """What was there when it was lent must be there when it comes back, and it is closed only once."""
    path = tmp_path / "journal.jsonl"
    with closing(Journal(path)) as journal:
        journal.append_run("started")
        lent = journal.lent()
        lent.__enter__()
        path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
        with pytest.raises(StorageError, match="ends after 1 whole line"):
            lent.__exit__(None, None, None)


def test_a_journal_comes_back_though_its_borrower_died_in_the_middle_of_a_line(tmp_path: Path) -> None:
    """The torn line is kept aside, as after any death."""
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, disk=FaultDisk())
    journal.append(*events(2))
    with journal.lent():
        path.write_bytes(path.read_bytes() + b"torn")
    journal.append(events(3)[2])
    journal.close()
    assert [decode(value) for value in _values(path)[1:]] == events(3)
    assert path.with_suffix(".torn").read_bytes() == b"torn\n"


def test_what_ends_a_loan_is_told_and_not_what_follows_from_it(tmp_path: Path) -> None:
    """A disk that was full for the borrower is full for whoever takes the journal back."""
    path = tmp_path / "journal.jsonl"
    with closing(Journal(path)) as journal:
        lent = journal.lent()
        lent.__enter__()
        path.write_bytes(b"")
        # It does not swallow the error, and raises none of its own.
        assert lent.__exit__(StorageError, StorageError("no room"), None) is False
