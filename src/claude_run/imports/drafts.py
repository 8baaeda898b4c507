"""Scenarios that are being made of other tools' files: their texts, their names, how large they may be."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from claude_run.checks.registry import WRAPPERS, default_registry
from claude_run.scenario.keys import WITHIN
from claude_run.scenario.template import RenderError
from claude_run.scenario.vocabulary import name_problem
from claude_run.scenario.yaml_writer import yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from claude_run.imports.losses import Losses
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import Position
    from claude_run.scenario.source import Source
    from claude_run.scenario.template import Renderer
    from claude_run.scenario.vocabulary import Place

MAX_SCENARIO = 800 * 1024
"""How many bytes a scenario is given before its cases go on in another one: a file may have 1 MiB."""

MAX_VALUES = 150_000
"""How many values it is given, of the 200,000 that a file may hold."""

MAX_MARKS = 10_000
"""How many signs that begin a tag it is given: each is written as a tag, and their number is bounded."""

MAX_LEVELS = 50
"""How deep lists and mappings of a case may nest, of the 64 levels that a file may have."""

MAX_SCENARIOS = 1000
"""How many scenarios one import may make."""

_NO_SLUG = re.compile(r"[^a-z0-9._-]+")
_LONGEST_SLUG = 60
# What no text of a YAML file may hold, not even as an escape.
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


class Library(Protocol):
    """The files beside a source; nothing outside of its root is read."""

    def text(self, name: str, *, limit: int = ...) -> Source:
        """Return a file; FileProblemError where it cannot be read, InvalidScenarioError for odd encodings."""

    def matching(self, pattern: str) -> Sequence[str]:
        """Return the files that a pattern names, in order; none where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What an importer knows besides its source: where to note losses, and what is taken where none is said.

    `stem` names what is made. `model` and `judge` are the models of Claude that take the place of others.
    """

    losses: Losses
    library: Library
    stem: str
    model: str
    judge: str
    today: date
    replies: str = "example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A scenario as data, and the stem of its file. `cases` may go on in further files."""

    stem: str
    head: JsonObject
    cases: tuple[JsonObject, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A scenario as YAML, the stem of its file, and how many conversations a run of it plays."""

    stem: str
    text: str
    conversations: int


class Names:
    """Names that are unique among each other, and that files, cases or tags can be called by."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, wanted: str) -> str:
        """Return the name, with a number behind it where it is taken; upper and lower case are the same."""
        name = wanted
        while name.casefold() in self._taken:
            # Many may be called alike: each goes on where the one before has ended.
            self._last[wanted] = self._last.get(wanted, 1) + 1
            name = f"{wanted}-{self._last[wanted]}"
        self._taken.add(name.casefold())
        return name


def slug(text: str, *, default: str) -> str:
    """Return a text as a part of a file's name: small letters, digits, `.`, `_` and `-`, at most 60."""
    plain = _NO_SLUG.sub("-", text.lower())[:_LONGEST_SLUG].strip("-._")
    return plain or default


def case_id(wanted: object, *, default: str) -> str:
    """Return the id of a case: what the source calls it where a name can be so, else the default."""
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        wanted = str(wanted)
    return wanted if isinstance(wanted, str) and name_problem(wanted) is None else default


def unwritable(value: Json) -> bool:
    """Return whether a text in it holds what no scenario can: NUL, or half of a surrogate pair."""
    return any(_NO_TEXT.search(text) for text in _texts(value))


def expectation_problem(expectation: JsonObject, *, place: Place = "turn") -> tuple[str, str | None] | None:
    """Return what `check` would say against an expectation, and its hint; None where it is sound."""
    registry = default_registry()
    kind, value = next((key, part) for key, part in expectation.items() if key not in {"label", "must"})
    if kind in WRAPPERS or kind == WITHIN:
        inside = value.get("expect") if kind == WITHIN and isinstance(value, Mapping) else value
        listed = inside if isinstance(inside, Sequence) and not isinstance(inside, str) else [inside]
        for each in listed:
            within: Place = "part" if kind == WITHIN else place
            inner = expectation_problem(each, place=within) if isinstance(each, Mapping) else None
            if inner is not None:
                return inner
    if kind in WRAPPERS:
        return None
    found = registry.problems(kind, value, place=place)
    return (found[0].message, found[0].hint) if found else None


def filled_problem(expectation: JsonObject, renderer: Renderer) -> str | None:
    """Return what is wrong with an expectation once its variables are filled in; None where it is sound."""
    registry = default_registry()
    kind, value = next((key, part) for key, part in expectation.items() if key not in {"label", "must"})
    if kind in WRAPPERS or kind == WITHIN:
        inside = value.get("expect") if kind == WITHIN and isinstance(value, Mapping) else value
        listed = inside if isinstance(inside, Sequence) and not isinstance(inside, str) else [inside]
        found = (filled_problem(each, renderer) for each in listed if isinstance(each, Mapping))
        return next((each for each in found if each is not None), None)
    try:
        rendered = registry.rendered(kind, value, lambda slot: renderer.fill(slot.source, {}, into=slot.into))
    except RenderError as error:
        return error.reason
    problems = registry.filled_problems(kind, rendered)
    return problems[0].message if problems else None


def written(drafts: Sequence[Draft]) -> Iterator[Written]:
    """Yield each scenario as YAML, under a name of its own; those that grow too large are divided."""
    names = Names()
    for draft in drafts:
        for part in _divided(draft):
            whole = {**part.head, "cases": list(part.cases)} if part.cases else part.head
            yield Written(
                stem=names.take(part.stem), text=yaml_text(_ordered(whole)), conversations=_plays(whole)
            )


def _plays(whole: JsonObject) -> int:
    """Return how many conversations a run plays: each case by each variant on each model, and all repeats."""
    choices = [whole.get(key) for key in ("cases", "variants", "models")]
    repeat = whole.get("repeat")
    once = math.prod(len(each) for each in choices if isinstance(each, list) and each)
    return once * repeat if isinstance(repeat, int) else once


def fits(value: Json) -> bool:
    """Return whether a case, or the head of a scenario, is small enough for a file, and flat enough."""
    size, values, marks = _weight(value)
    return (
        _levels(value) <= MAX_LEVELS and size <= MAX_SCENARIO and values <= MAX_VALUES and marks <= MAX_MARKS
    )


# How a reader likes the keys of a scenario: who plays, what is said, what is asked of it.
_LAST = ("system", "tools", "tool_results", "vars", "cases", "turns", "expect")


def _ordered(whole: JsonObject) -> JsonObject:
    first = {key: value for key, value in whole.items() if key not in _LAST}
    return first | {key: whole[key] for key in _LAST if key in whole}


def _divided(draft: Draft) -> Iterator[Draft]:
    chunk: list[JsonObject] = []
    head = _weight(draft.head)
    size, values, marks = head
    for case in draft.cases:
        more = _weight(case)
        full = size + more[0] > MAX_SCENARIO or values + more[1] > MAX_VALUES or marks + more[2] > MAX_MARKS
        if chunk and full:
            yield replace(draft, cases=tuple(chunk))
            chunk, (size, values, marks) = [], head
        chunk.append(case)
        size, values, marks = size + more[0], values + more[1], marks + more[2]
    yield replace(draft, cases=tuple(chunk))


def _weight(value: Json) -> tuple[int, int, int]:
    """Return the bytes of a value as YAML, the values in it, and the signs in it that begin a tag."""
    text = yaml_text({"cases": [value]})
    return len(text.encode()), _values(value), text.count("{{") + text.count("{%")


def _values(value: Json) -> int:
    if isinstance(value, Mapping):
        return 1 + sum(1 + _values(part) for part in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return 1 + sum(map(_values, value))
    return 1


def _levels(value: Json) -> int:
    parts: Sequence[Json] = ()
    if isinstance(value, Mapping):
        parts = list(value.values())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        parts = value
    return 1 + max(map(_levels, parts), default=0)


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield key
            yield from _texts(part)
    elif isinstance(value, Sequence):
        for part in value:
            yield from _texts(part)


def position_of_key(source: Source, start: int, end: int, key: str) -> Position:
    """Return where a key is written in a stretch of JSON, or where the stretch begins."""
    index = source.text.find(f'"{key}"', start, end)
    return source.position(max(index, start))
