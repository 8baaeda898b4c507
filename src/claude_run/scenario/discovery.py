"""From paths, folders and globs on the command line to scenario files."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.scenario.diagnostics import Diagnostic, did_you_mean
from claude_run.scenario.model import Position

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SUFFIXES = (".yaml", ".yml")
# Folders that hold other people's files or our own output; hidden ones are skipped as well.
_UNRELATED = frozenset({"__pycache__", "__snapshots__", "node_modules", "outputs", "venv"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file to read. `named` tells that the user named it, rather than a folder or a pattern above it."""

    path: str
    named: bool


def find(paths: Sequence[str]) -> tuple[tuple[Found, ...], tuple[Diagnostic, ...]]:
    """Return the files that the paths mean, each once, and a problem for each path that means none."""
    files: dict[str, Found] = {}
    problems: list[Diagnostic] = []
    for path in paths:
        found = list(_expand(path))
        if not found:
            problems.append(_nothing(path))
        for file in found:
            real = os.path.realpath(file.path)
            if real not in files or (file.named and not files[real].named):
                files[real] = file
    return tuple(files.values()), tuple(problems)


def _expand(path: str) -> Iterator[Found]:
    if "\0" in path:
        return
    if Path(path).is_dir():
        yield from _folder(path)
    elif os.path.lexists(path):
        yield Found(path=path, named=True)
    elif glob.has_magic(path):
        for match in sorted(glob.glob(path, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
            if Path(match).is_dir():
                yield from _folder(match) if not path.endswith("**") else ()
            elif match.endswith(_SUFFIXES):
                yield Found(path=match, named=False)


def _folder(path: str) -> Iterator[Found]:
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _UNRELATED)
        for name in sorted(names):
            if name.endswith(_SUFFIXES) and not name.startswith("."):
                yield Found(path=str(Path(folder) / name), named=False)


def _nothing(path: str) -> Diagnostic:
    position = Position(path=path, line=1, column=1)
    if "\0" not in path and Path(path).is_dir():
        message, hint = "no scenario in this folder", "scenarios end in .yaml or .yml"
    elif glob.has_magic(path):
        message, hint = "no file matches this pattern", "quote it, and see that it ends in .yaml"
    else:
        message, hint = "no such file or folder", _similar(path)
    return Diagnostic(position=position, message=message, hint=hint)


def _similar(path: str) -> str:
    target = Path(path)
    try:
        names = sorted(entry.name for entry in target.parent.iterdir())
    except (OSError, ValueError):
        names = []
    close = did_you_mean(target.name, names)
    return f"did you mean `{target.parent / close}`?" if close else "check the path"
