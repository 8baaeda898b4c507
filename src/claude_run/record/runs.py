"""The runs of a project in the order in which they were played, wherever they lie: a list in `outputs/`.

`outputs/runs.jsonl` holds a line for each time that a run was started or gone on with: its path, seen from
`outputs/`, as JSON text. Times of files and names of folders tell nothing of that order.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.errors import InputError, StorageError
from claude_run.record.disk import read_file, write_whole
from claude_run.record.folder import latest, outputs
from claude_run.text.strict_json import plain_json, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from claude_run.record.disk import Disk

_NAME = "runs.jsonl"


def note_played(disk: Disk, folder: Path) -> None:
    """Add a run to the end of the list, where there is an `outputs/`; StorageError where it takes no line."""
    if not outputs().is_dir():
        return
    path = outputs() / _NAME
    line = plain_json(os.path.relpath(folder, outputs())).encode() + b"\n"
    try:
        if path.exists() and not read_file(path).endswith(b"\n"):
            line = b"\n" + line  # whoever wrote last was killed in mid-line
        descriptor = disk.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            write_whole(disk, descriptor, line)
        finally:
            disk.close(descriptor)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error


def runs_played() -> Iterator[Path]:
    """Yield the folders of all runs that are still there, the one that was played last first.

    InputError where there is none.
    """
    names = [*_listed()]
    link = latest()
    if link.is_symlink() and (newest := str(link.readlink())) not in names:
        names.append(newest)  # an earlier version, which kept no list, has made it
    folders = (Path(os.path.normpath(outputs() / name)) for name in dict.fromkeys(reversed(names)))
    there = [folder for folder in folders if (folder / "run.json").exists()]
    if not there:
        raise InputError(f"{link} holds no run: no run was made yet")
    yield from there


def _listed() -> Iterator[str]:
    path = outputs() / _NAME
    try:
        data = read_file(path) if path.exists() else b""
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error
    for line in data.split(b"\n"):
        # A line that was torn is of a run that was killed before it sent anything: there is nothing to know.
        with suppress(ValueError):
            if isinstance(name := read_json(line), str):
                yield name
