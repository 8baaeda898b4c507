"""Where a project is: beside its project file, or the scenarios that `init` made, within one repository."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_run.errors import InputError
from claude_run.record.disk import read_file
from claude_run.scenario.diagnostics import InvalidScenarioError
from claude_run.scenario.model import Position
from claude_run.scenario.source import Source, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT_FILE = "claude-run.toml"
"""The file of its own; `[tool.claude-run]` of a pyproject.toml is the same."""

PYPROJECT = "pyproject.toml"
TABLE = ("tool", "claude-run")
"""Where a pyproject.toml speaks of us."""

OUTPUTS = "outputs"
"""The folder of runs, and the key of a project file that gives it another name or place."""

SCHEMA = Path("scenarios", "claude-run.schema.json")
"""The schema that `init` writes beside the first scenario."""

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """A file that was found, its text, and what it says of us."""

    path: Path
    source: Source
    table: Mapping[str, Any]

    @property
    def outputs(self) -> Path | None:
        """The folder of runs that it names; None where it names none, InputError for what is no folder."""
        named: object = self.table.get(OUTPUTS)
        if named is None:
            return None
        if not is_path(named):
            raise InputError(f"{self.source.path}: `{OUTPUTS}` must be the path of a folder")
        return self.path.parent / str(named)


def is_path(value: object) -> bool:
    """Return whether a value of a project file can be a path."""
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value


def upwards(start: Path) -> Iterator[Path]:
    """Yield a folder and those above it, up to the one that holds the repository."""
    for folder in (start, *start.parents):
        yield folder
        if (folder / ".git").exists():
            return


def nearest_project_file(start: Path) -> ProjectFile | None:
    """Return the nearest project file upwards, None for none; InputError for one that cannot be read."""
    return next(filter(None, map(_project_file_in, upwards(start))), None)


def project_of(start: Path) -> Path | None:
    """Return the nearest folder of a project upwards; None for none."""
    return next(filter(_is_project, upwards(start)), None)


def project_root(folder: Path) -> Path:
    """Return the folder that holds all of a project: its repository, or where its project file is."""
    start = folder.resolve()
    *_, highest = upwards(start)
    if (highest / ".git").exists():
        return highest
    return project_of(start) or start


def _is_project(folder: Path) -> bool:
    return (folder / SCHEMA).is_file() or _project_file_in(folder) is not None


def _project_file_in(folder: Path) -> ProjectFile | None:
    path = folder / PROJECT_FILE
    try:
        source = decode(os.path.relpath(path), read_file(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        if path.is_symlink():
            raise InputError(
                f"{os.path.relpath(path)} is a link to nothing: mend it, or remove it"
            ) from error
        return _shared_file_in(folder)
    except OSError as error:
        raise InputError(f"{os.path.relpath(path)} cannot be read: {error.strerror or error}") from error
    return ProjectFile(path=path, source=source, table=_parsed(source))


def _shared_file_in(folder: Path) -> ProjectFile | None:
    """Return what a pyproject.toml says of us; what never names us may be whatever it likes."""
    path = folder / PYPROJECT
    try:
        data = read_file(path)
    except OSError:
        return None
    _, name = TABLE
    if name.encode() not in data:
        return None
    source = decode(os.path.relpath(path), data)
    tools = _parsed(source).get("tool", {})
    table = tools.get(name) if isinstance(tools, Mapping) else None
    if table is not None and not isinstance(table, Mapping):
        raise InputError(f"{source.path}: `{'.'.join(TABLE)}` must be a table: write [{'.'.join(TABLE)}]")
    return None if table is None else ProjectFile(path=path, source=source, table=table)


def _parsed(source: Source) -> Mapping[str, Any]:
    try:
        return tomllib.loads(source.text)
    except ValueError as error:
        words = str(error)
        found = _PLACE.search(words)
        place = source.position(len(source.text.rstrip()))
        if found and found[1]:
            place = Position(path=source.path, line=int(found[1]), column=int(found[2]))
        message = f"the file is not valid TOML: {_PLACE.sub('', words)}"
        raise InvalidScenarioError([source.problem(place, message)]) from error
    except RecursionError as error:
        raise InputError(f"{source.path} is nested too deeply to be read") from error
