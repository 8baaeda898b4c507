"""The use case of `import`: other tools' files in, scenario files out, and what was lost on the way."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from claude_run.errors import InputError, StorageError
from claude_run.imports.drafts import MAX_SCENARIOS, Given, Names, slug, written
from claude_run.imports.formats import FORMATS, recognised
from claude_run.imports.losses import Losses
from claude_run.scenario.diagnostics import InvalidScenarioError, Problems, render
from claude_run.scenario.files import MAX_DATA, MAX_TEXT, FileProblemError, Files, read_regular
from claude_run.scenario.source import decode
from claude_run.session.prepare_chat import DEFAULT_MODEL
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from claude_run.imports.drafts import Draft
    from claude_run.imports.losses import Loss
    from claude_run.scenario.source import Source
    from claude_run.session.request import ImportRequest

DEFAULT_JUDGE = "claude-opus-5-5"
"""The model that judges where the source names none of Claude."""

_CONFIGS = ("promptfooconfig.yaml", "promptfooconfig.yml", "promptfooconfig.json")
_YAML = frozenset({".yaml", ".yml"})
_MOST_MATCHES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedScenario:
    """A scenario file that was written, and how many conversations a run of it plays."""

    path: Path
    conversations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What was written, and what was lost."""

    scenarios: tuple[ImportedScenario, ...]
    losses: tuple[Loss, ...]
    problems: Problems

    @property
    def warnings(self) -> tuple[str, ...]:
        """The losses, as lines to show."""
        return tuple(render(self.problems, severity="warning").split("\n")) if self.problems else ()


class NothingImportedError(InputError):
    """Nothing of the sources could be carried over; `problems` says why."""

    prefix = ""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        super().__init__("error: nothing in these files could be made a scenario")

    @property
    def lines(self) -> tuple[str, ...]:
        why = render(self.problems, severity="warning").split("\n") if self.problems else ()
        return (*why, str(self))


class Library(Files):
    """The files beside a source, and those that a pattern names; nothing outside of the root is read."""

    def __init__(self, folder: Path, root: Path | None) -> None:
        super().__init__(folder, root)
        self._top = folder

    def matching(self, pattern: str) -> Sequence[str]:
        """Return the files that a pattern names, sorted; FileProblemError comes only when one is read."""
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts or "\0" in pattern:
            return (pattern,)
        found = islice(self._top.glob(pattern), _MOST_MATCHES)
        return tuple(sorted(path.relative_to(self._top).as_posix() for path in found if path.is_file()))


def import_files(request: ImportRequest, *, file_root: str | None, today: date) -> Imported:
    """Convert the sources and write the scenarios; nothing is written unless all of it can be.

    InvalidScenarioError for files that cannot be read, and with `strict` for any loss; InputError where a
    file is there already, where nothing could be converted, or where the format cannot be told.
    """
    losses = Losses()
    drafts = tuple(_drafts(request, losses, file_root=file_root, today=today))
    if request.strict and losses.problems:
        raise InvalidScenarioError(losses.problems)
    made = tuple(written(drafts))
    if not made:
        raise NothingImportedError(losses.problems)
    if len(made) > MAX_SCENARIOS:
        raise InputError(
            f"this makes {count(len(made), 'scenario')}, and at most {MAX_SCENARIOS:,} are written"
        )
    paths = _paths(request.out, [each.stem for each in made])
    _write(paths, [each.text for each in made])
    scenarios = (
        ImportedScenario(path=path, conversations=each.conversations)
        for path, each in zip(paths, made, strict=True)
    )
    return Imported(scenarios=tuple(scenarios), losses=tuple(losses.found), problems=losses.problems)


def _drafts(request: ImportRequest, losses: Losses, *, file_root: str | None, today: date) -> Iterator[Draft]:
    """Yield what the sources become; InvalidScenarioError with what is wrong in any of them."""
    problems = Problems()
    names, taken = Names(), set[object]()
    for path in _found(request.sources):
        try:
            source = losses.know(_source(path))
            chosen = FORMATS[request.source_format] if request.source_format else recognised(source)
            if chosen is None:
                words = "|".join(FORMATS)
                raise InputError(f"{path}: the file does not tell its format: add --from {words}")
            root = Path(file_root) if file_root is not None else None
            given = Given(
                losses=losses,
                library=Library(path.parent, root),
                stem=slug(_called(path), default="imported"),
                model=DEFAULT_MODEL,
                judge=DEFAULT_JUDGE,
                today=today,
                replies=request.replies,
            )
            for draft in chosen.read(source, given):
                stem, head = names.take(draft.stem), draft.head
                # Who is called like another one is called like its file, whose name nobody else has.
                if (called := head.get("name")) in taken:
                    head = {key: value for key, value in head.items() if key != "name"}
                taken.add(called)
                yield replace(draft, stem=stem, head=head)
        except InvalidScenarioError as error:
            problems.merge(error.problems)
    if problems:
        raise InvalidScenarioError(problems)


def _found(sources: Sequence[str]) -> Iterator[Path]:
    for text in sources:
        path = Path(text)
        if not path.is_dir():
            yield path
            continue
        config = next((path / name for name in _CONFIGS if (path / name).is_file()), None)
        if config is None:
            raise InputError(f"{text}: this folder holds no {_CONFIGS[0]}; name the files")
        yield config


def _called(path: Path) -> str:
    """Return what is made of a file after: a promptfoo configuration is called like its folder."""
    return path.absolute().parent.name if path.name in _CONFIGS else path.stem


def _source(path: Path) -> Source:
    try:
        return decode(str(path), read_regular(path, max(MAX_DATA, MAX_TEXT)))
    except FileProblemError as error:
        raise InputError(f"{path}: {error.message}") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise InputError(f"{path}: {reason or error}") from error


def _paths(out: Path, stems: Sequence[str]) -> Sequence[Path]:
    """Return where the scenarios are written; InputError where one of them is there already."""
    if out.suffix.lower() in _YAML and not out.is_dir():
        if len(stems) > 1:
            raise InputError(f"-o {out}: this makes {len(stems)} scenarios: name a folder for them")
        paths = [out]
    else:
        paths = [out / f"{stem}.yaml" for stem in stems]
    there = next((path for path in paths if os.path.lexists(path)), None)
    if there is not None:
        raise InputError(
            f"{there} is there already, and nothing is overwritten: choose another place with -o"
        )
    return paths


def _write(paths: Sequence[Path], texts: Sequence[str]) -> None:
    for path, text in zip(paths, texts, strict=True):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except FileExistsError as error:
            raise InputError(f"{path} is there already, and nothing is overwritten") from error
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
