"""Cases: sets of variables, written in the scenario or in a CSV, JSONL or YAML file.

What a file of cases holds is data: it is never rendered.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING

from claude_run.scenario import keys
from claude_run.scenario.blocks import file_path
from claude_run.scenario.case_tables import Row, read_csv, read_jsonl
from claude_run.scenario.diagnostics import InvalidScenarioError, Problems
from claude_run.scenario.fields import (
    Reporter,
    check_spelling,
    is_own,
    known,
    mapping,
    name,
    sequence,
)
from claude_run.scenario.files import MAX_DATA, FileProblemError
from claude_run.scenario.model import Case, Position
from claude_run.scenario.vocabulary import name_problem, variable_problem
from claude_run.scenario.yaml_reader import parse
from claude_run.scenario.yaml_tree import ListNode, MappingNode, ScalarNode, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from claude_run.scenario.fields import ReadContext
    from claude_run.scenario.json_values import Json
    from claude_run.scenario.source import Source
    from claude_run.scenario.yaml_tree import Entry, Node

_DIGEST = 16
_OWN = ("turns", "expect", "tags")
_IDLE = {
    "turns": "every case is played with the turns of the scenario",
    "expect": "nothing of it is checked",
    "tags": "no case has them for a tag",
}
_CASE_FORM = (
    "cases of a YAML file may have them: {id: ..., vars: {...}, turns: [...], expect: [...], tags: [...]}"
)
_NESTED = ("vars", "turns", "expect")
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
_RENAME = "rename it, or begin it with `x-` where it is for you alone"

MAX_VARIABLES = 100_000
"""How many variables all cases of a file may have."""

MAX_VALUES = 1_000_000
"""How many values they may have together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """Where a variable gets a value."""

    source: Source
    position: Position
    length: int

    def report(self, problems: Problems, message: str, *, hint: str) -> None:
        self.source.report(problems, self.position, message, hint=hint, length=self.length)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSet:
    """The cases of a scenario, and where their variables are named first.

    Those of a file may be `carried` along without a text that uses them: a file may serve several scenarios.
    `own` are the turns, expectations and tags of cases that have any, as written, by the id of the case.
    """

    cases: tuple[Case, ...] = ()
    own: Mapping[str | None, Row] = field(default_factory=dict)
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    carried: bool = False


def cases(context: ReadContext, entry: Entry) -> CaseSet:
    """Read `cases`: a list, or `{file: path}`. Cases with problems are left out of the result."""
    report = context.report
    if isinstance(entry.value, ScalarNode) and isinstance(entry.value.value, str):
        named: Entry | None = entry
    elif isinstance(entry.value, MappingNode):
        named = file_path(context, entry.value, what="`cases`")
    else:
        hint = "write a list, or {file: cases.csv}"
        nodes = sequence(report, entry.value, what="`cases`", hint=hint) or ()
        inline = (_inline(report, node, number) for number, node in enumerate(nodes, 1))
        return _finish((row for row in inline if row is not None), report.problems, carried=False)

    # A file of cases has problems of its own, which are shown in it.
    if named is None:
        return CaseSet()
    path = str(to_json(named.value))
    unreadable, problems = Problems(), Problems()
    found = None
    try:
        rows = context.file(named.value, lambda: _open(context, path, unreadable))
        found = None if rows is None else _finish(rows, problems, carried=True)
    except InvalidScenarioError as error:
        unreadable.merge(error.problems)
    # Of a file that can be read in part only, nobody can tell what its cases are.
    context.problems.merge(unreadable or problems)
    if unreadable or found is None:
        return CaseSet()
    if not found.cases and not problems:
        report.node(named.value, f"{path} holds no case", hint="add a case, or remove `cases`")
    return found


def warn_of_idle_data(
    definitions: Mapping[str, Definition], used: Mapping[str, None], warnings: Problems
) -> None:
    """Warn of unused variables of a file whose names are those of what a case may have of its own."""
    for variable, effect in _IDLE.items():
        if variable in definitions and variable not in used:
            message = f"`{variable}` is a variable here, which no text uses: {effect}"
            definitions[variable].report(warnings, message, hint=_CASE_FORM)


def with_digest(case: Case, used: Mapping[str, None]) -> Case:
    """Return a numbered case with the digest of those of its variables that texts use.

    Where it has one already, that stands for its own turns.
    """
    if not case.numbered:
        return case
    told: dict[str, Json] = {name: value for name, value in case.vars.items() if name in used}
    if case.digest is not None:
        told = {"vars": told, "own": case.digest}
    return replace(case, digest=digest_of(told))


def digest_of(value: Json) -> str:
    """Return what stands for a value, as 16 hexadecimal digits."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_DIGEST]


def _inline(report: Reporter, node: Node, number: int) -> Row | None:
    whole = mapping(report, node, what="a case", hint="write `- {id: name, vars: {item: value}}`")
    if whole is None:
        return None
    entries = known(report, whole, keys=keys.CASE, what="a case")
    case = name(report, entries["id"]) if "id" in entries else None
    if case is None and "id" in entries:
        return None
    variables = _variables_of(report, entries["vars"]) if "vars" in entries else {}
    row = _yaml_row(report, whole, variables, case=case, number=number)
    return replace(row, own={key: entries[key] for key in _OWN if key in entries})


def _open(context: ReadContext, path: str, problems: Problems) -> Iterator[Row]:
    """Return the rows of a file as it is read; what is wrong with it comes to the problems."""
    readers: dict[str, Callable[[Source, Problems], Iterator[Row]]] = {
        ".csv": read_csv,
        ".tsv": read_csv,
        ".jsonl": read_jsonl,
        ".yaml": _read_yaml,
        ".yml": _read_yaml,
    }
    reader = readers.get(PurePath(path).suffix.lower())
    if reader is None:
        raise FileProblemError(f"{path} is of no known kind", f"use a file that ends in {', '.join(readers)}")
    source = context.files.text(path, limit=MAX_DATA)
    context.sources[source.path] = source
    return reader(source, problems)


def _read_yaml(source: Source, problems: Problems) -> Iterator[Row]:
    document = parse(source)
    report = Reporter(source, problems)
    problems.merge(document.problems)
    nodes = sequence(report, document.root, what="a file of cases") or ()
    rows = (_flat_or_nested(report, node, number) for number, node in enumerate(nodes, 1))
    yield from (row for row in rows if row is not None)


def _flat_or_nested(report: Reporter, node: Node, number: int) -> Row | None:
    whole = mapping(report, node, what="a case")
    if whole is None:
        return None
    entries = {entry.key: entry for entry in whole.entries if not is_own(entry.key)}
    case = entries.get("id")
    named = to_json(case.value) if case else None
    if entries.keys() <= keys.CASE.keys() and any(_is_no_data(entries.get(key)) for key in _NESTED):
        variables = _variables_of(report, entries["vars"]) if "vars" in entries else {}
        row = _yaml_row(report, whole, variables, case=named, number=number)
        return replace(row, own={key: entries[key] for key in _OWN if key in entries})
    variables = {entry.key: entry for entry in whole.entries if entry.key != "id"}
    return _yaml_row(report, whole, variables, case=named, number=number)


def _is_no_data(entry: Entry | None) -> bool:
    """Return whether this key is one of a case: where a row is flat, no mappings stand under it."""
    if entry is None:
        return False
    items = entry.value.items if isinstance(entry.value, ListNode) else (entry.value,)
    return bool(items) and all(isinstance(item, MappingNode) for item in items)


def _variables_of(report: Reporter, entry: Entry) -> dict[str, Entry]:
    node = mapping(report, entry.value, what=f"`{entry.key}`", hint="write `vars: {name: value}`")
    return {variable.key: variable for variable in node.entries} if node else {}


def _yaml_row(
    report: Reporter, node: MappingNode, variables: Mapping[str, Entry], *, case: Json, number: int
) -> Row:
    for key, entry in variables.items():
        if not is_own(key):
            check_spelling(report, entry.value)
    return Row(
        source=report.source,
        position=node.position,
        number=number,
        case=case,
        vars={key: to_json(entry.value) for key, entry in variables.items()},
        places=lambda: {key: entry.position for key, entry in variables.items()},
    )


def _finish(rows: Iterable[Row], problems: Problems, *, carried: bool) -> CaseSet:
    """Turn rows into cases: ids checked and unique, or the row's number; names checked, `x-*` left out.

    What is `carried` along may have any name: a text that cannot name it does not use it.

    Where a file could not be read wholly there are no cases.
    """
    definitions: dict[str, Definition] = {}
    refused: set[str] = set()
    cases: list[Case] = []
    own: dict[str | None, Row] = {}
    seen: dict[str, Position] = {}
    values = 0
    for row in rows:
        values += len(row.vars)
        if values > MAX_VALUES or len(row.vars) > MAX_VARIABLES - len(definitions):
            most = f"{MAX_VALUES:,} values" if values > MAX_VALUES else f"{MAX_VARIABLES:,} variables"
            row.source.report(problems, row.position, f"there are more than {most}", hint="split the file")
            break
        # A variable is defined, or refused, where it is named first.
        new = [each for each in row.vars if each not in definitions and each not in refused]
        places = row.places() if new else {}
        for variable in new:
            if is_own(variable):
                refused.add(variable)
                continue
            definition = Definition(source=row.source, position=places[variable], length=len(variable))
            problem = None if carried else variable_problem(variable)
            if problem is None:
                definitions[variable] = definition
            else:
                refused.add(variable)
                definition.report(problems, f"`{variable}` {problem}", hint=_RENAME)
        if _is_sound(row, seen, problems):
            kept = row.vars
            if any(each in refused for each in kept):
                kept = {name: value for name, value in kept.items() if name in definitions}
            cases.append(Case(id=row.id, vars=kept, position=row.position, numbered=row.case is None))
            if row.own:
                own[row.id] = row
    return CaseSet(cases=tuple(cases), own=own, definitions=definitions, carried=carried)


def _is_sound(row: Row, seen: dict[str, Position], problems: Problems) -> bool:
    """Return whether a row makes a case; everything that keeps it from that is reported."""
    before = len(problems)
    report = partial(row.source.report, problems, row.position)
    if isinstance(row.case, bool) or not isinstance(row.case, str | int | None):
        report("the id of a case must be a text", hint="quote it")
        return False
    problem = name_problem(row.id)
    if problem is not None:
        report(f"the id of a case {problem}", hint="choose a short, plain name")
    first = seen.setdefault(row.id, row.position)
    if first is not row.position:
        message = f"duplicate case id `{row.id}`: line {first.line} has it already"
        report(message, hint="choose another one")
    for variable, value in row.vars.items():
        if not is_own(variable) and _holds_no_text(value):
            message = f"the value of `{variable}` holds NUL or half of a surrogate pair"
            report(message, hint="remove the character: it is not text")
    return len(problems) == before


def _holds_no_text(value: Json) -> bool:
    if isinstance(value, str):
        return _NO_TEXT.search(value) is not None
    if isinstance(value, list):
        return any(map(_holds_no_text, value))
    return isinstance(value, dict) and any(
        _holds_no_text(key) or _holds_no_text(inner) for key, inner in value.items()
    )
