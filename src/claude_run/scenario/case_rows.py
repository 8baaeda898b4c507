"""Cases on their way from a file: rows with places, then cases with ids and checked names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from claude_run.scenario.fields import is_own, mapping
from claude_run.scenario.model import Case, Position
from claude_run.scenario.names import name_problem, variable_problem
from claude_run.scenario.yaml_nodes import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from claude_run.scenario.diagnostics import Diagnostic
    from claude_run.scenario.fields import Reporter
    from claude_run.scenario.model import Json, JsonObject
    from claude_run.scenario.source import Source
    from claude_run.scenario.yaml_nodes import Entry, MappingNode

_RENAME = "rename it, or begin it with `x-` where it is for you alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """Where a variable gets a value."""

    source: Source
    position: Position
    length: int

    def problem(self, message: str, *, hint: str) -> Diagnostic:
        return self.source.problem(self.position, message, hint=hint, length=self.length)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case as written. `places` says where each variable is named, with the length of the name there."""

    source: Source
    position: Position
    number: int
    case: Json
    vars: JsonObject
    places: Mapping[str, Position]

    @classmethod
    def of_entries(
        cls, node: MappingNode, variables: Mapping[str, Entry], *, source: Source, case: Json, number: int
    ) -> Row:
        """Make a row of a mapping in YAML."""
        return cls(
            source=source,
            position=node.position,
            number=number,
            case=case,
            vars={key: to_json(entry.value) for key, entry in variables.items()},
            places={key: entry.position for key, entry in variables.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSet:
    """The cases of a scenario, and where their variables are named first."""

    cases: tuple[Case, ...] = ()
    definitions: Mapping[str, Definition] = field(default_factory=dict)


def variables_of(report: Reporter, entry: Entry) -> dict[str, Entry]:
    """Return the entries under `vars`; anything but a mapping is a problem."""
    node = mapping(report, entry.value, what=f"`{entry.key}`", hint="write `vars: {name: value}`")
    return {variable.key: variable for variable in node.entries} if node else {}


def finish(rows: Sequence[Row], problems: list[Diagnostic]) -> CaseSet:
    """Turn rows into cases: ids checked and unique, or the row's number; names checked, `x-*` left out."""
    definitions: dict[str, Definition] = {}
    refused: set[str] = set()
    cases: list[Case] = []
    seen: dict[str, Position] = {}
    for row in rows:
        for variable, position in row.places.items():
            if variable in definitions or variable in refused or is_own(variable):
                continue
            definition = Definition(source=row.source, position=position, length=len(variable))
            problem = variable_problem(variable)
            if problem is None:
                definitions[variable] = definition
            else:
                refused.add(variable)
                problems.append(definition.problem(f"`{variable}` {problem}", hint=_RENAME))
        found = list(_row_problems(row, seen))
        problems.extend(found)
        if not found:
            kept = {name: value for name, value in row.vars.items() if name in definitions}
            cases.append(Case(id=_id(row), vars=kept, position=row.position))
    return CaseSet(cases=tuple(cases), definitions=definitions)


def _id(row: Row) -> str:
    return str(row.number if row.case is None else row.case)


def _row_problems(row: Row, seen: dict[str, Position]) -> Iterator[Diagnostic]:
    if isinstance(row.case, bool) or not isinstance(row.case, str | int | None):
        yield row.source.problem(row.position, "the id of a case must be a text", hint="quote it")
        return
    case = _id(row)
    problem = name_problem(case)
    if problem is not None:
        yield row.source.problem(
            row.position, f"the id of a case {problem}", hint="choose a short, plain name"
        )
    first = seen.setdefault(case, row.position)
    if first is not row.position:
        message = f"duplicate case id `{case}`: line {first.line} has it already"
        yield row.source.problem(row.position, message, hint="choose another one")
    for name, value in row.vars.items():
        if not is_own(name) and _holds_no_text(value):
            message = f"the value of `{name}` holds NUL or half of a surrogate pair"
            yield row.source.problem(row.position, message, hint="remove the character: it is no text")


def _holds_no_text(value: Json) -> bool:
    if isinstance(value, str):
        return "\0" in value or any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, list):
        return any(map(_holds_no_text, value))
    return isinstance(value, dict) and any(
        _holds_no_text(key) or _holds_no_text(inner) for key, inner in value.items()
    )
