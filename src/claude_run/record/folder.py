"""The run folder: where it is, who may read it, what it holds, and which one is the latest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.errors import InputError, StorageError
from claude_run.record.disk import LocalDisk, replace_file
from claude_run.record.journal import Journal, refuse_if_held
from claude_run.record.redact import Redactor
from claude_run.record.run import Run
from claude_run.text.strict_json import plain_json, read_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from claude_run.record.disk import Disk
    from claude_run.scenario.model import Json

OUTPUTS = Path("outputs")
LATEST = "latest"
_MAX_SLUG = 60


class RunFolder:
    """The files of one run; what `redactor` knows as secret enters none of them."""

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

    @classmethod
    def create(
        cls,
        run: Run,
        *,
        out: Path | None,
        stamp: str,
        disk: Disk | None = None,
        redactor: Redactor | None = None,
    ) -> RunFolder:
        """Make a new run folder and write `run.json`, which proves before any request that it can be written.

        `out` names the folder itself; without it the folder is `outputs/<stamp>-<name>` and `outputs/latest`
        points to it. Raises InputError when `out` already holds a run, StorageError when it cannot be made.
        """
        path = out if out is not None else OUTPUTS / f"{stamp}-{slug(run.name)}"
        # The folder: a fresh one, or the one that was asked for, unless it already holds a run.
        try:
            folder = cls(path, disk=disk, redactor=redactor)
            if out is None:
                folder.path = _make_fresh(folder.disk, path)
            elif folder.journal.exists() or folder.run_json.exists():
                if folder.journal.exists():
                    refuse_if_held(folder.journal, folder.disk)
                raise InputError(
                    f"{path} already holds a run: pass --resume {path}, or another folder with -o"
                )
            elif not path.is_dir():
                folder.disk.make_folder(path)
        except OSError as error:
            raise StorageError(f"{path} cannot be created: {error.strerror or error}; pass -o DIR") from error
        # What was planned, and only then the link: `latest` never points to a folder that cannot be opened.
        folder.write_json("run.json", run.to_json())
        if out is None:
            _point_latest(folder.disk, folder.path)
        return folder

    @classmethod
    def open(cls, path: Path, *, disk: Disk | None = None, redactor: Redactor | None = None) -> RunFolder:
        """Open the folder of an earlier run; InputError when there is none."""
        folder = cls(path, disk=disk, redactor=redactor)
        if not folder.run_json.is_file():
            hint = "no run was made yet" if path.name == LATEST else "name a folder that claude-run wrote"
            raise InputError(f"{path} holds no run: {hint}")
        return folder

    def read_run(self) -> Run:
        """Read `run.json`; StorageError when it is damaged."""
        try:
            value = read_json(self.run_json.read_bytes())
        except OSError as error:
            raise StorageError(f"{self.run_json} cannot be read: {error.strerror or error}") from error
        except ValueError as error:
            raise StorageError(f"{self.run_json} is not valid JSON: {error}") from error
        return Run.from_json(value, path=str(self.run_json))

    def write_json(self, name: str, value: Json) -> None:
        """Write a JSON file for people and programs, atomically."""
        self.write(name, [plain_json(self.redactor.json(value), indent=2).encode() + b"\n"])

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """Write a derived file, atomically; `parts` may be produced one by one."""
        replace_file(self.disk, self.path / name, map(self.redactor.data, parts))

    def open_journal(self) -> Journal:
        """Open the journal for appending; InputError while another process has it open."""
        return Journal(self.journal, disk=self.disk, redactor=self.redactor)


def latest() -> Path:
    """Return the path that points to the newest run."""
    return OUTPUTS / LATEST


def slug(text: str) -> str:
    """Return a file name of `a-z 0-9 . _ -`, at most 60 characters, for any text."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-.")
    return plain[:_MAX_SLUG].rstrip("-.") or "run"


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


def _point_latest(disk: Disk, path: Path) -> None:
    """Let `latest` point to the folder, replacing the old link at once."""
    aside = path.with_name(f".latest-{path.name}")
    try:
        disk.link(path.name, aside)
        disk.replace(aside, path.with_name(LATEST))
    except OSError as error:
        aside.unlink(missing_ok=True)
        link = path.with_name(LATEST)
        raise StorageError(f"{link} cannot be replaced: {error.strerror or error}; remove it") from error
