"""The journal: an append-only JSONL file of events, locked by one process, repaired whenever it is opened.

Each line begins with the CRC-32 of the rest of it, so that a torn or changed line is known as such:

    {"crc":"1c291ca3","seq":7,"event":"reply",...}

The first line is `{"event":"journal","version":1,"run_id":...}`. What `append` has returned survives the
death of the process; what `synced` has returned for survives the loss of power. A last line without its end
is torn: it is cut off and kept aside in `journal.torn`. Nothing else is believed: a line that is bad,
missing, doubled or moved, the journal of another run, and fewer or other lines than a file was made of raise
StorageError.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
import zlib
from array import array
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from claude_run.conversation.events import Asked, Replied, Started
from claude_run.errors import ClaudeRunError, InputError, StorageError
from claude_run.record.codec import encode
from claude_run.record.disk import LocalDisk, open_file, read_file, sync_folder, write_whole
from claude_run.record.numbers import NONE, Column, Numbers
from claude_run.record.redact import Redactor
from claude_run.text.strict_json import plain_json, read_json
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from io import BufferedReader
    from pathlib import Path

    from claude_run.conversation.events import Event
    from claude_run.record.disk import Disk
    from claude_run.scenario.json_values import Json

VERSION = 1
_CLOSED = -1
_ORPHAN_TRIES, _ORPHAN_TRY_S = 100, 0.1
_PREFIX = b'{"crc":"'
_REST = len(_PREFIX) + 10  # eight hexadecimal digits, a quote and a comma
_RESTORE = "restore the file from a backup, or --reuse a copy of it that ends before the line"
RESTORE_OR_REMOVE = (
    "restore it from a backup, or remove what was made of it (transcripts.*, summary.*, comparison.md) to go"
    " on with what is left"
)
"""What to do about a journal that has lost its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One whole line: its number in the file from 1, the byte that it begins at, and its JSON object."""

    number: int
    at: int
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How far a journal goes: its whole lines, and the SHA-256 of their bytes in hex; None where unknown."""

    lines: int
    sha256: str | None

    @classmethod
    def of(cls, path: Path, lines: int | None = None) -> Extent:
        """Return the extent of the first `lines` lines of a journal, or of all that are there."""
        digest, found = hashlib.sha256(), 0
        with open_file(path) as file:
            for raw in islice(file, lines):
                digest.update(raw)
                found += 1
        return cls(lines=found, sha256=digest.hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What the files beside a journal say of it: whose it is, and how far it went when they were made of it.

    `made_of` is None where nothing was made of it yet.
    """

    run_id: str | None
    made_of: Extent | None = None


def read_lines(path: Path, seal: Seal | None = None) -> Iterator[Line]:
    """Yield the whole lines of a journal in order, without changing the file.

    A torn last line is left out. Without a `seal` nothing is known of the run that it belongs to. Raises
    StorageError for a missing file, for anything that is not as it was written, and for another version.
    """
    _refuse_missing(path, seal)
    try:
        with open_file(path) as file:
            at = 0
            for number, raw in _whole_lines(path, file, seal):
                yield Line(number=number, at=at, value=_parsed(path, number, raw))
                at += len(raw)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error


class JournalIndex:
    """Where in a journal the lines of each conversation begin, so that they are found again."""

    def __init__(self, path: Path, numbers: Numbers | None = None) -> None:
        self._path = path
        # Of each line the byte that it begins at, and which line of the same conversation came before it.
        self._begins, self._before = array("Q"), array("q")
        self.numbers = numbers or Numbers()
        """The numbers of the conversations, which others may share."""
        self._last = Column(self.numbers)

    def __iter__(self) -> Iterator[str]:
        """Yield the ids of the conversations that have lines."""
        return iter(self._last)

    def add(self, conversation_id: str, at: int) -> None:
        """Note that a line of a conversation begins at this byte."""
        self._before.append(self._last[conversation_id])
        self._begins.append(at)
        self._last[conversation_id] = len(self._begins) - 1

    def forget(self, conversation_id: str) -> None:
        """Let the lines of a conversation count no longer."""
        self._last[conversation_id] = NONE

    def values(self, conversation_id: str) -> Iterator[Mapping[str, Any]]:
        """Yield the JSON objects of the lines of a conversation, read again, in order."""
        places, line = array("Q"), self._last[conversation_id]
        while line != NONE:
            places.append(self._begins[line])
            line = self._before[line]
        with open_file(self._path) as file:
            for at in reversed(places):
                yield _line_at(self._path, file, at)


def _line_at(path: Path, file: BufferedReader, at: int) -> Mapping[str, Any]:
    """Return the JSON object of the line that begins at a byte; StorageError where there is none any more."""
    try:
        file.seek(at)
        raw = file.readline()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error
    if not _is_framed(raw):
        raise StorageError(f"{path} was changed while it was read; read it again, or {_RESTORE}")
    return _parsed(path, 0, raw)


def joined(run_id: str, journals: Iterable[tuple[Path, Seal]], *, ended_at: str | None) -> Iterator[bytes]:
    """Yield the lines of a new journal of a run: those of other journals, one after the other, and its end.

    What a line says stays as it is, byte by byte: only its number is another one, and with it its checksum.
    Raises StorageError as `read_lines` does.
    """
    yield _numbered(plain_json({"event": "journal", "version": VERSION, "run_id": run_id}), 0)
    seq = 1
    for path, seal in journals:
        _refuse_missing(path, seal)
        try:
            with open_file(path) as file:
                for number, raw in _whole_lines(path, file, seal):
                    if number > 1:
                        said = raw[_REST + len(_seq(number - 1)) :]
                        yield _framed_rest(_seq(seq) + said)
                        seq += 1
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error
    # How long it took is what they all took together, to which this adds nothing.
    ended: Mapping[str, Json] = {"at": ended_at, "duration_s": 0.0, "stop": None, "reason": None}
    yield _numbered(plain_json({"event": "run", "what": "ended", **ended}), seq)


@contextmanager
def held_still(path: Path, disk: Disk) -> Iterator[None]:
    """Let no process go on with the run of a journal during the block; InputError where one does."""
    try:
        descriptor = disk.open(path.resolve(), os.O_RDONLY)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        try:
            disk.lock(descriptor)
        except BlockingIOError as error:
            raise InputError(_held(path)) from error
        except OSError as error:
            raise StorageError(f"{path} cannot be locked: {error.strerror or error}") from error
        yield
    finally:
        disk.close(descriptor)


def torn_bytes(path: Path) -> int:
    """Return how many bytes at the end of a journal belong to no whole line."""
    size, _ = _whole_size(path, None)
    return path.stat().st_size - size


def refuse_if_held(path: Path, disk: Disk) -> None:
    """Raise InputError that names the process which has this journal open for appending, if there is one.

    What such a run came to is not known yet: nothing is judged by it, and nothing is taken from it. A process
    that writes for another one, which is dead, is about to end, and is waited for.
    """
    if not path.exists():
        return
    try:
        for left in reversed(range(_ORPHAN_TRIES)):
            descriptor = disk.open(path.resolve(), os.O_RDONLY)
            try:
                held = disk.is_locked(descriptor)
            finally:
                disk.close(descriptor)
            if not held:
                return
            if not left or not _is_orphaned(path):
                break
            time.sleep(_ORPHAN_TRY_S)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error
    raise InputError(_held(path))


class Journal:
    """The journal of a run, opened for appending by this process alone.

    What is there already is looked at before anything is changed: here as `read_lines` does it, and by
    `inspect`, which is called once the lock is held and may raise. `writes_for` is the id of the process that
    the run is played by, where that is another one.
    """

    def __init__(  # noqa: PLR0913 - keywords, but for the path
        self,
        path: Path,
        *,
        seal: Seal | None = None,
        inspect: Callable[[], object] = lambda: None,
        disk: Disk | None = None,
        redactor: Redactor | None = None,
        writes_for: int | None = None,
    ) -> None:
        _refuse_missing(path, seal)
        self.path = path
        self._writes_for = writes_for
        self._seal = seal
        self._disk: Disk = disk or LocalDisk()
        self._redactor = redactor or Redactor()
        self.torn = 0
        """How many bytes of a torn last line were cut off when it was opened."""
        self._broken: str | None = None
        self._written = 0
        self._durable = 0
        self._size = 0
        self._digest = hashlib.sha256()
        self.index = JournalIndex(path)
        """Where the lines lie that this process has written, by conversation."""
        self._sync: asyncio.Task[None] | None = None
        self._descriptor = self._open()
        try:
            self._seq = self._repair(inspect)
        except BaseException:
            self._disk.close(self._descriptor)
            raise

    @property
    def lines(self) -> int:
        """How many lines it has."""
        return self._seq

    @property
    def extent(self) -> Extent:
        """How far it goes."""
        return Extent(lines=self._seq, sha256=self._digest.hexdigest())

    def append(self, *events: Event) -> None:
        """Write events in one piece. After a StorageError the journal takes no further event.

        What was said is never rewritten: StorageError where the credential in use stands in it. What is said
        about it, such as an error, is written without the credential.
        """
        self.append_spelled([(event.conversation_id, spelled(event, self._redactor)) for event in events])

    def append_spelled(self, events: Sequence[tuple[str, str]]) -> None:
        """Write events in one piece that were `spelled` already, each behind the id of its conversation."""
        lines = [_numbered(text, at) for at, (_, text) in enumerate(events, start=self._seq)]
        at = self._size
        self._write(lines)
        for (conversation_id, _), line in zip(events, lines, strict=True):
            self.index.add(conversation_id, at)
            at += len(line)

    def append_run(self, what: str, **fields: Json) -> None:
        """Write a line on the run itself: that it was started, resumed, or ended and why."""
        value: Mapping[str, Json] = {"event": "run", "what": what, **fields}
        self._write([_numbered(_without_secrets(value, self._redactor), self._seq)])

    async def written(self) -> None:
        """Return at once: what `append` has written survives the death of the process."""

    async def synced(self) -> None:
        """Return when all that was appended so far is on the disk; waiters share one sync."""
        target = self._written
        while self._durable < target:
            self._refuse_if_broken()
            if self._sync is None:
                self._sync = asyncio.create_task(self._flush())
            await asyncio.shield(self._sync)
        self._refuse_if_broken()

    @contextmanager
    def lent(self) -> Iterator[Seal]:
        """Let another process append to the journal while the block runs: the lock is free meanwhile.

        Who takes it gets the seal of what must be there, and not a line more.
        """
        run_id = None if self._seal is None else self._seal.run_id
        extent = self.extent
        self.close()
        self._broken = f"{self.path} is lent to another process"
        self._seal = Seal(run_id=run_id, made_of=extent)
        try:
            yield self._seal
        except BaseException:
            # What has ended the block is told, not what may follow from it, such as a disk that is full.
            with suppress(ClaudeRunError):
                self._take_back()
            raise
        self._take_back()

    def _take_back(self) -> None:
        self._digest = hashlib.sha256()
        self._descriptor = self._open()
        self._seq = self._repair(lambda: None)
        self._broken = None

    async def settled(self) -> None:
        """Return when no sync is under way any more, so that the file may be closed."""
        if self._sync is not None:
            await asyncio.wait({self._sync})

    def close(self) -> None:
        """Close the file and release the lock; StorageError when the disk reports a late failure."""
        descriptor, self._descriptor = self._descriptor, _CLOSED
        if descriptor == _CLOSED:
            return
        try:
            self._disk.close(descriptor)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be closed: {error.strerror or error}") from error

    async def _flush(self) -> None:
        covers = self._written
        try:
            await asyncio.to_thread(self._disk.sync, self._descriptor)
            self._durable = max(self._durable, covers)
        except OSError as error:
            self._broken = f"{self.path} cannot be synced: {error.strerror or error}"
        finally:
            self._sync = None

    def _write(self, lines: Sequence[bytes]) -> None:
        self._refuse_if_broken()
        data = b"".join(lines)
        try:
            taken = self._disk.write(self._descriptor, data)
        except OSError as error:
            self._broken = f"{self.path} cannot be written: {error.strerror or error}"
            raise StorageError(self._broken) from error
        if taken != len(data):
            self._broken = (
                f"{self.path} cannot be written: the disk took {taken} of {len(data)} bytes; make room and"
                f" go on with `claude-run resume {self.path.parent}`"
            )
            raise StorageError(self._broken)
        self._seq += len(lines)
        self._written += len(lines)
        self._size += len(data)
        self._digest.update(data)

    def _refuse_if_broken(self) -> None:
        if self._broken is not None:
            raise StorageError(self._broken)

    def _open(self) -> int:
        try:
            descriptor = self._disk.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be opened: {error.strerror or error}") from error
        try:
            self._disk.lock(descriptor)
        except BlockingIOError as error:
            self._disk.close(descriptor)
            raise InputError(_held(self.path)) from error
        except OSError as error:
            self._disk.close(descriptor)
            raise StorageError(f"{self.path} cannot be locked: {error.strerror or error}") from error
        return descriptor

    def _repair(self, inspect: Callable[[], object]) -> int:
        """Cut off a torn last line, note who holds the lock, and return the next sequence number."""
        try:
            size, lines = _whole_size(self.path, self._seal, self._digest)
            if lines:
                inspect()
            if size < self.path.stat().st_size:
                self._set_aside(size)
            _note_holder(self._disk, self.path, writes_for=self._writes_for)
            sync_folder(self._disk, self.path.parent)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be repaired: {error.strerror or error}") from error
        self._seq, self._size = lines, size
        if lines == 0:
            whose = {} if self._seal is None else {"run_id": self._seal.run_id}
            header = plain_json({"event": "journal", "version": VERSION, **whose})
            self._write([_numbered(header, 0)])
        return max(lines, 1)

    def _set_aside(self, size: int) -> None:
        with open_file(self.path) as file:
            file.seek(size)
            torn = file.read()
        self.torn = len(torn)
        aside = self._disk.open(self.path.with_suffix(".torn"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            write_whole(self._disk, aside, torn + b"\n")
        finally:
            self._disk.close(aside)
        self._disk.truncate(self._descriptor, size)


def spelled(event: Event, redactor: Redactor) -> str:
    """Return an event as the JSON object that its line holds, but for its place.

    What was said is never rewritten: StorageError where the credential in use stands in it. What is said
    about it, such as an error, is written without the credential.
    """
    if not isinstance(event, Started | Asked | Replied):
        return _without_secrets(encode(event), redactor)
    text = plain_json(encode(event))
    if redactor.finds(text):
        raise StorageError(
            f"the credential in use stands in what {event.conversation_id} says, and is written nowhere: take"
            " it out of the texts and variables of the scenario"
        )
    return text


def _without_secrets(value: Mapping[str, Json], redactor: Redactor) -> str:
    text = plain_json(value)
    return plain_json(redactor.json(dict(value))) if redactor.finds(text) else text


def _numbered(text: str, at: int) -> bytes:
    """Return the line of a JSON object that comes at this place."""
    return _framed_rest(_seq(at) + text.encode()[1:] + b"\n")


def _framed_rest(rest: bytes) -> bytes:
    return b'%s%08x",%s' % (_PREFIX, zlib.crc32(rest), rest)


def _seq(number: int) -> bytes:
    """Return how a line begins after its checksum, by its place from 0."""
    return b'"seq":%d,' % number


def _refuse_missing(path: Path, seal: Seal | None) -> None:
    if seal is not None and seal.made_of is not None and not path.exists():
        raise StorageError(
            f"{path} is missing, though files beside it were made of it, so replies may be lost: restore"
            " it from a backup, or play the scenarios in a new run"
        )


def _whole_lines(path: Path, file: Iterable[bytes], seal: Seal | None) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of the whole lines; StorageError for what is not as it was written."""
    made_of = seal.made_of if seal is not None else None
    digest, whole, torn = hashlib.sha256(), 0, 0
    for number, raw in enumerate(file, start=1):
        if not raw.endswith(b"\n"):
            torn = 1
            break
        # The frame: a checksum over the rest, which begins with the place of the line.
        rest, seq = raw[_REST:], _seq(number - 1)
        if not _is_framed(raw):
            raise StorageError(f"{path}:{number}: this line is damaged, so replies may be lost; {_RESTORE}")
        if not rest.startswith(seq):
            found = _parsed(path, number, raw).get("seq")
            raise StorageError(
                f"{path}:{number}: here belongs seq {number - 1}, not {found}: lines were removed, added or"
                f" moved, so replies may be lost; {_RESTORE}"
            )
        if number == 1:
            _check_header(path, _parsed(path, number, raw), seal)
        # What other files were made of must still be there, and the same.
        whole = number
        if made_of is not None and made_of.sha256 is not None and number <= made_of.lines:
            digest.update(raw)
            if number == made_of.lines and digest.hexdigest() != made_of.sha256:
                raise StorageError(
                    f"{path}: its first {number} lines are not those that the files beside it were made of;"
                    " restore it from a backup"
                )
        yield number, raw
    if made_of is not None and whole + torn < made_of.lines:
        raise StorageError(
            f"{path} ends after {count(whole, 'whole line')}, though files beside it were made of at least"
            f" {made_of.lines}, so replies may be lost: {RESTORE_OR_REMOVE}"
        )


def _is_framed(raw: bytes) -> bool:
    return raw[:_REST] == b'%s%08x",' % (_PREFIX, zlib.crc32(raw[_REST:]))


def _check_header(path: Path, value: Mapping[str, Any], seal: Seal | None) -> None:
    if value.get("event") != "journal" or value.get("version") != VERSION:
        raise StorageError(f"{path} is not a journal of version {VERSION}, the one this version reads")
    if seal is not None and value.get("run_id") != seal.run_id:
        raise StorageError(
            f"{path} is the journal of another run than run.json beside it: put the files of one run together"
            " again, from a backup"
        )


def _parsed(path: Path, number: int, raw: bytes) -> Mapping[str, Any]:
    try:
        value = read_json(b"{" + raw[_REST:])
    except ValueError:
        value = None
    if not isinstance(value, dict) or not isinstance(value.get("event"), str):
        raise StorageError(f"{path}:{number}: this line is no event that a journal has; {_RESTORE}")
    return value


def _whole_size(path: Path, seal: Seal | None, digest: hashlib._Hash | None = None) -> tuple[int, int]:
    """Return how many bytes and lines of the file are whole; `digest` takes them in."""
    size = lines = 0
    with open_file(path) as file:
        for _, raw in _whole_lines(path, file, seal):
            size += len(raw)
            lines += 1
            if digest is not None:
                digest.update(raw)
    return size, lines


def _note_holder(disk: Disk, path: Path, *, writes_for: int | None) -> None:
    """Write down which process has the journal open, and on the next line for which other one, if any."""
    pids = [os.getpid()] if writes_for is None else [os.getpid(), writes_for]
    holder = disk.open(path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        write_whole(disk, holder, "".join(f"{pid}\n" for pid in pids).encode())
    finally:
        disk.close(holder)


def _holders(path: Path) -> Sequence[str]:
    """Return the processes that a journal's lock names, the writer first; nothing where that is unknown."""
    try:
        return read_file(path.with_suffix(".lock")).decode("ascii").split()
    except (OSError, UnicodeDecodeError):
        return ()


def _is_orphaned(path: Path) -> bool:
    """Return whether the journal is written for a process that is not there any more."""
    _, *writes_for = _holders(path) or ("",)
    try:
        os.kill(int(writes_for[0]), 0)
    except ProcessLookupError:
        return True
    except (IndexError, ValueError, OSError, OverflowError):
        return False
    return False


def _held(path: Path) -> str:
    pid = next(iter(_holders(path)), "unknown")
    return f"{path.parent}: the run is still going on (pid {pid}): wait for it to end"
