"""From paths, folders and globs to scenarios: every file read, every problem of all of them in one go."""

from __future__ import annotations

import gc
import glob
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from claude_run.scenario.at_line import at_lines, last_line, split_line
from claude_run.scenario.beside import SUFFIXES, shared_baselines
from claude_run.scenario.diagnostics import (
    Diagnostic,
    InvalidScenarioError,
    Problems,
    did_you_mean,
    found_out,
)
from claude_run.scenario.files import FileProblemError, read_regular
from claude_run.scenario.model import Position
from claude_run.scenario.scenario_file import read_scenario
from claude_run.scenario.source import decode
from claude_run.scenario.variables import unknown_overrides
from claude_run.scenario.yaml_reader import MAX_BYTES, parse
from claude_run.scenario.yaml_tree import MappingNode, to_json
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from claude_run.scenario.model import Scenario
    from claude_run.scenario.scenario_file import ReadResult
    from claude_run.scenario.source import Source
    from claude_run.scenario.vocabulary import Vocabulary
    from claude_run.scenario.yaml_reader import Document

    Inspect: TypeAlias = Callable[[Scenario, "Noticed"], Iterable[Diagnostic]]

# Folders that hold other people's files or our own output; hidden ones are skipped as well.
_UNRELATED = frozenset({"__pycache__", "__snapshots__", "node_modules", "outputs", "venv"})
_WORD = re.compile(r"[^\s:,\]}]+")
_MAGIC = re.compile(r"[*?[]")

# Keys that tell a scenario whose turns were forgotten from YAML of another kind.
_TELLING = frozenset({"system", "model", "models", "cases", "vars", "variants", "expect", "pass_rate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file to read. `named` tells that the user named it, rather than a folder or a pattern above it.

    `lines` are those by which alone it was named; none where all of it is meant.
    """

    path: str
    named: bool
    lines: frozenset[int] = frozenset()

    def joined(self, other: Found) -> Found:
        """Return what both mean, where they are the same file."""
        both = other if other.named and not self.named else self
        return replace(both, lines=self.lines | other.lines if self.lines and other.lines else frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """What is no problem by itself: what the reader of a scenario warns of, and whoever knows more."""

    problems: Problems
    source: Source

    def warn(self, found: Iterable[Diagnostic]) -> None:
        """Add warnings, each with the line that it is about."""
        self.problems.extend(_with_line(each, self.source) for each in found)


def load(
    paths: Sequence[str],
    *,
    vocabulary: Vocabulary,
    overrides: Mapping[str, str] | None = None,
    file_root: str | None = None,
    inspect: Inspect = lambda _scenario, _warnings: (),
) -> tuple[Scenario, ...]:
    """Read the scenarios that files, folders and patterns name, in that order, each file once.

    Nothing is sent and nothing is written. `overrides` are the variables of `--set`: they count as defined,
    and one that no scenario knows is a problem. `file_root` widens the folder that the files named in a
    scenario may not leave. `inspect` says what else is wrong with a scenario that can be read; it
    gets what the reader warns of.
    InvalidScenarioError lists every problem of every file.
    """
    with _collector_paused():
        return _load(paths, vocabulary, overrides or {}, file_root=file_root, inspect=inspect)


def _load(
    paths: Sequence[str],
    vocabulary: Vocabulary,
    given: Mapping[str, str],
    *,
    file_root: str | None,
    inspect: Inspect,
) -> tuple[Scenario, ...]:
    root = Path(file_root) if file_root is not None else None
    found, missing = find(paths)
    problems = Problems(missing)
    opened = [_open(file) for file in found]

    # Scenarios come first: a file without turns that one of them names is its data, and no scenario.
    reads = list(
        _read_all([file for file in opened if file.is_script], vocabulary, file_root=root, given=given)
    )
    used = frozenset(path for read in reads for path in read.used)
    others = [file for file in opened if not file.is_script and not _is_data(file, used)]
    reads.extend(_read_all(others, vocabulary, file_root=root, given=given))
    for file in [file for file in opened if file in others or file.file.lines]:
        problems.merge(file.problems)
    for read in reads:
        problems.merge(read.problems)

    # What is sound by itself is looked at by the caller, who knows more than the file says.
    sources = {file.file.path: file.document.source for file in opened if file.document is not None}
    for read in reads:
        if read.scenario is not None and not read.problems:
            source = sources[read.scenario.path]
            noticed = Noticed(problems=read.warnings, source=source)
            problems.extend(_with_line(problem, source) for problem in inspect(read.scenario, noticed))

    # What can be said only of all files together.
    if found and not reads and not problems:
        position = Position(path=paths[0], line=1, column=1)
        message = "none of the YAML files found here is a scenario"
        hint = "a scenario has `turns:` at the top level"
        problems.extend([Diagnostic(position=position, message=message, hint=hint)])
    problems.extend(_same_names(reads))
    shared = shared_baselines(reads, is_scenario=lambda path: scenario_name(path) is not None)
    problems.extend(_with_line(problem, sources[problem.position.path]) for problem in shared)
    if not problems:
        known = frozenset(name for read in reads for name in read.variables)
        problems.extend(unknown_overrides(given, known))
    if problems:
        raise InvalidScenarioError(problems, files=used.union(*(read.used for read in reads)))
    order = {file.path: index for index, file in enumerate(found)}
    named = {file.file.path: file for file in opened}
    scenarios = [_at_lines(read.scenario, named) for read in reads if read.scenario is not None]
    return tuple(sorted(scenarios, key=lambda scenario: order[scenario.path]))


def _at_lines(scenario: Scenario, named: Mapping[str, _Opened]) -> Scenario:
    opened = named[scenario.path]
    if not opened.file.lines or opened.document is None:
        return scenario
    return at_lines(scenario, opened.document.root, opened.document.source, opened.file.lines)


def scenario_name(path: str) -> str | None:
    """Return the name of the scenario that stands in a file now; None where there is none."""
    opened = _open(Found(path=path, named=True))
    root = opened.document.root if opened.document else None
    if not isinstance(root, MappingNode) or not opened.is_script:
        return None
    name = root.get("name")
    return Path(path).stem if name is None else str(to_json(name.value))


def is_meant(path: str, *, vocabulary: Vocabulary, top: Path) -> bool:
    """Return whether `load` would take a file that it finds in a folder for a scenario, sound or not.

    What a scenario beside or above it has as its data is none: `top` is how far up they are looked for.
    """
    opened = _open(Found(path=path, named=False))
    if opened.is_script or _is_data(opened, frozenset()):
        return opened.is_script
    folder = Path(path).resolve().parent
    above = [
        each for each in (folder, *folder.parents) if each == folder or each.is_relative_to(top.resolve())
    ]
    found = [_open(Found(path=str(each), named=False)) for place in above for each in _files_of(place)]
    reads = _read_all([each for each in found if each.is_script], vocabulary, file_root=None, given={})
    return not _is_data(opened, frozenset(used for read in reads for used in read.used))


def _files_of(folder: Path) -> list[Path]:
    return sorted(each for suffix in SUFFIXES for each in folder.glob(f"*{suffix}"))


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
            files[real] = files[real].joined(file) if real in files else file
    return tuple(files.values()), tuple(problems)


def looked_at(paths: Sequence[str]) -> Iterator[Path]:
    """Yield the files that the paths mean, and the folders in which others of them may turn up."""
    found, _ = find(paths)
    for file in found:
        yield Path(file.path)
        yield Path(file.path).parent
    for path in paths:
        plain = path[: magic.start()] if (magic := _MAGIC.search(path)) else path
        top = (plain or ".") if Path(plain).is_dir() else str(Path(plain).parent)
        yield from (Path(folder) for folder, _ in _walk(top)) if magic or top == path else (Path(top),)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from walking a growing tree over and over: what is read has no cycles."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A file that was read as YAML, or why it could not be."""

    file: Found
    data: bytes = b""
    document: Document | None = None
    problems: Problems = field(default_factory=Problems)

    @property
    def keys(self) -> tuple[str, ...]:
        root = self.document.root if self.document else None
        return tuple(entry.key for entry in root.entries) if isinstance(root, MappingNode) else ()

    @property
    def is_script(self) -> bool:
        # Where every case has turns of its own, a scenario needs none.
        return "turns" in self.keys or "cases" in self.keys


def _open(file: Found) -> _Opened:
    start = Position(path=file.path, line=1, column=1)
    try:
        data = read_regular(Path(file.path), MAX_BYTES)
        document = parse(decode(file.path, data))
        last = last_line(document.source)
        beyond = [line for line in sorted(file.lines) if not 0 < line <= last]
        problems = Problems(_no_line(file.path, line, last) for line in beyond)
        return _Opened(file=file, data=data, document=document, problems=problems)
    except InvalidScenarioError as error:
        return _Opened(file=file, problems=error.problems)
    except FileProblemError as error:
        problem = Diagnostic(position=start, message=error.message, hint=found_out(error.hint))
        return _Opened(file=file, problems=Problems([problem]))
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        problem = Diagnostic(position=start, message=message, hint="check that it exists and may be read")
        return _Opened(file=file, problems=Problems([problem]))


def _no_line(path: str, line: int, last: int) -> Diagnostic:
    position = Position(path=path, line=last, column=1)
    message = f"line {line:,} is asked for, and the file has {count(last, 'line')}"
    hint = f"name one from 1 to {last:,}, or the file alone"
    return Diagnostic(position=position, message=message, hint=hint)


def _read_all(
    files: Iterable[_Opened], vocabulary: Vocabulary, *, file_root: Path | None, given: Mapping[str, str]
) -> Iterator[ReadResult]:
    for file in files:
        if file.document is not None:
            yield read_scenario(
                file.document, file.data, vocabulary=vocabulary, file_root=file_root, given=given
            )


def _with_line(problem: Diagnostic, source: Source) -> Diagnostic:
    """Show the source line of a problem that was found without it; its place is the start of a word."""
    if problem.window is not None or problem.position.path != source.path:
        return problem
    index = source.index(problem.position.line) + problem.position.column - 1
    word = _WORD.match(source.text, index)
    length = max(1, len(word[0]) if word else 1)
    return source.problem(problem.position, problem.message, hint=problem.hint, length=length)


def _is_data(opened: _Opened, used: frozenset[Path]) -> bool:
    """Return whether a file without turns is not a scenario; a file that the user named always is one."""
    if opened.file.named:
        return False
    if Path(opened.file.path).resolve() in used:
        return True
    if opened.document is None:
        return False
    return not _TELLING.intersection(opened.keys) and did_you_mean("turns", opened.keys) is None


def _same_names(reads: Iterable[ReadResult]) -> list[Diagnostic]:
    first: dict[str, ReadResult] = {}
    problems: list[Diagnostic] = []
    for read in reads:
        name = read.scenario.name if read.scenario else ""
        other = first.setdefault(name, read)
        if name and other is not read:
            message = f"duplicate scenario name `{name}`: {other.named_at} has it already"
            hint = "give one of them another `name:`"
            problems.append(Diagnostic(position=read.named_at, message=message, hint=hint))
    return problems


def _expand(path: str) -> Iterator[Found]:
    if "\0" in path:
        return
    file, line = split_line(path)
    if line is not None:
        if Path(file).is_file():
            yield Found(path=file, named=True, lines=frozenset({line}))
        return
    if Path(path).is_dir():
        yield from _folder(path)
    elif os.path.lexists(path):
        yield Found(path=path, named=True)
    elif glob.has_magic(path):
        for match in sorted(glob.glob(path, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
            if Path(match).is_dir():
                yield from _folder(match) if not path.endswith("**") else ()
            elif match.endswith(SUFFIXES):
                yield Found(path=match, named=False)


def _folder(path: str) -> Iterator[Found]:
    for folder, names in _walk(path):
        for name in sorted(names):
            if name.endswith(SUFFIXES) and not name.startswith("."):
                yield Found(path=str(Path(folder) / name), named=False)


def _walk(path: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder that may hold scenarios, with the names of the files in it."""
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _UNRELATED)
        yield folder, names


def _nothing(path: str) -> Diagnostic:
    file, line = split_line(path)
    position = Position(path=file, line=line or 1, column=1)
    if "\0" not in path and Path(path).is_dir():
        message, hint = "no scenario in this folder", "scenarios end in .yaml or .yml"
    elif glob.has_magic(path):
        message, hint = "no file matches this pattern", "quote it, and see that it ends in .yaml"
    else:
        message, hint = "no such file or folder", _similar(path)
    return Diagnostic(position=position, message=message, hint=hint)


def _similar(path: str) -> str:
    name, line = split_line(path)
    target = Path(name)
    if line is not None and target.is_dir():
        return "a line is that of a file"
    try:
        names = sorted(entry.name for entry in target.parent.iterdir())
    except (OSError, ValueError):
        names = []
    close = did_you_mean(target.name, names)
    lines = "" if line is None else f":{line}"
    return f"did you mean `{target.parent / close}{lines}`?" if close else "check the path"
