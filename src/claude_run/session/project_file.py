"""The project file: defaults of the options, beside the scenarios and in git. The command line wins."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_run.errors import InputError
from claude_run.record.project import (
    OUTPUTS,
    PROJECT_FILE,
    PYPROJECT,
    TABLE,
    ProjectFile,
    is_path,
    nearest_project_file,
    upwards,
)
from claude_run.scenario.diagnostics import InvalidScenarioError, Problems, did_you_mean
from claude_run.scenario.files import FileProblemError, read_regular
from claude_run.scenario.loader import find
from claude_run.scenario.model import Position
from claude_run.scenario.yaml_reader import MAX_BYTES
from claude_run.session.option_kinds import PATHS, listed, texts_of, wanted
from claude_run.session.options import build, nested_of, own_options_of
from claude_run.session.request import GateRequest, RunRequest, fitting

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from claude_run.scenario.source import Source
    from claude_run.session.options import Option

_HEADER = re.compile(r"[ \t]*\[{1,2}(?P<table>[^\[\]\n]+)\]")
_KEY = re.compile(
    r"""[ \t]*(?P<key>[\w.\"' -]*[\w\"'-])[ \t]*=[ \t]*(?P<value>"[^"\n]*"|'[^'\n]*'|[^#\n]*)"""
)
_TRIPLE = re.compile(r"\"{3}|'{3}")
_PART = re.compile(r"\"[^\"]*\"|'[^']*'|[^.\s]+")


def defaults(file: ProjectFile, cls: type) -> Mapping[str, Any]:
    """Return the values of the options that a project file sets, by name; those of a table in a mapping.

    `cls` declares the options: those with `project` may stand in the file, under their flags' names.
    InvalidScenarioError lists, with their places, all keys and values that make no sense.
    """
    reading = _Reading(file)
    values = reading.options(cls, file.table, (), others=(OUTPUTS,))
    outputs = file.table.get(OUTPUTS, OUTPUTS)
    if not is_path(outputs):
        reading.refuse((OUTPUTS,), f"`{OUTPUTS}` must be the path of a folder, not {_said(outputs)}")
    elif any(each.exists() and not each.is_dir() for each in _way_to(file.path.parent / outputs)):
        reading.refuse((OUTPUTS,), f"`{OUTPUTS}` must be the path of a folder, and a file is in its place")
    for key, value in values.get("gate", {}).items():
        try:
            GateRequest(**{key: value}).rules()
        except InputError as error:
            reading.refuse(("gate", key), str(error))
    if reading.problems:
        raise InvalidScenarioError(reading.problems)
    return values


class _Reading:
    """One reading of a project file, with the places of its keys and what is wrong with them."""

    def __init__(self, file: ProjectFile) -> None:
        self.problems = Problems()
        self._source = file.source
        self._folder = file.path.parent
        self._places = dict(_places(self._source, TABLE if file.path.name == PYPROJECT else ()))

    def options(
        self, cls: type, table: Mapping[str, Any], at: tuple[str, ...], *, others: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Return what a table says of the options of a dataclass; what is nested there is a table here."""
        options = {key_of(each): each for each in own_options_of(cls) if each.project}
        tables = dict(nested_of(cls))
        known = [*options, *tables, *others]
        values: dict[str, Any] = {}
        for key, value in table.items():
            place = (*at, key)
            if key in options:
                self._read(place, options[key], value, into=values)
            elif key in tables and isinstance(value, Mapping):
                values[key] = self.options(tables[key], value, place)
            elif key in tables:
                self.refuse(place, f"`{key}` must be a table, not {_said(value)}", hint=f"write [{key}]")
            elif key not in others:
                close = did_you_mean(key, known)
                where = f"the table `{'.'.join(at)}`" if at else "a project file"
                hint = f"did you mean `{close}`?" if close else f"known keys: {', '.join(sorted(known))}"
                self.refuse(place, f"unknown key `{key}` in {where}", hint=hint, at_key=True)
        return values

    def refuse(
        self, place: tuple[str, ...], message: str, *, hint: str | None = None, at_key: bool = False
    ) -> None:
        """Note a problem of a key, or of its value."""
        while place and place not in self._places:
            place, at_key = place[:-1], True  # an inline table: its key is what can be pointed at
        key, value, length = self._places.get(place, (_TOP, _TOP, 1))
        line, column = key if at_key else value
        position = Position(path=self._source.path, line=line, column=column)
        length = len(place[-1]) if at_key and place else length
        self._source.report(self.problems, position, message, hint=hint, length=length)

    def _read(self, place: tuple[str, ...], option: Option, value: object, *, into: dict[str, Any]) -> None:
        """Read a value as the command line would, under the name that it has here."""
        key = place[-1]
        texts = texts_of(option.kind, value)
        if texts is None or isinstance(texts, bool):
            self.refuse(place, f"`{key}` must be {wanted(option.kind)}, not {_said(value, within=True)}")
            return
        try:
            found = replace(option, flags=(key,)).read(texts)
        except InputError as error:
            self.refuse(place, str(error))
            return
        if option.kind is PATHS:
            paths = [self._folder / path for path in found]
            for path, written in zip(paths, texts, strict=True):
                if not path.is_file():
                    self.refuse(place, f"`{key}` names {written!r}, which is not a file beside this one")
            found = tuple(Path(os.path.relpath(path)) for path in paths)
        into[option.name] = found


_TOP = (1, 1)


def _said(value: object, *, within: bool = False) -> str:
    """Return what a value is in the words of TOML; `within`: with what stands in it and should not."""
    members = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    flat = [part for member in members for part in listed(member)]
    if within and flat:
        wrong = next((part for part in flat if not isinstance(part, str) or not part.strip()), None)
        return f"{_said(value)} with {'an odd name' if wrong is None else _said(wrong)} in it"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a text" if value.strip() else "an empty text"
    if isinstance(value, Mapping):
        return "a table"
    return "a list" if isinstance(value, list) else "a number" if isinstance(value, int | float) else "a date"


def _places(
    source: Source, ours: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], tuple[tuple[int, int], tuple[int, int], int]]]:
    """Yield each key of a TOML text as its path below `ours`, where it and its value begin, and its length.

    The parser of the standard library tells no places. What stands in an inline table is not looked at.
    """
    table: tuple[str, ...] = ()
    inside = False
    for number, line in enumerate(source.lines(), start=1):
        # What stands in a string of several lines is neither a table nor a key.
        was_inside, inside = inside, inside != (len(_TRIPLE.findall(line)) % 2 == 1)
        if was_inside:
            continue
        if (header := _HEADER.match(line)) is not None:
            table = _parts(header["table"])
            path, value, column = table, "", header.start("table") + 1
            start = column
        elif (found := _KEY.match(line)) is not None:
            path, value, column = (
                (*table, *_parts(found["key"])),
                found["value"].rstrip(),
                found.start("key") + 1,
            )
            start = found.start("value") + 1
        else:
            continue
        if path[: len(ours)] == ours:
            yield path[len(ours) :], ((number, column), (number, start), max(1, len(value)))


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def requested(given: Mapping[str, Any]) -> RunRequest:
    """Make a request of what was given, by option name, with the defaults of its scenarios' project."""
    project = find_project_file(given.get("paths", ()))
    return build(RunRequest, given, fitting(defaults(project, RunRequest), given) if project else {})


def key_of(option: Option) -> str:
    """Return the name of an option in the project file: its long flag, with `_` for `-`."""
    return option.flags[-1].removeprefix("--").replace("-", "_")


def _way_to(folder: Path) -> Sequence[Path]:
    return (folder, *folder.parents)


def find_project_file(paths: Sequence[str]) -> ProjectFile | None:
    """Return the nearest project file upwards from the scenarios, within their repository; None for none.

    InputError for one that cannot be read, and for scenarios of several projects.
    """
    found: dict[Path | None, tuple[ProjectFile | None, str]] = {}
    for folder, path in _folders(paths or (".",)).items():
        file = nearest_project_file(folder)
        found.setdefault(file.path if file else None, (file, path))
    if len(found) > 1:
        names = " and ".join(
            f"{path} to {file.source.path if file else 'none'}" for file, path in found.values()
        )
        raise InputError(f"these scenarios belong to several projects, {names}: play each by itself")
    return next((file for file, _ in found.values()), None)


def project_files_for(paths: Sequence[str]) -> Iterator[Path]:
    """Yield the files that `find_project_file` looks for, whether or not they are there."""
    folders = {folder for start in _folders(paths or (".",)) for folder in upwards(start)}
    return (folder / name for folder in sorted(folders) for name in (PROJECT_FILE, PYPROJECT))


def _folders(paths: Sequence[str]) -> dict[Path, str]:
    """Return the folders that the scenarios stand in, or would, each with one of them."""
    folders: dict[Path, str] = {}
    for path in paths:
        scenarios = [each.path for each in find([path])[0] if each.named or may_be_scenario(each.path)]
        for name in scenarios or [path]:
            # What is no path at all is told by whoever reads the scenario.
            with suppress(OSError, ValueError):
                place = Path(name).resolve()
                folders.setdefault(place if place.is_dir() else place.parent, name)
    return folders


def may_be_scenario(path: str) -> bool:
    """Return whether a YAML file of a folder may be a scenario, and not somebody else's."""
    try:
        return b"turns" in read_regular(Path(path), MAX_BYTES)
    except (OSError, FileProblemError):
        return False
