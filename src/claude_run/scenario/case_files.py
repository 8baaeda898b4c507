"""Files of cases as CSV and JSONL. What they hold is data: it is never rendered."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

from claude_run.scenario.case_rows import Row
from claude_run.scenario.diagnostics import Diagnostic, InvalidScenarioError
from claude_run.scenario.files import MAX_DATA
from claude_run.scenario.yaml_source import MAX_DEPTH
from claude_run.text.strict_json import DeepJsonError, read_json

if TYPE_CHECKING:
    from claude_run.scenario.model import Json, Position
    from claude_run.scenario.source import Source


def read_csv(source: Source) -> list[Row]:
    """Read a CSV file: a header with names, then one case in each row.

    The column `id` is the case's id; every value is a string. Empty rows are passed over.
    InvalidScenarioError holds all problems.
    """
    problems: list[Diagnostic] = []
    lines = _csv_lines(source, problems)
    header = lines[0][1] if lines else []
    places = _header_places(source, header, problems)
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
        try:
            rows.append(_json_row(source, line, text=text, number=len(rows) + 1))
        except json.JSONDecodeError as error:
            position = source.position(source.index(line) + error.pos)
            problems.append(source.problem(position, f"this is no JSON: {error.msg}"))
        except ValueError as error:
            message = "this JSON nests too deeply" if isinstance(error, DeepJsonError) else str(error)
            hint = "write one JSON object on each line"
            problems.append(source.problem(source.position(source.index(line)), message, hint=hint))
    if problems:
        raise InvalidScenarioError(problems)
    return rows


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
        hint = "double the quotes inside a quoted cell, and close each quote"
        problems.append(
            source.problem(source.position(source.index(line)), f"this is no CSV: {error}", hint=hint)
        )
    finally:
        csv.field_size_limit(limit)
    return lines


def _header_places(source: Source, header: list[str], problems: list[Diagnostic]) -> dict[str, Position]:
    start = next((line for line, text in enumerate(source.text.split("\n"), 1) if text.strip()), 1)
    places: dict[str, Position] = {}
    for name in header:
        found = source.line(start).find(name)
        position = source.position(source.index(start) + max(0, found))
        if name in places:
            message = f"two columns have the name `{name}`"
            problems.append(source.problem(position, message, hint="rename one of them", length=len(name)))
        places[name] = position
    places.pop("id", None)
    return places


def _json_row(source: Source, line: int, *, text: str, number: int) -> Row:
    # As in YAML: what nests deeper could not be written into the journal and read again.
    value = read_json(text, deepest=MAX_DEPTH, unique_keys=True)
    if not isinstance(value, dict):
        raise ValueError("a case must be an object")  # noqa: TRY004 - one error type for every bad line
    case = value.pop("id", None)
    nested = value.get("vars")
    if isinstance(nested, dict) and all(key == "vars" or key.startswith("x-") for key in value):
        value = nested
    start = source.index(line)
    places = {key: source.position(start + max(0, text.find(json.dumps(key)[:-1]) + 1)) for key in value}
    position = source.position(start)
    return Row(source=source, position=position, number=number, case=case, vars=value, places=places)
