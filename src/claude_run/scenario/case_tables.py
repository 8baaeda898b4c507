"""Tables of cases: CSV, TSV and JSONL files, one case in each row or line.

What they hold is data: it is never rendered.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from claude_run.scenario.fields import respelling
from claude_run.scenario.files import MAX_DATA
from claude_run.scenario.yaml_reader import MAX_DEPTH
from claude_run.text.strict_json import DeepJsonError, RespelledError, read_json
from claude_run.text.visible import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from claude_run.scenario.diagnostics import Problems
    from claude_run.scenario.json_values import Json, JsonObject
    from claude_run.scenario.model import Position
    from claude_run.scenario.source import Source
    from claude_run.scenario.yaml_tree import Entry

_QUOTED = re.compile('"(?:[^"]|"")*"')
_EXCEL = re.compile("sep=([,;\t])")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}
_JSON_KEY = re.compile(r'"([^"\\]*)"\s*:')

MAX_CASES = 100_000
"""How many cases a file may hold: no run has more conversations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case as written. `places` says where variables are named, asked only for those that are new.

    `own` are the entries that are no variables: turns, expectations, tags.
    """

    source: Source
    position: Position
    number: int
    case: Json
    vars: JsonObject
    places: Callable[[], Mapping[str, Position]]
    own: Mapping[str, Entry] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id of the case, or its number where none is written."""
        return str(self.number if self.case is None else self.case)


def read_csv(source: Source, problems: Problems) -> Iterator[Row]:
    """Read a CSV file: a header with names, then one case in each row.

    The column `id` is the case's id; every value is a string. Empty rows are passed over. Cells are separated
    by commas, or by the semicolons or tabs that the header shows; Excel's line `sep=;` may stand before it.
    """
    # The header says what the cells of every row are called.
    separator = _separator(source)
    lines = _csv_lines(source, problems, separator=separator)
    first, header = next(lines, (1, []))
    if first == 1 and _EXCEL.fullmatch(source.line(1)):
        first, header = next(lines, (2, []))
    places = _header_places(source, first, header, problems, separator=separator)
    # Of a row with another number of cells nobody can tell which cell is which.
    number = 0
    for row, (line, cells) in enumerate(lines, 1):
        position = source.position(source.index(line))
        if row > MAX_CASES:
            _report_too_many(source, position, problems)
            return
        if len(cells) != len(header):
            message = f"this row has {count(len(cells), 'cell')}, the header has {len(header)}"
            hint = f"quote a cell that holds a {_NAMES[separator]} or a line break"
            source.report(problems, position, message, hint=hint)
            continue
        values: dict[str, Json] = dict(zip(header, cells, strict=True))
        case = values.pop("id", None)
        number += 1
        yield Row(
            source=source, position=position, number=number, case=case, vars=values, places=lambda: places
        )


def read_jsonl(source: Source, problems: Problems) -> Iterator[Row]:
    """Read a JSONL file: one object a line, `{id, vars}` or flat."""
    number = 0
    written = ((line, text) for line, text in enumerate(source.lines(), 1) if text.strip())
    for row, (line, text) in enumerate(written, 1):
        start = source.index(line)
        if row > MAX_CASES:
            _report_too_many(source, source.position(start), problems)
            return
        try:
            case = _json_row(source, start, text=text, number=number + 1)
        except json.JSONDecodeError as error:
            position = source.position(start + error.pos)
            source.report(problems, position, f"this is not valid JSON: {error.msg}")
        except RespelledError as error:
            respelled = respelling(error.written, error.spelling)
            source.report(problems, source.position(start), respelled[0], hint=respelled[1])
        except ValueError as error:
            message = "this JSON nests too deeply" if isinstance(error, DeepJsonError) else str(error)
            hint = "write one JSON object on each line"
            source.report(problems, source.position(start), message, hint=hint)
        else:
            number += 1
            yield case


def _report_too_many(source: Source, position: Position, problems: Problems) -> None:
    message = f"the file holds more than {MAX_CASES:,} cases"
    source.report(problems, position, message, hint="split it: no run has more conversations")


def _separator(source: Source) -> str:
    """Return what separates the cells: what Excel's line says, else a sign that the header has."""
    first = source.line(1)
    if told := _EXCEL.fullmatch(first):
        return told[1]
    if source.path.lower().endswith(".tsv"):
        return "\t"
    first = _QUOTED.sub("", first)
    if "," in first:
        return ","
    return "\t" if "\t" in first else ";" if ";" in first else ","


def _csv_lines(source: Source, problems: Problems, *, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, each with the number of its first line."""
    limit = csv.field_size_limit(MAX_DATA)
    reader = csv.reader(source.lines(), strict=True, delimiter=separator)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        position = source.position(source.index(line))
        hint = "double the quotes inside a quoted cell, and close each quote"
        source.report(problems, position, f"this is not valid CSV: {error}", hint=hint)
    finally:
        csv.field_size_limit(limit)


def _header_places(
    source: Source, line: int, header: list[str], problems: Problems, *, separator: str
) -> dict[str, Position]:
    """Return where each column is named first, behind the quote that it may begin with."""
    cells = re.compile(f'"(?:[^"]|"")*+"|[^{separator}\r\n]*')
    places: dict[str, Position] = {}
    index = source.index(line)
    for column in header:
        cell = cells.match(source.text, index)
        assert cell is not None  # noqa: S101 - the pattern matches any text, be it empty
        position = source.position(index + cell[0].startswith('"'))
        if column in places and column:
            message = f"two columns have the name `{column}`"
            source.report(problems, position, message, hint="rename one of them", length=len(column))
        places.setdefault(column, position)
        index = cell.end() + 1
    places.pop("id", None)
    return places


def _json_row(source: Source, start: int, *, text: str, number: int) -> Row:
    # As in YAML: what nests deeper could not be written into the journal and read again.
    value = read_json(text, deepest=MAX_DEPTH, unique_keys=True, as_written=True)
    if not isinstance(value, dict):
        raise ValueError("a case must be an object")  # noqa: TRY004 - one error type for every bad line
    case = value.pop("id", None)
    nested = value.get("vars")
    if isinstance(nested, dict) and all(key == "vars" or key.startswith("x-") for key in value):
        value = nested
    return Row(
        source=source,
        position=source.position(start),
        number=number,
        case=case,
        vars=value,
        places=lambda: _json_places(source, start, text, value),
    )


def _json_places(source: Source, start: int, text: str, names: Iterable[str]) -> dict[str, Position]:
    """Return where each key of a line is written first; one with escapes counts as the begin of the line."""
    written: dict[str, int] = {}
    for found in _JSON_KEY.finditer(text):
        written.setdefault(found[1], found.start(1))
    return {name: source.position(start + written.get(name, 0)) for name in names}
