"""Cases: sets of variables, written in the scenario or in a CSV, JSONL or YAML file.

What a file of cases holds is data: it is never rendered.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from claude_run.scenario import keys
from claude_run.scenario.content import file_path
from claude_run.scenario.diagnostics import Diagnostic, InvalidScenarioError
from claude_run.scenario.fields import Reporter, is_own, known, mapping, name, sequence
from claude_run.scenario.files import MAX_DATA, FileProblemError
from claude_run.scenario.model import Case, Position
from claude_run.scenario.vocabulary import name_problem, variable_problem
from claude_run.scenario.yaml_reader import MAX_DEPTH, parse
from claude_run.scenario.yaml_tree import MappingNode, to_json
from claude_run.text.strict_json import DeepJsonError, read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from claude_run.scenario.fields import ReadContext
    from claude_run.scenario.model import Json, JsonObject
    from claude_run.scenario.source import Source
    from claude_run.scenario.yaml_tree import Entry, Node

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
class CaseSet:
    """The cases of a scenario, and where their variables are named first."""

    cases: tuple[Case, ...] = ()
    definitions: Mapping[str, Definition] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case as written. `places` says where each variable is named, with the length of the name there."""

    source: Source
    position: Position
    number: int
    case: Json
    vars: JsonObject
    places: Mapping[str, Position]

    @property
    def id(self) -> str:
        """The id of the case, or its number where none is written."""
        return str(self.number if self.case is None else self.case)


def cases(context: ReadContext, entry: Entry) -> CaseSet:
    """Read `cases`: a list, or `{file: path}`. Cases with problems are left out of the result."""
    report = context.report
    if not isinstance(entry.value, MappingNode):
        hint = "write a list, or {file: cases.csv}"
        nodes = sequence(report, entry.value, what="`cases`", hint=hint) or ()
        inline = [_inline(report, node, number) for number, node in enumerate(nodes, 1)]
        return _finish([row for row in inline if row is not None], report.problems)

    # A file of cases has problems of its own, which are shown in it.
    named = file_path(context, entry.value, what="`cases`")
    if named is None:
        return CaseSet()
    path = str(to_json(named.value))
    try:
        rows = context.file(named.value, lambda: _read(context, path))
    except InvalidScenarioError as error:
        context.problems.extend(error.diagnostics)
        return CaseSet()
    if rows is not None and not rows:
        report.node(named.value, f"{path} holds no case", hint="add a case, or remove `cases`")
    return _finish(rows or (), context.problems)


def read_csv(source: Source) -> list[Row]:
    """Read a CSV file: a header with names, then one case in each row.

    The column `id` is the case's id; every value is a string. Empty rows are passed over.
    InvalidScenarioError holds all problems.
    """
    # The header says what the cells of every row are called.
    problems: list[Diagnostic] = []
    lines = _csv_lines(source, problems)
    header = lines[0][1] if lines else []
    places = _header_places(source, header, problems)
    # Of a row with another number of cells nobody can tell which cell is which.
    rows: list[Row] = []
    for line, cells in lines[1:]:
        position = source.position(source.index(line))
        if len(cells) != len(header):
            message = f"this row has {len(cells)} cells, the header has {len(header)}"
            hint = "quote a cell that holds a comma or a line break"
            problems.append(source.problem(position, message, hint=hint))
            continue
        values: dict[str, Json] = dict(zip(header, cells, strict=True))
        case = values.pop("id", None)
        rows.append(
            Row(source=source, position=position, number=len(rows) + 1, case=case, vars=values, places=places)
        )
    if problems:
        raise InvalidScenarioError(problems)
    return rows


def read_jsonl(source: Source) -> list[Row]:
    """Read a JSONL file: one object a line, `{id, vars}` or flat; InvalidScenarioError with all problems."""
    problems: list[Diagnostic] = []
    rows: list[Row] = []
    for line, text in enumerate(source.text.split("\n"), 1):
        if not text.strip():
            continue
        start = source.index(line)
        try:
            rows.append(_json_row(source, start, text=text, number=len(rows) + 1))
        except json.JSONDecodeError as error:
            position = source.position(start + error.pos)
            problems.append(source.problem(position, f"this is not valid JSON: {error.msg}"))
        except ValueError as error:
            message = "this JSON nests too deeply" if isinstance(error, DeepJsonError) else str(error)
            hint = "write one JSON object on each line"
            problems.append(source.problem(source.position(start), message, hint=hint))
    if problems:
        raise InvalidScenarioError(problems)
    return rows


def _inline(report: Reporter, node: Node, number: int) -> Row | None:
    whole = mapping(report, node, what="a case", hint="write `- {id: name, vars: {item: value}}`")
    if whole is None:
        return None
    entries = known(report, whole, keys=keys.CASE, what="a case")
    case = name(report, entries["id"]) if "id" in entries else None
    if case is None and "id" in entries:
        return None
    variables = _variables_of(report, entries["vars"]) if "vars" in entries else {}
    return _yaml_row(report, whole, variables, case=case, number=number)


def _read(context: ReadContext, path: str) -> list[Row]:
    readers: dict[str, Callable[[Source], list[Row]]] = {
        ".csv": read_csv,
        ".jsonl": read_jsonl,
        ".yaml": _read_yaml,
        ".yml": _read_yaml,
    }
    reader = readers.get(PurePath(path).suffix.lower())
    if reader is None:
        raise FileProblemError(f"{path} is of no known kind", f"use a file that ends in {', '.join(readers)}")
    return reader(context.files.text(path, limit=MAX_DATA))


def _read_yaml(source: Source) -> list[Row]:
    document = parse(source)
    report = Reporter(source)
    report.problems.extend(document.problems)
    nodes = sequence(report, document.root, what="a file of cases") or ()
    rows = [_flat_or_nested(report, node, number) for number, node in enumerate(nodes, 1)]
    if report.problems:
        raise InvalidScenarioError(report.problems)
    return [row for row in rows if row is not None]


def _flat_or_nested(report: Reporter, node: Node, number: int) -> Row | None:
    whole = mapping(report, node, what="a case")
    if whole is None:
        return None
    own = {entry.key for entry in whole.entries if not is_own(entry.key)}
    nested = whole.get("vars")
    if nested is not None and isinstance(nested.value, MappingNode) and own <= set(keys.CASE):
        variables = _variables_of(report, nested)
    else:
        variables = {entry.key: entry for entry in whole.entries if entry.key != "id"}
    case = whole.get("id")
    return _yaml_row(report, whole, variables, case=to_json(case.value) if case else None, number=number)


def _variables_of(report: Reporter, entry: Entry) -> dict[str, Entry]:
    node = mapping(report, entry.value, what=f"`{entry.key}`", hint="write `vars: {name: value}`")
    return {variable.key: variable for variable in node.entries} if node else {}


def _yaml_row(
    report: Reporter, node: MappingNode, variables: Mapping[str, Entry], *, case: Json, number: int
) -> Row:
    return Row(
        source=report.source,
        position=node.position,
        number=number,
        case=case,
        vars={key: to_json(entry.value) for key, entry in variables.items()},
        places={key: entry.position for key, entry in variables.items()},
    )


def _csv_lines(source: Source, problems: list[Diagnostic]) -> list[tuple[int, list[str]]]:
    """Return the rows that are not empty, each with the number of its first line."""
    limit = csv.field_size_limit(MAX_DATA)
    reader = csv.reader(io.StringIO(source.text, newline=""), strict=True)
    lines: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        position = source.position(source.index(line))
        hint = "double the quotes inside a quoted cell, and close each quote"
        problems.append(source.problem(position, f"this is not valid CSV: {error}", hint=hint))
    finally:
        csv.field_size_limit(limit)
    return lines


def _header_places(source: Source, header: list[str], problems: list[Diagnostic]) -> dict[str, Position]:
    start = next((line for line, text in enumerate(source.text.split("\n"), 1) if text.strip()), 1)
    places: dict[str, Position] = {}
    for column in header:
        found = source.line(start).find(column)
        position = source.position(source.index(start) + max(0, found))
        if column in places:
            message = f"two columns have the name `{column}`"
            problems.append(source.problem(position, message, hint="rename one of them", length=len(column)))
        places[column] = position
    places.pop("id", None)
    return places


def _json_row(source: Source, start: int, *, text: str, number: int) -> Row:
    # As in YAML: what nests deeper could not be written into the journal and read again.
    value = read_json(text, deepest=MAX_DEPTH, unique_keys=True)
    if not isinstance(value, dict):
        raise ValueError("a case must be an object")  # noqa: TRY004 - one error type for every bad line
    case = value.pop("id", None)
    nested = value.get("vars")
    if isinstance(nested, dict) and all(key == "vars" or key.startswith("x-") for key in value):
        value = nested
    places = {key: source.position(start + max(0, text.find(json.dumps(key)[:-1]) + 1)) for key in value}
    position = source.position(start)
    return Row(source=source, position=position, number=number, case=case, vars=value, places=places)


def _finish(rows: Sequence[Row], problems: list[Diagnostic]) -> CaseSet:
    """Turn rows into cases: ids checked and unique, or the row's number; names checked, `x-*` left out."""
    definitions: dict[str, Definition] = {}
    refused: set[str] = set()
    cases: list[Case] = []
    seen: dict[str, Position] = {}
    for row in rows:
        # A variable is defined, or refused, where it is named first.
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
            cases.append(Case(id=row.id, vars=kept, position=row.position))
    return CaseSet(cases=tuple(cases), definitions=definitions)


def _row_problems(row: Row, seen: dict[str, Position]) -> Iterator[Diagnostic]:
    if isinstance(row.case, bool) or not isinstance(row.case, str | int | None):
        yield row.source.problem(row.position, "the id of a case must be a text", hint="quote it")
        return
    problem = name_problem(row.id)
    if problem is not None:
        message = f"the id of a case {problem}"
        yield row.source.problem(row.position, message, hint="choose a short, plain name")
    first = seen.setdefault(row.id, row.position)
    if first is not row.position:
        message = f"duplicate case id `{row.id}`: line {first.line} has it already"
        yield row.source.problem(row.position, message, hint="choose another one")
    for variable, value in row.vars.items():
        if not is_own(variable) and _holds_no_text(value):
            message = f"the value of `{variable}` holds NUL or half of a surrogate pair"
            yield row.source.problem(row.position, message, hint="remove the character: it is not text")


def _holds_no_text(value: Json) -> bool:
    if isinstance(value, str):
        return "\0" in value or any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, list):
        return any(map(_holds_no_text, value))
    return isinstance(value, dict) and any(
        _holds_no_text(key) or _holds_no_text(inner) for key, inner in value.items()
    )
