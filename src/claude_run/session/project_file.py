"""The project file: defaults of the options, beside the scenarios and in git. The command line wins."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_run.errors import InputError
from claude_run.record.disk import read_file
from claude_run.record.project import PROJECT_FILE, PYPROJECT, pyproject_table, upwards
from claude_run.scenario.diagnostics import did_you_mean
from claude_run.session.options import PATHS, options_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_run.session.options import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """A file that was found, its text, and what it says of us."""

    path: Path
    text: str
    table: Mapping[str, Any]

    def defaults(self, cls: type) -> Mapping[str, Any]:
        """Return the values of the options that it sets, by name; InputError for anything that is none.

        `cls` declares the options; those with `project` may stand in the file, under their flags' names.
        """
        known = {key_of(each): each for each in options_of(cls) if each.project}
        values: dict[str, Any] = {}
        for key, value in self.table.items():
            if key not in known:
                close = did_you_mean(key, known)
                hint = f"did you mean `{close}`?" if close else f"there are {', '.join(sorted(known))}"
                raise InputError(f"{self._place(key)}: a project file has no `{key}`: {hint}")
            option = known[key]
            try:
                found = option.read(self._given(key, value, option))
            except InputError as error:
                raise InputError(f"{self._place(key)}: {error}") from error
            values[option.name] = self._beside(found) if option.kind is PATHS else found
        return values

    def _given(self, key: str, value: object, option: Option) -> str | list[str]:
        """Return a value as the command line would give it."""
        if isinstance(value, Mapping):
            pairs = ((name, part) for name, parts in value.items() for part in _listed(parts))
            given: object = [f"{name}={part}" for name, part in pairs]
        else:
            given = _listed(value) if option.kind.several else value
        texts = given if isinstance(given, list) else [given]
        numbers = not isinstance(value, Mapping)
        if any(isinstance(each, bool) or not isinstance(each, str | (int | float)) for each in texts) or (
            option.kind.several and numbers and not all(isinstance(each, str) for each in texts)
        ):
            raise InputError(f"`{key}` is not a value that {option.flags[-1]} takes")
        written = [f"{Decimal(str(each)):f}" if isinstance(each, float) else str(each) for each in texts]
        return written if isinstance(given, list) else written[0]

    def _beside(self, paths: Sequence[Path]) -> tuple[Path, ...]:
        return tuple(Path(os.path.relpath(self.path.parent / path)) for path in paths)

    def _place(self, key: str) -> str:
        """Return file and line of a key, as far as the text shows it."""
        start = max(0, self.text.find("[tool.claude-run"))
        pattern = re.compile(rf"^[ \t]*(?:\[(?:tool\.claude-run\.)?)?[\"']?{re.escape(key)}\b", re.MULTILINE)
        found = pattern.search(self.text, start)
        line = self.text.count("\n", 0, found.start()) + 1 if found else 1
        return f"{os.path.relpath(self.path)}:{line}"


def key_of(option: Option) -> str:
    """Return the name of an option in the project file: its long flag, with `_` for `-`."""
    return option.flags[-1].removeprefix("--").replace("-", "_")


def find_project_file(paths: Sequence[str]) -> ProjectFile | None:
    """Return the nearest project file upwards from the scenarios, within their repository; None for none.

    InputError for one that cannot be read, and for scenarios of several projects.
    """
    found = {each.path: each for path in paths or (".",) if (each := _nearest(Path(path))) is not None}
    if len(found) > 1:
        names = " and ".join(os.path.relpath(path) for path in found)
        raise InputError(f"these scenarios belong to several projects, {names}: play each by itself")
    return next(iter(found.values()), None)


def _nearest(path: Path) -> ProjectFile | None:
    try:
        start = path.resolve()
    except (OSError, ValueError):
        return None  # no path at all: whoever reads the scenario says what is wrong with it
    for folder in upwards(start):
        if (own := _read(folder / PROJECT_FILE)) is not None:
            return own
        shared = folder / PYPROJECT
        if (table := pyproject_table(shared)) is not None:
            return ProjectFile(path=shared, text=read_file(shared).decode(), table=table)
    return None


def _read(path: Path) -> ProjectFile | None:
    try:
        text = read_file(path).decode()
        return ProjectFile(path=path, text=text, table=tomllib.loads(text))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{os.path.relpath(path)} cannot be read: {error}; it must be valid TOML") from error


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [value]
