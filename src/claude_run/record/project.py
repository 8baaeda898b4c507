"""Where a project is: beside its project file, or the scenarios that `init` made, within one repository."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_run.record.disk import read_file

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT_FILE = "claude-run.toml"
"""The file of its own; `[tool.claude-run]` of a pyproject.toml is the same."""

PYPROJECT = "pyproject.toml"
SCHEMA = Path("scenarios", "claude-run.schema.json")
"""The schema that `init` writes beside the first scenario."""


def upwards(start: Path) -> Iterator[Path]:
    """Yield a folder and those above it, up to the one that holds the repository."""
    for folder in (start, *start.parents):
        yield folder
        if (folder / ".git").exists():
            return


def pyproject_table(path: Path) -> Mapping[str, Any] | None:
    """Return what a pyproject.toml says of us; None for nothing, and for a file that is none."""
    try:
        tools = tomllib.loads(read_file(path).decode()).get("tool", {})
    except (OSError, ValueError):
        return None
    table = tools.get("claude-run") if isinstance(tools, Mapping) else None
    return table if isinstance(table, Mapping) else None


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
    if (folder / PROJECT_FILE).is_file() or (folder / SCHEMA).is_file():
        return True
    return pyproject_table(folder / PYPROJECT) is not None
