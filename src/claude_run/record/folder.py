"""The run folder: where it is, who may read it, what it holds, and which one is the latest."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.errors import ClaudeRunError, InputError, StorageError
from claude_run.record.disk import LocalDisk, open_file, read_file, replace_file, sync_folder
from claude_run.record.history import History, Told, read_history, read_told
from claude_run.record.journal import Extent, Journal, Seal, refuse_if_held
from claude_run.record.made_of import DERIVED, MadeOf, refuse_less, replies_told
from claude_run.record.project import OUTPUTS, nearest_project_file, project_of
from claude_run.record.redact import Redactor
from claude_run.record.run import Run, planned_or_other
from claude_run.text.strict_json import json_pieces, read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from claude_run.conversation.log import ConversationLog
    from claude_run.record.disk import Disk
    from claude_run.record.numbers import Numbers
    from claude_run.record.records import Figures
    from claude_run.scenario.json_values import Json

LATEST = "latest"
IGNORE = "*\n!.gitignore\n"
"""The content of `outputs/.gitignore`: runs stay out of git."""

_MAX_SLUG = 60


class RunFolder:
    """The files of one run; what `redactor` knows as secret does not enter its journal."""

    def __init__(self, path: Path, *, disk: Disk | None = None, redactor: Redactor | None = None) -> None:
        self.path = path
        self.disk: Disk = disk or LocalDisk()
        self.redactor = redactor or Redactor()

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def run_json(self) -> Path:
        return self.path / "run.json"

    @property
    def transcripts(self) -> Path:
        return self.path / "transcripts.jsonl"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @classmethod
    def create(  # noqa: PLR0913 - keywords, but for the run
        cls,
        run: Run,
        *,
        out: Path | None,
        stamp: str,
        latest: bool = True,
        disk: Disk | None = None,
        redactor: Redactor | None = None,
    ) -> RunFolder:
        """Make a new run folder and write `run.json`, which proves before any request that it can be written.

        `out` names the folder itself, new or empty; without it the folder is `outputs/<stamp>-<name>`.
        `outputs/latest` points to it, unless `latest` is off. Raises InputError when `out` holds anything or
        a secret stands in the run's names, StorageError when it cannot be made.
        """
        folder = cls._claimed(run, out=out, stamp=stamp, disk=disk, redactor=redactor)
        folder.write_json("run.json", run.to_json())
        # What was planned, and only then the link: `latest` never points to a folder that cannot be opened.
        if latest:
            _make_latest(folder, named=out is not None)
        return folder

    @classmethod
    def create_whole(  # noqa: PLR0913 - keywords, but for the run and its journal
        cls,
        run: Run,
        journal: Iterable[bytes],
        *,
        out: Path | None,
        stamp: str,
        disk: Disk | None = None,
        redactor: Redactor | None = None,
    ) -> RunFolder:
        """Make a run folder that holds a journal from the start: it is there with all of it, or not at all.

        Who is killed on the way leaves an empty folder, and beside it a hidden one, in which `run.json` comes
        last: without it no folder is taken for a run. Raises what `create` does, and what making the lines
        of `journal` does.
        """
        folder = cls._claimed(run, out=out, stamp=stamp, disk=disk, redactor=redactor)
        target = Path(os.path.realpath(folder.path))
        aside = cls(target.with_name(f".{target.name}.{secrets.token_hex(4)}"), disk=disk, redactor=redactor)
        try:
            aside.disk.make_folder(aside.path)
            replace_file(aside.disk, aside.journal, journal)
            aside.write_json("run.json", run.to_json())
            for left in target.iterdir():
                left.unlink()
            aside.disk.replace(aside.path, target)
            sync_folder(aside.disk, target.parent)
        except OSError as error:
            raise StorageError(f"{folder.path} cannot be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(aside.path, ignore_errors=True)
        _make_latest(folder, named=out is not None)
        return folder

    @classmethod
    def _claimed(
        cls, run: Run, *, out: Path | None, stamp: str, disk: Disk | None, redactor: Redactor | None
    ) -> RunFolder:
        """Return the folder of a new run, made, and empty but for what was never a run."""
        path = out if out is not None else outputs() / f"{stamp}-{slug(run.name)}"
        if any(map((redactor or Redactor()).finds, json_pieces(run.to_json()))):
            raise InputError(
                "the credential in use stands in the options or the names of this run, and is written"
                " nowhere: take it out of the command, of --set, and of names and paths"
            )
        # The folder: a fresh one, or the one that was asked for, unless it holds anything.
        try:
            folder = cls(path, disk=disk, redactor=redactor)
            if out is None or _is_within(path, outputs()):
                make_outputs(folder.disk)
            if out is None:
                folder.path = _make_fresh(folder.disk, path)
            elif folder.journal.exists() or folder.run_json.exists():
                refuse_if_held(folder.journal, folder.disk)
                raise InputError(
                    f"{path} already holds a run: go on with `claude-run resume {path}`,"
                    " or name another folder with -o"
                )
            elif path.is_dir():
                # What a run that was killed here before it began has left is nobody's.
                others = (each.name for each in path.iterdir() if not each.name.startswith(".run.json."))
                if (other := next(others, None)) is not None:
                    raise InputError(
                        f"{path} is not empty, it holds {other}: name a new folder with -o, so that a run"
                        " never mixes with other files"
                    )
            else:
                folder.disk.make_folder(path)
        except OSError as error:
            raise StorageError(f"{path} cannot be created: {error.strerror or error}; pass -o DIR") from error
        return folder

    @classmethod
    def open(cls, path: Path, *, disk: Disk | None = None, redactor: Redactor | None = None) -> RunFolder:
        """Open the folder of an earlier run; InputError when there is none, or it is still going on."""
        folder = cls(standing(path), disk=disk, redactor=redactor)
        path = folder.path
        if not folder.run_json.exists():
            hint = "no run was made yet" if path.name == LATEST else "name a folder that claude-run wrote"
            raise InputError(f"{path} holds no run: {hint}")
        refuse_if_held(folder.journal, folder.disk)
        return folder

    def read_run(self) -> Run:
        """Read `run.json`; StorageError when it is damaged."""
        try:
            value = read_json(read_file(self.run_json), unique_keys=True, made=planned_or_other)
        except OSError as error:
            raise StorageError(f"{self.run_json} cannot be read: {error.strerror or error}") from error
        except ValueError as error:
            raise StorageError(f"{self.run_json} is not valid JSON: {error}") from error
        return Run.from_json(value, path=str(self.run_json))

    def write_json(self, name: str, value: Json) -> None:
        """Write a JSON file for people and programs, atomically."""
        self.write(name, json_parts(value))

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """Write a derived file, atomically; `parts` may be produced one by one."""
        replace_file(self.disk, self.path / name, parts)

    def open_journal(self, run: Run | None = None) -> tuple[Journal, History]:
        """Open the journal for appending, and return what it tells so far; `run` is known of a new one.

        InputError while another process has it open; StorageError, before anything is changed, where it is
        not what the other files say.
        """
        history, seal = History(logs={}), self.seal(run or self.read_run())

        def inspect() -> None:
            nonlocal history
            history = self.read_history()
            if seal.made_of is not None and history.lines < seal.made_of.lines:
                # Its last line is torn, and will not be there again: what was made of it is made anew.
                for path in self.derived():
                    path.unlink()

        journal = Journal(self.journal, seal=seal, inspect=inspect, disk=self.disk, redactor=self.redactor)
        return journal, history

    def remove_unpaid(self) -> None:
        """Remove the folder, unless anything was sent to the API for it, or somebody has it open."""
        try:
            journal, history = self.open_journal()
        except ClaudeRunError:
            return  # held by another process, or damaged: nobody can say that nothing of it is worth keeping
        with closing(journal):
            if history.attempts() and not self.read_run().simulated:
                return
            # Under a name that nobody looks at, so that no half of a run is ever found.
            aside = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
            with suppress(OSError):
                self.disk.replace(self.path, aside)
                shutil.rmtree(aside, ignore_errors=True)

    def read_history(self) -> History:
        """Read the journal; StorageError where it is damaged, or not what the other files say."""
        run = self.read_run()
        history = read_history(self.journal, run, seal=self.seal(run))
        self._refuse_lost(lambda: history)
        return history

    def read_told(self, run: Run, add_up: Callable[[ConversationLog], Figures], numbers: Numbers) -> Told:
        """Read the journal as `read_history` does, and keep figures; `add_up` makes those of a log.

        What is kept of each conversation is found by its number.
        """
        seal = self.seal(run)
        told = read_told(self.journal, run, seal=seal, add_up=add_up, numbers=numbers)
        self._refuse_lost(lambda: read_history(self.journal, run, seal=seal))
        return told

    def derived(self) -> list[Path]:
        """Return the files that were made of the journal, as far as they are there."""
        return [path for name in DERIVED if (path := self.path / name).exists()]

    def made_of(self) -> MadeOf | None:
        """Return what the derived files were made of, as `summary.json` says it; None where it does not."""
        try:
            return MadeOf.from_json(read_json(read_file(self.summary), made=MadeOf.part))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # derived files can be made anew, whatever has become of them

    def seal(self, run: Run) -> Seal:
        """Return what the files beside the journal say of it."""
        if (made := self.made_of()) is not None:
            return Seal(run_id=run.run_id, made_of=made.journal)
        # A file that says nothing of how it was made was made of something all the same.
        return Seal(run_id=run.run_id, made_of=Extent(lines=1, sha256=None) if self.derived() else None)

    def _refuse_lost(self, history: Callable[[], History]) -> None:
        """Raise StorageError unless the journal still holds all that the derived files were made of.

        `summary.json` says how far it went, for the transcripts that it was written with. Where it does not,
        the transcripts speak for themselves. Where nothing speaks, nothing is believed.
        """
        made, transcripts = self.made_of(), b""
        with suppress(OSError):
            with open_file(self.transcripts) as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if made is not None and made.transcripts_sha256 == digest:
                return
            transcripts = read_file(self.transcripts)
        if (told := replies_told(transcripts)) is not None:
            refuse_less(self.journal, history(), told)
        elif made is None and (derived := self.derived()):
            names = " and ".join(path.name for path in derived)
            raise StorageError(
                f"{self.journal}: nothing says how far it went when {names} beside it"
                f" {'was' if len(derived) == 1 else 'were'} made of it, so replies may be lost: restore"
                " summary.json or transcripts.jsonl from a backup, or remove what is left of such files to"
                " go on with what the journal holds"
            )


def json_parts(value: Json) -> Iterator[bytes]:
    """Yield the content of a JSON file for people and programs, piece by piece."""
    return (piece.encode() for piece in json_pieces(value))


def outputs() -> Path:
    """Return the folder of runs, seen from here: where the nearest project file upwards says.

    Where none says anything they are in `outputs/` beside it, or beside the scenarios that `init` made,
    within the repository; without those too, runs land here.
    """
    file = nearest_project_file(Path.cwd())
    if file is not None and (named := file.outputs) is not None:
        return Path(os.path.relpath(named))
    folder = project_of(Path.cwd())
    return Path(OUTPUTS) if folder is None else Path(os.path.relpath(folder / OUTPUTS))


def standing(path: Path) -> Path:
    """Return what a path, or the folder that it lies in, is called for good.

    `outputs/latest` is a moving name: whoever reads a message wants to know which run it was, and a run that
    goes on later wants the same one.
    """
    if path.is_symlink():
        return Path(os.path.normpath(path.parent / path.readlink()))
    if path.parent.is_symlink():
        return standing(path.parent) / path.name
    return path


def make_outputs(disk: Disk) -> None:
    """Make the folder of runs where it is missing, with a `.gitignore` of its own."""
    folder = outputs()
    if not folder.exists():
        with suppress(FileExistsError):  # another run has just made it
            disk.make_folder(folder)
            replace_file(disk, folder / ".gitignore", [IGNORE.encode()])


def latest() -> Path:
    """Return the path that points to the newest run, wherever that lies."""
    return outputs() / LATEST


def slug(text: str) -> str:
    """Return a file name of `a-z 0-9 . _ -`, at most 60 characters, for any text."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-.")
    return plain[:_MAX_SLUG].rstrip("-.") or "run"


def _is_within(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _make_fresh(disk: Disk, path: Path) -> Path:
    """Make the folder, numbered where another run of the same second already took its name."""
    candidate, number = path, 1
    while True:
        try:
            disk.make_folder(candidate)
        except FileExistsError:
            number += 1
            candidate = path.with_name(f"{path.name}-{number}")
        else:
            return candidate


def _make_latest(folder: RunFolder, *, named: bool) -> None:
    """Let `latest` point to a folder; one that the user has `named` may be the first of all."""
    if named:
        # Where there can be no such folder, there is no older run to be taken for this one.
        with suppress(OSError):
            make_outputs(folder.disk)
    if outputs().is_dir():
        _point_latest(folder.disk, folder.path)


def _point_latest(disk: Disk, path: Path) -> None:
    """Let `outputs/latest` point to the folder, replacing the old link at once."""
    link = latest()
    aside = link.with_name(f".latest-{secrets.token_hex(4)}")
    try:
        disk.link(os.path.relpath(path, link.parent), aside)
        disk.replace(aside, link)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise StorageError(f"{link} cannot be replaced: {error.strerror or error}; remove it") from error
